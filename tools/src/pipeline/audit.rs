//! What a call leaves in the ledger.

use std::time::{SystemTime, UNIX_EPOCH};

use aios_ledger::Entry;
use aios_proto::identity::Principal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Pipeline, Request, TEXT_MAX};
use crate::error::ToolError;
use crate::store::{Call, Outcome};
use crate::tool::Done;

/// Now, in Unix milliseconds.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// SHA-256 of a JSON value, hex. Keys are ordered, so equal values have equal digests.
pub fn digest(value: &Value) -> String {
    aios_ledger::hex(&Sha256::digest(value.to_string()))
}

/// An error with what caused it, on one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// What is known of a call before anything was checked, cut to sizes that can be recorded.
pub fn call_of(caller: &Principal, request: &Request) -> Call {
    let cut = |text: &str, most| text.chars().take(most).collect();
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

/// How a failure reads in the ledger.
pub fn failed(error: &ToolError) -> String {
    format!("failed: {error}").chars().take(TEXT_MAX).collect()
}

impl Pipeline {
    /// Appends an entry, durably.
    ///
    /// # Errors
    /// `Unavailable` when the ledger cannot be written.
    pub fn append(&self, entry: &Entry) -> Result<u64, ToolError> {
        self.ledger()
            .append(entry)
            .map_err(|error| unwritable(&error))
    }

    /// Records a refusal. The answer is what the caller gets: that the ledger cannot be written
    /// matters more than why the call was refused.
    pub(super) fn refuse(&self, call: &Call, error: ToolError) -> ToolError {
        let refusal = Entry {
            decision: format!("refused: {error}").chars().take(TEXT_MAX).collect(),
            outcome: failed(&error),
            ..entry("refusal", "", call)
        };
        match self.append(&refusal) {
            Ok(_) => error,
            Err(unwritable) => unwritable,
        }
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
        let appended = self.ledger().append_soon(&completion);
        appended.map(drop).map_err(|error| unwritable(&error))
    }

    /// Records how a mutating call ended.
    pub(super) fn record_completion(&self, outcome: &Outcome, note: &str) -> Result<(), ToolError> {
        let mut completion = entry("completion", &outcome.execution_id, &outcome.call);
        match &outcome.result {
            Ok(success) => {
                completion.outcome = format!("succeeded{note}");
                completion.output_sha256 = digest(&success.output);
            }
            Err(error) => completion.outcome = format!("{}{note}", failed(error)),
        }
        self.append(&completion).map(drop)
    }
}

fn unwritable(error: &aios_ledger::Error) -> ToolError {
    tracing::error!("the ledger cannot be written: {}", chain(error));
    ToolError::Unavailable(format!("the ledger cannot be written: {}", chain(error)))
}
