//! The degraded modes: one table (`table.toml`), and which of its rows hold now. Pure.

use std::path::Path;
use std::sync::LazyLock;

use aios_contracts::v1::{Condition, DegradedMode};
use serde::Deserialize;

const TABLE: &str = include_str!("table.toml");
/// PID 1's condition that means safe mode.
pub const SAFE_MODE: &str = "safe-mode";

/// The identifier of a configuration that is wrong.
pub const CONFIGURATION: &str = "configuration";

/// A row: what is missing, and what follows from it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Mode {
    id: String,
    missing: String,
    means: String,
    works: String,
    tried: String,
    way_out: String,
}

#[derive(Deserialize)]
struct Table {
    mode: Vec<Mode>,
}

/// Parsed once. A table that does not parse does not pass the tests.
static MODES: LazyLock<Vec<Mode>> = LazyLock::new(|| {
    toml::from_str::<Table>(TABLE).map_or_else(|_| Vec::new(), |table| table.mode)
});

/// All rows; those of `conditions` are marked as present. A condition that no row
/// knows gets a row of its own: nothing that was found is left out.
pub fn list(conditions: &[Condition]) -> Vec<DegradedMode> {
    let details = |id: &str| {
        let of = conditions.iter().filter(|condition| condition.id == id);
        of.map(|condition| condition.detail.as_str())
            .collect::<Vec<_>>()
    };
    let known = MODES.iter().map(|mode| {
        let details = details(&mode.id);
        DegradedMode {
            id: mode.id.clone(),
            missing: mode.missing.clone(),
            means: mode.means.clone(),
            works: mode.works.clone(),
            tried: mode.tried.clone(),
            way_out: mode.way_out.clone(),
            present: !details.is_empty(),
            detail: details.join("; "),
        }
    });
    let unknown = conditions
        .iter()
        .filter(|condition| MODES.iter().all(|mode| mode.id != condition.id));
    let unknown = unknown.map(|condition| DegradedMode {
        id: condition.id.clone(),
        missing: condition.id.clone(),
        present: true,
        detail: condition.detail.clone(),
        ..DegradedMode::default()
    });
    known.chain(unknown).collect()
}

/// Why this boot is in safe mode, if it is: what PID 1 wrote below the folder of
/// sockets, where only root writes.
pub fn safe_mode(run: &Path) -> Option<String> {
    let text = std::fs::read_to_string(run.join("init/conditions")).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .find(|(id, _)| *id == SAFE_MODE)
        .map(|(_, detail)| detail.to_owned())
}

/// One line for `aiosctl status`.
pub fn line(mode: &DegradedMode) -> String {
    let detail = match mode.detail.as_str() {
        "" => String::new(),
        detail => format!(" ({detail})"),
    };
    match mode.id.as_str() {
        // The way out belongs beside what keeps a person from working.
        SAFE_MODE => format!(
            "safe mode{detail}: {}. Way out: {}",
            mode.means, mode.way_out
        ),
        _ => format!("{}{detail}: {}", mode.missing, mode.means),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(id: &str, detail: &str) -> Condition {
        Condition {
            id: id.into(),
            detail: detail.into(),
        }
    }

    #[test]
    fn every_row_says_everything_and_is_there_once() {
        assert!(MODES.len() >= 16, "the table parses");
        for mode in MODES.iter() {
            for text in [
                &mode.missing,
                &mode.means,
                &mode.works,
                &mode.tried,
                &mode.way_out,
            ] {
                assert!(text.len() > 5, "{mode:?}");
            }
            let same = MODES.iter().filter(|other| other.id == mode.id);
            assert_eq!(same.count(), 1, "{}", mode.id);
        }
    }

    #[test]
    fn safe_mode_is_what_pid_1_wrote() {
        let run = tempfile::tempdir().expect("a folder");
        assert_eq!(safe_mode(run.path()), None);
        std::fs::create_dir(run.path().join("init")).expect("a folder");
        let check = |text: &str, expected: Option<&str>| {
            std::fs::write(run.path().join("init/conditions"), text).expect("a file");
            assert_eq!(safe_mode(run.path()).as_deref(), expected, "{text:?}");
        };
        check("data-disk\tgone\n", None);
        check("data-disk\tgone\nsafe-mode\t3 boots\n", Some("3 boots"));
    }

    #[test]
    fn what_is_so_is_marked_and_nothing_is_left_out() {
        let found = [condition(SAFE_MODE, "3 boots"), condition("new", "x")];
        let list = list(&found);
        let present: Vec<&str> = list
            .iter()
            .filter(|mode| mode.present)
            .map(|mode| mode.id.as_str())
            .collect();
        assert_eq!(present, [SAFE_MODE, "new"]);
        let said = line(&list[0]);
        assert!(
            said.starts_with("safe mode (3 boots): goals are refused"),
            "{said}"
        );
        assert!(said.contains("aiosctl reboot"), "{said}");
    }

    #[test]
    fn the_services_of_the_image_have_rows() {
        let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/etc/aios/services");
        for name in aios_daemon::services::CORE {
            assert!(MODES.iter().any(|mode| mode.id == name), "{name}");
            let manifest = std::path::Path::new(services).join(format!("{name}.toml"));
            assert!(manifest.exists(), "{name} is no service any more");
        }
    }

    fn row(id: &str) -> &'static Mode {
        MODES.iter().find(|mode| mode.id == id).expect("a row")
    }

    #[test]
    fn what_is_said_of_agents_is_what_is_done_about_them() {
        let patience = crate::config::Limits::default().patience.as_secs();
        let waits = format!("a task waits {patience} s for its agent, then fails");
        assert!(row("agents").means.starts_with(&waits), "{waits}");
        let again = crate::boot::AGENTS_AGAIN.as_secs();
        assert_eq!(
            row("agents").tried,
            format!("started again every {again} s")
        );
    }

    #[test]
    fn the_handbook_shows_this_table() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/degraded.md");
        let text = std::fs::read_to_string(path).expect("docs/degraded.md");
        let rows = MODES.iter().map(|mode| {
            let Mode {
                id,
                missing,
                means,
                works,
                tried,
                way_out,
            } = mode;
            format!("| `{id}` | {missing} | {means} | {works} | {tried} | {way_out} |\n")
        });
        let rows: String = rows.collect();
        assert!(text.contains(&rows), "docs/degraded.md must hold:\n{rows}");
    }
}
