//! `aiosctl boot`

use aios_contracts::v1::{BootTimeline, GetBootRequest};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, escape, format, table};

pub(super) async fn run(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let boot = client.call(api.get_boot(GetBootRequest {})).await?;
    output.print(&json::boot(&boot), || text(&boot))?;
    Ok(Exit::Succeeded)
}

fn text(boot: &BootTimeline) -> String {
    let rows: Vec<[String; 5]> = boot
        .phases
        .iter()
        .map(|phase| {
            let took = match phase.finished_ms.checked_sub(phase.started_ms) {
                Some(ms) => format::duration(ms),
                None => "running".to_owned(),
            };
            [
                phase.number.to_string(),
                phase.name.clone(),
                format!("{} ms", phase.started_ms),
                format!("{} ms", phase.finished_ms),
                took,
            ]
        })
        .collect();
    let mut text = table::table(["PHASE", "NAME", "FROM", "TO", "TOOK"], &rows);
    for event in &boot.events {
        text.push_str(&format!(
            "{:>8} ms  {}\n",
            event.at_ms,
            escape::line(&event.text)
        ));
    }
    for condition in &boot.conditions {
        let (id, detail) = (escape::line(&condition.id), escape::line(&condition.detail));
        text.push_str(&format!("{id}: {detail}\n"));
    }
    if !boot.last_crash.is_empty() {
        text.push_str(&format!("last crash: {}\n", escape::line(&boot.last_crash)));
    }
    let way = escape::line(&boot.way);
    text.push_str(&match (boot.ready_ms, boot.degraded) {
        (0, _) => format!("not ready yet ({way})\n"),
        (ms, false) => format!("READY after {} ({way})\n", format::duration(ms)),
        (ms, true) => format!("READY, degraded, after {} ({way})\n", format::duration(ms)),
    });
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::BootPhase;

    #[test]
    fn a_running_phase_and_a_boot_that_is_not_ready_are_told_so() {
        let phase = |number, started_ms, finished_ms| BootPhase {
            number,
            name: "p".into(),
            started_ms,
            finished_ms,
        };
        let boot = BootTimeline {
            phases: vec![phase(1, 5, 20), phase(2, 20, 0)],
            way: "container".into(),
            ..Default::default()
        };
        assert_eq!(
            text(&boot),
            "PHASE  NAME  FROM   TO     TOOK\n1      p     5 ms   20 ms  15 ms\n\
             2      p     20 ms  0 ms   running\nnot ready yet (container)\n"
        );
    }
}
