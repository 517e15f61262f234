//! What a journal of a former process holds goes into the files and into the ledger.

use std::collections::{BTreeMap, HashSet};
use std::io;

use aios_ledger::{Entry, Ledger};
use aios_tool::undo::Kept;

use super::execution::{Outcome, Pending};
use super::folders::{Folders, When};
use super::record::{self, Step};

/// How an execution stands at the journal's end.
#[derive(Default)]
struct Execution {
    kept: Vec<Kept>,
    stand: Stand,
}

#[derive(Default)]
enum Stand {
    /// It was not begun.
    #[default]
    Nothing,
    Begun(Pending),
    Ended(Outcome),
}

/// All that the records tell, the oldest of which came first.
#[derive(Default)]
struct Told {
    executions: BTreeMap<String, Execution>,
    /// Entries for the ledger, each with the execution that it begins.
    entries: Vec<(Entry, Option<String>)>,
    /// The ledger's size before the first of them.
    ledger_len: u64,
}

/// Makes the effect of these records durable. What has its effect already is passed over.
pub fn all(records: &[Vec<u8>], folders: &Folders, ledger: &Ledger) -> io::Result<()> {
    if records.is_empty() {
        return Ok(());
    }
    let told = read(records)?;
    tracing::info!(
        "the journal of the former process tells of {} executions",
        told.executions.len()
    );
    into_ledger(&told, ledger).map_err(io::Error::other)?;
    for (id, execution) in &told.executions {
        into_files(id, execution, folders)?;
    }
    folders.sync()
}

fn read(records: &[Vec<u8>]) -> io::Result<Told> {
    let damaged = |why| io::Error::new(io::ErrorKind::InvalidData, format!("the journal: {why}"));
    let mut told = Told {
        ledger_len: u64::MAX,
        ..Told::default()
    };
    for bytes in records {
        let (record, kept) = record::decode(bytes).map_err(damaged)?;
        told.ledger_len = told.ledger_len.min(record.ledger_len);
        let mut begins = None;
        match record.step {
            Step::Begun(pending) => {
                let id = pending.execution_id.clone();
                begins = Some(id.clone());
                let stand = Stand::Begun(pending);
                told.executions.insert(id, Execution { kept, stand });
            }
            Step::Ended(outcome) => {
                let id = outcome.execution_id.clone();
                told.executions.entry(id).or_default().stand = Stand::Ended(outcome);
            }
            Step::Noted => {}
            Step::Withdrawn(id) => {
                told.entries
                    .retain(|(_, begins)| *begins != Some(id.clone()));
                told.executions.entry(id).or_default().stand = Stand::Nothing;
                continue;
            }
        }
        told.entries.push((record.entry, begins));
    }
    Ok(told)
}

/// Appends what a power cut took from the ledger, in its order.
fn into_ledger(told: &Told, ledger: &Ledger) -> Result<(), aios_ledger::Error> {
    let text = |entry: &Entry| serde_json::to_string(entry).unwrap_or_default();
    let known = ledger.entries(told.ledger_len..ledger.len())?;
    let known: HashSet<_> = known.iter().map(text).collect();
    let missing = told.entries.iter().map(|(entry, _)| entry);
    let missing: Vec<_> = missing
        .filter(|entry| !known.contains(&text(entry)))
        .cloned()
        .collect();
    if !missing.is_empty() {
        ledger.append_all_soon(&missing)?;
    }
    ledger.sync()
}

fn into_files(id: &str, execution: &Execution, folders: &Folders) -> io::Result<()> {
    match &execution.stand {
        Stand::Nothing => {
            folders.remove_pending(id);
            folders.discard_undo(id);
            Ok(())
        }
        Stand::Begun(pending) => {
            folders.keep(id, &execution.kept)?;
            folders.write_pending(pending, When::Soon)
        }
        Stand::Ended(outcome) => {
            if !outcome.steps.is_empty() && outcome.undone_ms.is_none() {
                folders.keep(id, &execution.kept)?;
            }
            folders.write_outcome(outcome, When::Soon)?;
            folders.remove_pending(id);
            Ok(())
        }
    }
}
