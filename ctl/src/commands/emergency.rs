//! `aiosctl emergency`: stop all agents at once, and let them go on.

use aios_contracts::v1::{EmergencyRequest, EmergencyState, GetStatusRequest};
use clap::Subcommand;

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::json;
use crate::output::{Output, format, table};

/// Arguments of `emergency`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Stop all that agents do, within a second, until it is resumed (also over reboots).
    /// Meanwhile goals and tool calls are refused; reading, undo, services and power work
    Stop {
        /// Why, for the record
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Let agents work again (admin); goals that were under way go on, nothing is done twice
    Resume {
        /// Why, for the record
        #[arg(long, default_value = "")]
        reason: String,
        /// Cancel the goals that were under way, instead of going on with them
        #[arg(long)]
        cancel_goals: bool,
    },
    /// Is it stopped, by whom and why?
    Status,
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let mut api = client.management();
    let state = match arguments.command {
        Command::Stop { reason } => {
            let request = EmergencyRequest {
                reason,
                ..EmergencyRequest::default()
            };
            client.call(api.emergency_stop(request)).await?
        }
        Command::Resume {
            reason,
            cancel_goals,
        } => {
            let request = EmergencyRequest {
                reason,
                cancel_goals,
                ..EmergencyRequest::default()
            };
            client.call(api.emergency_resume(request)).await?
        }
        Command::Status => {
            let status = client.call(api.get_status(GetStatusRequest {})).await?;
            status.emergency.unwrap_or_default()
        }
    };
    output.print(&json::emergency(&state), || text(&state))?;
    Ok(Exit::Succeeded)
}

fn text(state: &EmergencyState) -> String {
    let mut rows = match state.stopped {
        false => vec![("agents", "work".to_owned())],
        true => vec![
            ("agents", "stopped (manual mode)".to_owned()),
            ("by", state.by.clone()),
            ("reason", state.reason.clone()),
            ("since", format::time(state.since_ms)),
            ("goals", format!("{} suspended", state.goals_suspended)),
        ],
    };
    rows.extend(state.remarks.iter().map(|remark| ("but", remark.clone())));
    table::fields(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_says_who_why_and_what_did_not_stop() {
        let state = EmergencyState {
            stopped: true,
            by: "CN=ann".into(),
            reason: "wrong disk".into(),
            goals_suspended: 2,
            remarks: vec!["agent-task was not stopped in time".into()],
            ..EmergencyState::default()
        };
        let text = text(&state);
        for expected in [
            "manual mode",
            "CN=ann",
            "wrong disk",
            "2 suspended",
            "agent-task",
        ] {
            assert!(text.contains(expected), "{text}");
        }
        assert_eq!(
            super::text(&EmergencyState::default()).trim(),
            "agents  work"
        );
    }
}
