//! `aiosctl storage`: room on the data disk.

use aios_contracts::v1::{ReclaimStorageRequest, ReclaimStorageResponse, ReclaimedExecution};
use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::{Exit, Failure};
use crate::output::{Output, escape, format, table};

/// Arguments of `storage`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Drop what old executions keep for undo: deleted files and replaced contents (admin). They can
    /// no longer be undone then
    Reclaim {
        /// Of executions that ended longer ago: a number with s, m, h or d
        #[arg(long, value_name = "AGE", default_value = "30d", value_parser = age)]
        older_than: u64,
        /// Of all executions that ended
        #[arg(long, conflicts_with = "older_than")]
        all: bool,
        /// Only say what would be dropped
        #[arg(long)]
        dry_run: bool,
        /// Why, for the audit
        #[arg(long, default_value = "asked for with aiosctl")]
        reason: String,
    },
}

pub(super) async fn run(
    client: &Client,
    output: Output,
    arguments: Arguments,
) -> Result<Exit, Failure> {
    let Command::Reclaim {
        older_than,
        all,
        dry_run,
        reason,
    } = arguments.command;
    let request = ReclaimStorageRequest {
        older_than_s: if all { 0 } else { older_than },
        dry_run,
        reason,
        on_behalf_of: String::new(), // the appliance takes it from the certificate
    };
    let mut api = client.management();
    let answer = client.call(api.reclaim_storage(request)).await?;
    output.print(&document(&answer, dry_run), || text(&answer, dry_run))?;
    Ok(Exit::Succeeded)
}

/// An age in seconds.
fn age(text: &str) -> Result<u64, String> {
    let wrong = || "a number with s, m, h or d, such as 7d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    Ok(u64::from(number) * seconds)
}

fn document(answer: &ReclaimStorageResponse, dry_run: bool) -> Value {
    let one = |one: &ReclaimedExecution| {
        json!({
            "execution_id": one.execution_id,
            "tool": one.tool,
            "goal_id": one.goal_id,
            "ended_ms": one.ended_ms,
            "bytes": one.bytes,
        })
    };
    json!({
        "dry_run": dry_run,
        "executions": answer.executions,
        "bytes": answer.bytes,
        "dropped": answer.dropped.iter().map(one).collect::<Vec<_>>(),
        "remarks": answer.remarks,
    })
}

fn text(answer: &ReclaimStorageResponse, dry_run: bool) -> String {
    let rows: Vec<[String; 4]> = answer
        .dropped
        .iter()
        .map(|one| {
            [
                escape::line(&one.execution_id),
                escape::line(&one.tool),
                format::time(one.ended_ms),
                format::bytes(one.bytes),
            ]
        })
        .collect();
    let mut text = match rows.is_empty() {
        true => String::new(),
        false => table::table(["EXECUTION", "TOOL", "ENDED", "KEEPS"], &rows) + "\n",
    };
    let (would, bytes) = (
        if dry_run { "would be " } else { "" },
        format::bytes(answer.bytes),
    );
    text += &format!(
        "{bytes} of {} executions {would}reclaimed; they can no longer be undone{}\n",
        answer.executions,
        if dry_run { " then" } else { "" },
    );
    for remark in &answer.remarks {
        text += &format!("but: {}\n", escape::line(remark));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_a_unit() {
        let check =
            |text: &str, expected: Option<u64>| assert_eq!(age(text).ok(), expected, "{text}");
        check("7d", Some(604_800));
        check("90m", Some(5400));
        check("0s", Some(0));
        for wrong in ["", "7", "d", "-1d", "7 d", "7w", "7ä"] {
            check(wrong, None);
        }
    }

    #[test]
    fn a_dry_run_says_for_each_execution_what_would_be_dropped() {
        let answer = ReclaimStorageResponse {
            executions: 1,
            bytes: 2048,
            dropped: vec![ReclaimedExecution {
                execution_id: "e1".into(),
                tool: "fs.delete".into(),
                bytes: 2048,
                ..ReclaimedExecution::default()
            }],
            remarks: vec!["e2 is in use and was left as it is".into()],
        };
        let told = text(&answer, true);
        for expected in ["e1", "fs.delete", "would be reclaimed", "but: e2"] {
            assert!(told.contains(expected), "{told}");
        }
        assert!(!text(&answer, false).contains("would"));
    }
}
