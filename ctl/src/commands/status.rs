//! `aiosctl status`

use aios_proto::v1::{GetStatusRequest, SystemStatus};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, format, table};

pub(super) async fn run(client: &Client, output: Output) -> Result<Exit, Failure> {
    let mut api = client.management();
    let status = client.call(api.get_status(GetStatusRequest {})).await?;
    output.print(&json::status(&status), || text(&status))?;
    Ok(Exit::Succeeded)
}

fn text(status: &SystemStatus) -> String {
    let ready = match status.ready_ms {
        0 => String::new(),
        ms => format!(" (ready after {})", format::duration(ms)),
    };
    let memory = format!(
        "{} free of {}",
        format::bytes(status.memory_available_bytes),
        format::bytes(status.memory_total_bytes)
    );
    let mut rows = vec![
        ("node", status.node.clone()),
        ("state", status.state.clone()),
        ("version", status.version.clone()),
        (
            "up",
            format!("{}{ready}", format::duration(status.uptime_ms)),
        ),
        (
            "services",
            format!(
                "{} of {} ready",
                status.services_ready, status.services_total
            ),
        ),
        (
            "agents",
            format!(
                "{} of {} connected",
                status.agents_connected, status.agents_total
            ),
        ),
        ("goals", format!("{} running", status.goals_running)),
        ("memory", memory),
        ("you", status.you.clone()),
    ];
    if let Some(stop) = status.emergency.as_ref().filter(|stop| stop.stopped) {
        let text = format!("emergency stop by {}: {}", stop.by, stop.reason);
        rows.push(("manual", text));
    }
    if !status.last_crash.is_empty() {
        rows.push(("last crash", status.last_crash.clone()));
    }
    rows.extend(
        status
            .degraded
            .iter()
            .map(|missing| ("degraded", missing.clone())),
    );
    let pending = status.not_in_force.iter();
    rows.extend(pending.map(|key| ("config", key.clone())));
    table::fields(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said() {
        let status = SystemStatus {
            node: "n1".into(),
            state: "degraded".into(),
            uptime_ms: 61_000,
            ready_ms: 900,
            degraded: vec!["runtime: goals are not understood".into()],
            not_in_force: vec!["api.claude.model: not in force yet".into()],
            ..Default::default()
        };
        let text = text(&status);
        assert!(text.contains("state     degraded\n"), "{text}");
        assert!(
            text.contains("up        1 min 1 s (ready after 900 ms)\n"),
            "{text}"
        );
        assert!(
            text.contains("degraded  runtime: goals are not understood\n"),
            "{text}"
        );
        let pending = "config    api.claude.model: not in force yet\n";
        assert!(text.ends_with(pending), "{text}");
    }
}
