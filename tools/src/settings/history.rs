//! `config.history`: who changed the configuration, and when, from the audit log.

use aios_ledger::{Entry, Ledger};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

use crate::procfs::printable;

/// So many are given back at most.
const LISTED: usize = 50;
/// So many entries are looked through at most: what fits the deadline on a slow machine.
const LOOKED_AT: usize = 50_000;
/// So many are repeated in the summary.
const SHOWN: usize = 10;
/// Texts of others are cut here, in characters.
const TEXT_MAX: usize = 200;

/// The tool `config.history`.
pub struct History;

/// One change.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its place in the audit log.
    pub index: u64,
    /// Unix time in milliseconds.
    pub time_ms: i64,
    /// Who, by the kernel's word.
    pub actor: String,
    /// For which operator.
    pub on_behalf_of: String,
    /// `config.apply`, `config.confirm`, `config.set`, …
    pub what: String,
    /// Why it was done.
    pub reason: String,
    /// How it ended.
    pub outcome: String,
}

/// The changes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The newest 50, the newest first.
    pub changes: Vec<Row>,
    /// How many were found in all.
    pub matching: u64,
    /// Were older entries not looked at, because there are too many?
    pub truncated: bool,
}

impl Tool for History {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "config.history",
            "Shows who changed the node's configuration and when, from the audit log.",
        )
        .needing("config", "read", "history")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |row: &Row| {
            let time = format::time(row.time_ms);
            let who = match row.on_behalf_of.as_str() {
                "" => row.actor.clone(),
                operator => format!("{} for {operator}", row.actor),
            };
            let more: Vec<&str> = [row.reason.as_str(), row.outcome.as_str()]
                .into_iter()
                .filter(|text| !text.is_empty())
                .collect();
            format!("{time} {who} {} {}", row.what, more.join(": "))
                .trim_end()
                .to_owned()
        };
        let older = if output.truncated {
            " among the newest entries of the audit log"
        } else {
            ""
        };
        match output.matching {
            0 => format!("no change of the configuration is on record{older}"),
            count => {
                let lines: Vec<String> = output.changes.iter().take(SHOWN).map(one).collect();
                format!("{count} entries{older}:\n{}", lines.join("\n"))
            }
        }
    }
}

impl Look for History {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let ledger = context.part::<Ledger>()?;
        let mut found = Output {
            changes: Vec::new(),
            matching: 0,
            truncated: ledger.len() > LOOKED_AT as u64,
        };
        for entry in ledger.newest().take(LOOKED_AT) {
            let entry = entry.map_err(|error| ToolError::Failed(error.to_string()))?;
            if !is_change(&entry) {
                continue;
            }
            found.matching += 1;
            if found.changes.len() < LISTED {
                found.changes.push(row(entry));
            }
        }
        Ok(found)
    }
}

/// What changed the configuration or tried to; of a call of a tool, its end says how.
fn is_change(entry: &Entry) -> bool {
    let is_of_config = entry.tool.starts_with("config.");
    let looked = ["config.get", "config.diff", "config.history"].contains(&entry.tool.as_str());
    is_of_config && !looked && entry.kind != "intent"
}

fn row(entry: Entry) -> Row {
    let text = |text: String| printable(&text).chars().take(TEXT_MAX).collect();
    Row {
        index: entry.index,
        time_ms: entry.time_ms,
        actor: text(entry.actor),
        on_behalf_of: text(entry.on_behalf_of),
        what: text(entry.tool),
        reason: text(entry.reason),
        outcome: text(entry.outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_found_and_looks_and_intents_are_not() {
        let check = |kind: &str, tool: &str, found: bool| {
            let entry = Entry {
                kind: kind.into(),
                tool: tool.into(),
                ..Entry::default()
            };
            assert_eq!(is_change(&entry), found, "{kind} {tool}");
        };
        check("record", "config.apply", true);
        check("completion", "config.set", true);
        check("undo", "config.set", true);
        check("intent", "config.set", false);
        check("completion", "config.get", false);
        check("completion", "fs.write", false);
    }
}
