//! `aiosctl degraded`

use aios_contracts::v1::{DegradedMode, ListDegradedRequest};
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::{Output, table};

pub(super) async fn run(client: &Client, output: Output, all: bool) -> Result<Exit, Failure> {
    let mut api = client.management();
    let mut modes = client
        .call(api.list_degraded(ListDegradedRequest {}))
        .await?
        .modes;
    modes.retain(|mode| all || mode.present);
    let document = json!({ "degraded": modes.iter().map(document).collect::<Vec<_>>() });
    output.print(&document, || text(&modes))?;
    Ok(Exit::Succeeded)
}

fn document(mode: &DegradedMode) -> Value {
    json!({
        "id": mode.id, "present": mode.present, "detail": mode.detail, "missing": mode.missing,
        "means": mode.means, "works": mode.works, "tried": mode.tried, "way_out": mode.way_out,
    })
}

fn text(modes: &[DegradedMode]) -> String {
    if modes.is_empty() {
        return "nothing is missing\n".to_owned();
    }
    let shown = modes.iter().map(|mode| {
        let now = match (mode.present, mode.detail.as_str()) {
            (true, "") => "yes".to_owned(),
            (true, detail) => format!("yes: {detail}"),
            (false, _) => "no".to_owned(),
        };
        table::fields(&[
            ("mode", mode.id.clone()),
            ("so now", now),
            ("missing", mode.missing.clone()),
            ("means", mode.means.clone()),
            ("still works", mode.works.clone()),
            ("tried", mode.tried.clone()),
            ("way out", mode.way_out.clone()),
        ])
    });
    shown.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_shown_with_its_way_out() {
        assert_eq!(text(&[]), "nothing is missing\n");
        let mode = DegradedMode {
            id: "safe-mode".into(),
            present: true,
            detail: "3 boots".into(),
            way_out: "aiosctl reboot".into(),
            ..DegradedMode::default()
        };
        let text = text(&[mode]);
        assert!(text.contains("so now       yes: 3 boots\n"), "{text}");
        assert!(text.contains("way out      aiosctl reboot\n"), "{text}");
    }
}
