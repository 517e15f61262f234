//! `sec.audit_query`: what the audit log says.

use aios_ledger::{Entry, Ledger};
use time::OffsetDateTime;

use super::since;
use crate::procfs::printable;
use aios_tool::argument::{AgentName, Moment};
use aios_tool::prelude::*;

/// The tool `sec.audit_query`.
pub struct AuditQuery;

/// Its name: calls of it take turns with the other reads of the ledger ([`crate::pools`]).
pub const NAME: &str = "sec.audit_query";

/// So many entries are given back at most.
const LISTED: usize = 50;
/// So many are looked through at most: what fits the deadline on a slow machine.
const LOOKED_AT: usize = 50_000;
/// So many are repeated in the summary.
const SHOWN: usize = 10;
/// Texts of others are cut here, in characters.
const TEXT_MAX: usize = 200;

arguments! {
    /// Arguments of `sec.audit_query`.
    pub struct Input {
        /// From when on: `2 hours`, `yesterday`, `2026-01-31`. Default: from the beginning.
        pub since: Option<Moment>,
        /// Only what this agent did: `storage`.
        pub agent: Option<AgentName>,
    }
}

/// One entry.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Its place in the log.
    pub index: u64,
    /// Unix time in milliseconds.
    pub time_ms: i64,
    /// `intent`, `completion`, `refusal`, `undo`, `record`.
    pub kind: String,
    /// Who.
    pub actor: String,
    /// With which tool.
    pub tool: String,
    /// Why.
    pub reason: String,
    /// By which right.
    pub decision: String,
    /// How it ended.
    pub outcome: String,
}

/// The entries.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The newest that fit, the newest first.
    pub entries: Vec<Row>,
    /// How many fit in all.
    pub matching: u64,
    /// Were older ones not looked at, because there are too many?
    pub truncated: bool,
}

impl Tool for AuditQuery {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            NAME,
            "Shows who did what and how it ended, from the audit log.",
        )
        .example(json!({"since": "2 hours", "agent": "storage"}))
        .needing("sec", "read", "audit")
        .reading_the_machine()
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let by = match &input.agent {
            Some(agent) => format!(" by {}", printable(agent.as_str())),
            None => String::new(),
        };
        let since = match &input.since {
            Some(since) => format!(" since {}", printable(since.as_str())),
            None => String::new(),
        };
        let one = |row: &Row| {
            let outcome = match row.outcome.is_empty() {
                true => String::new(),
                false => format!(": {}", row.outcome),
            };
            let time = format::time(row.time_ms);
            format!(
                "{} {time} {} {} {}{outcome}",
                row.index, row.actor, row.kind, row.tool
            )
        };
        let shown: Vec<String> = output.entries.iter().take(SHOWN).map(one).collect();
        match output.matching {
            0 => format!("there are no entries{by}{since}"),
            1 => format!("one entry{by}{since}: {}", shown.concat()),
            count => format!(
                "{count} entries{by}{since}; the newest:\n{}",
                shown.join("\n")
            ),
        }
    }
}

impl Look for AuditQuery {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let since = match input.since.as_ref() {
            Some(text) => moment(text.as_str())?,
            None => i64::MIN,
        };
        let mut found = Output {
            entries: Vec::new(),
            matching: 0,
            truncated: true,
        };
        for entry in context.part::<Ledger>()?.newest().take(LOOKED_AT) {
            let entry = entry.map_err(|error| ToolError::Failed(error.to_string()))?;
            if entry.time_ms < since {
                found.truncated = false;
                return Ok(found);
            }
            if input
                .agent
                .as_ref()
                .is_some_and(|agent| !is_by(&entry, agent.as_str()))
            {
                continue;
            }
            found.matching += 1;
            if found.entries.len() < LISTED {
                found.entries.push(row(entry));
            }
        }
        found.truncated = context.part::<Ledger>()?.len() > LOOKED_AT as u64;
        Ok(found)
    }
}

fn moment(text: &str) -> Result<i64, ToolError> {
    since::parse(text, OffsetDateTime::now_utc()).ok_or_else(|| {
        let shown: String = text.chars().take(64).collect();
        ToolError::Invalid(format!(
            "since: {shown:?} is no time; it can be like \"2 hours\", \"yesterday\", \"2026-01-31\""
        ))
    })
}

/// `storage` means the agent of that name; a daemon or an operator is named in full.
fn is_by(entry: &Entry, agent: &str) -> bool {
    entry.actor == agent || entry.actor.strip_prefix("agent:") == Some(agent)
}

fn row(entry: Entry) -> Row {
    let text = |text: String| printable(&text).chars().take(TEXT_MAX).collect();
    Row {
        index: entry.index,
        time_ms: entry.time_ms,
        kind: text(entry.kind),
        actor: text(entry.actor),
        tool: text(entry.tool),
        reason: text(entry.reason),
        decision: text(entry.decision),
        outcome: text(entry.outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::context;

    #[test]
    fn entries_are_found_by_agent_and_time() {
        let context = context(std::path::Path::new("/nonexistent"));
        let now = OffsetDateTime::now_utc().unix_timestamp() * 1000;
        let add = |minutes: i64, actor: &str, tool: &str| {
            let entry = Entry {
                time_ms: now - minutes * 60_000,
                kind: "completion".into(),
                actor: actor.into(),
                tool: tool.into(),
                outcome: "succeeded".into(),
                ..Entry::default()
            };
            context.part::<Ledger>().unwrap().append(&entry).unwrap();
        };
        add(300, "agent:storage", "fs.write");
        add(90, "agent:network", "net.routes");
        add(5, "agent:storage", "fs.delete");
        let query = |since: Option<&str>, agent: Option<&str>| {
            let input = Input {
                since: since.map(Moment::of),
                agent: agent.map(AgentName::of),
            };
            let output = AuditQuery::look(&input, &context).unwrap();
            let tools: Vec<String> = output.entries.iter().map(|row| row.tool.clone()).collect();
            (tools.join(" "), AuditQuery::summarize(&input, &output))
        };
        assert_eq!(query(None, None).0, "fs.delete net.routes fs.write");
        assert_eq!(query(None, Some("storage")).0, "fs.delete fs.write");
        assert_eq!(query(Some("2 hours"), None).0, "fs.delete net.routes");
        let (_, summary) = query(Some("2 hours"), Some("storage"));
        assert!(
            summary.starts_with("one entry by storage since 2 hours: 2 20"),
            "{summary}"
        );
        assert!(
            summary.ends_with("agent:storage completion fs.delete: succeeded"),
            "{summary}"
        );
        assert_eq!(query(None, Some("dev")).1, "there are no entries by dev");
    }
}
