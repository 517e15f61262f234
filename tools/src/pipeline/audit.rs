//! What a call leaves in the ledger.

pub use aios_daemon::error::chain;
use aios_daemon::identity::Principal;
pub use aios_files::clock::now_ms;
use aios_ledger::{Entry, Ledger};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Answer, Pipeline, Request, TEXT_MAX};
use crate::allowance::{Moment, Verdict};
use crate::store::{Call, Outcome};
use aios_tool::error::ToolError;
pub use aios_tool::format::cut;
use aios_tool::tool::Done;

/// The longest text of a refusal on record, in bytes.
const REFUSAL_MAX: usize = 512;

/// Bytes of a checkpoint, signature and tree included: each entry may have one of its own.
const CHECKPOINT: u64 = 1024;

/// SHA-256 of a JSON value, hex. Keys are ordered, so equal values have equal digests.
pub fn digest(value: &Value) -> String {
    aios_ledger::hex(&Sha256::digest(value.to_string()))
}

/// The entry, shortened when it is too large: nothing goes unrecorded by its size.
pub fn fitting(entry: Entry) -> Entry {
    match serde_json::to_vec(&entry).is_ok_and(|json| json.len() <= aios_ledger::ENTRY_MAX) {
        true => entry,
        false => shortened(&entry),
    }
}

/// The same entry with all texts cut to what an entry has room for, whatever they are.
fn shortened(entry: &Entry) -> Entry {
    let mut short = entry.clone();
    for text in [
        &mut short.kind,
        &mut short.actor,
        &mut short.on_behalf_of,
        &mut short.tool,
        &mut short.execution_id,
        &mut short.call_id,
        &mut short.goal_id,
        &mut short.reason,
        &mut short.decision,
        &mut short.outcome,
    ] {
        *text = cut(text, super::NAME_MAX);
    }
    short
}

/// What is known of a call before anything was checked, cut to sizes that can be recorded.
pub fn call_of(caller: &Principal, request: &Request) -> Call {
    Call {
        actor: caller.to_string(),
        call_id: cut(&request.call_id, super::NAME_MAX),
        tool: cut(&request.tool, super::NAME_MAX),
        input_sha256: aios_ledger::hex(&Sha256::digest(&request.arguments_json)),
        goal_id: cut(&request.goal_id, super::NAME_MAX),
        task_index: request.task_index,
        reason: cut(&request.reason, TEXT_MAX),
        on_behalf_of: cut(&request.on_behalf_of, TEXT_MAX),
        decision: String::new(),
        least: None,
    }
}

/// An entry about a call.
pub fn entry(kind: &str, execution: &str, call: &Call) -> Entry {
    Entry {
        index: 0,
        time_ms: now_ms(),
        kind: kind.to_owned(),
        actor: call.actor.clone(),
        on_behalf_of: call.on_behalf_of.clone(),
        tool: call.tool.clone(),
        execution_id: execution.to_owned(),
        call_id: call.call_id.clone(),
        goal_id: call.goal_id.clone(),
        task_index: call.task_index,
        reason: call.reason.clone(),
        decision: call.decision.clone(),
        input_sha256: call.input_sha256.clone(),
        output_sha256: String::new(),
        outcome: String::new(),
    }
}

/// What an entry takes in the log, in bytes, at most: itself and its part of a checkpoint.
fn bytes_of(entry: &Entry) -> u64 {
    let json = serde_json::to_vec(entry).map_or(0, |json| json.len() as u64);
    json + CHECKPOINT
}

/// What a caller is told whose refusal is not on record by itself.
fn too_often(error: &ToolError) -> ToolError {
    ToolError::Exhausted(format!(
        "{error} (refused so often that it is only counted; make fewer calls, one in a second goes on \
         record again)"
    ))
}

/// How a failure reads in the ledger.
pub fn failed(error: &ToolError) -> String {
    cut(&format!("failed: {error}"), TEXT_MAX)
}

impl Pipeline {
    /// Appends an entry, durably.
    ///
    /// # Errors
    /// `Unavailable` when the ledger cannot be written.
    pub fn append(&self, entry: &Entry) -> Result<u64, ToolError> {
        self.written(entry, Ledger::append)
    }

    /// Appends an entry, shortened when it is too large: nothing goes unrecorded by its size.
    fn written(
        &self,
        entry: &Entry,
        append: fn(&Ledger, &Entry) -> Result<u64, aios_ledger::Error>,
    ) -> Result<u64, ToolError> {
        match append(self.ledger(), entry) {
            Err(aios_ledger::Error::TooLarge { .. }) => append(self.ledger(), &shortened(entry)),
            other => other,
        }
        .map_err(|error| ledger_unwritable(&error))
    }

    /// Records a refusal. The answer is what the caller gets: that the ledger cannot be written
    /// matters more than why the call was refused.
    pub(super) fn refuse(&self, caller: &Principal, call: &Call, error: ToolError) -> ToolError {
        self.refused(caller, entry("refusal", "", call), error)
    }

    /// The same with what is known of the call; a caller that is refused all the time is counted
    /// instead, and learns that.
    pub fn refused(&self, caller: &Principal, known: Entry, error: ToolError) -> ToolError {
        if self.is_reserved_from(caller) {
            return error; // what the log has room for is kept for operators' records
        }
        let before = match self.allowances.refusal(caller, Moment::now()) {
            Verdict::Record(0) => String::new(),
            Verdict::Record(before) => format!(" ({before} more before it)"),
            Verdict::Suppressed => return too_often(&error),
        };
        let text = |text: String| cut(&text, REFUSAL_MAX);
        let refusal = Entry {
            reason: text(known.reason),
            on_behalf_of: text(known.on_behalf_of),
            decision: text(format!("refused{before}: {error}")),
            outcome: text(format!("failed: {error}")),
            ..known
        };
        self.allowances
            .spend(caller, bytes_of(&refusal), Moment::now());
        match self.append(&refusal) {
            Ok(_) => error,
            Err(unwritable) => unwritable,
        }
    }

    /// Puts on record how many refusals of each caller are not, where that was not said yet.
    ///
    /// # Errors
    /// `Unavailable` when the ledger cannot be written.
    pub fn record_held_back(&self) -> Result<(), ToolError> {
        for (caller, held_back) in self.allowances.due(Moment::now()) {
            let refusals = Entry {
                time_ms: now_ms(),
                kind: "refusal".to_owned(),
                actor: caller.to_string(),
                decision: format!("refused: {held_back} more; there were too many of them"),
                outcome: "failed: refused".to_owned(),
                ..Entry::default()
            };
            self.append(&refusals)?;
        }
        Ok(())
    }

    /// Counts what a call put on record: one entry when it only looked, else intent and completion.
    pub(super) fn spend(
        &self,
        caller: &Principal,
        call: &Call,
        changes: bool,
        answer: &Result<Answer, ToolError>,
    ) {
        let entries = match answer {
            Ok(answer) if answer.replayed => return,
            _ => 1 + u64::from(changes),
        };
        let outcome = answer.as_ref().err().map(failed).unwrap_or_default();
        let completion = Entry {
            outcome,
            ..entry("completion", "", call)
        };
        self.allowances
            .spend(caller, entries * bytes_of(&completion), Moment::now());
    }

    /// Records a call that only looked. It outlives this process at once, and a power cut when the
    /// ledger is synced next, at the latest a second later.
    pub(super) fn record_look(
        &self,
        execution: &str,
        call: &Call,
        result: &Result<Done, ToolError>,
    ) -> Result<(), ToolError> {
        let mut completion = entry("completion", execution, call);
        match result {
            Ok(done) => {
                completion.outcome = "succeeded".to_owned();
                completion.output_sha256 = digest(&done.output);
            }
            Err(error) => completion.outcome = failed(error),
        }
        self.written(&completion, Ledger::append_soon).map(drop)
    }
}

/// How a mutating call ended, for the ledger.
pub fn completion(outcome: &Outcome, note: &str) -> Entry {
    let mut completion = entry("completion", &outcome.execution_id, &outcome.call);
    match &outcome.result {
        Ok(success) => {
            completion.outcome = format!("succeeded{note}");
            completion.output_sha256 = digest(&success.output);
        }
        Err(error) => completion.outcome = format!("{}{note}", failed(error)),
    }
    fitting(completion)
}

/// What a caller is told when the ledger takes no entry.
pub fn ledger_unwritable(error: &aios_ledger::Error) -> ToolError {
    tracing::error!("the ledger cannot be written: {}", chain(error));
    ToolError::Unavailable(format!("the ledger cannot be written: {}", chain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortened_entry_can_be_recorded() {
        let text = "\u{1}".repeat(9000);
        let large = Entry {
            actor: text.clone(),
            reason: text.clone(),
            outcome: text,
            ..Entry::default()
        };
        let size = |entry: &Entry| serde_json::to_vec(entry).unwrap().len();
        assert!(size(&large) > aios_ledger::ENTRY_MAX);
        assert!(size(&shortened(&large)) < 4096);
    }
}
