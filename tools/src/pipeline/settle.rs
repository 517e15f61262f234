//! Executions that a former process began and did not complete.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aios_ledger::Entry;

use super::audit::{completion, cut, entry};
use super::{Pipeline, TEXT_MAX};
use crate::store::{Call, Outcome, Pending};
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::tool::Interrupted;

/// So long the post-condition of one execution may take to be looked at.
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Ends the outcome of a try that did not end its execution.
const OPEN: &str = " (open)";

/// What the ledger says of an execution.
#[derive(Debug, Default)]
struct Known {
    /// Its intent is there.
    begun: bool,
    /// Its last try is said to have ended without an outcome.
    open: bool,
    /// How it ended is there.
    completed: bool,
}

/// What became of an interrupted execution.
enum Settled {
    /// It has an outcome now.
    Finished,
    /// Its effect was not reached: it may be run again, with its original capture.
    Open(Box<Pending>),
    /// Its intent was never written: nothing was done.
    NotBegun,
}

impl Pipeline {
    /// Settles all that a former process left. Called once, at the start.
    pub fn settle_all(&self) {
        let pending = self.store.all_pending().unwrap_or_else(|error| {
            tracing::error!("what was interrupted cannot be read: {error}");
            Vec::new()
        });
        for pending in pending {
            let id = pending.execution_id.clone();
            let tool = pending.call.tool.clone();
            let Some(_held) = self.locks.take(vec![format!("call:{id}")], LOOK_LIMIT) else {
                continue; // a retry came first and settles it
            };
            match self.settle(pending) {
                Ok(Settled::Finished) => tracing::info!("{tool} {id} was done before the restart"),
                Ok(Settled::NotBegun) => tracing::info!("{tool} {id} was not begun"),
                Ok(Settled::Open(_)) => {
                    tracing::warn!("{tool} {id} was interrupted by the restart");
                }
                Err(error) => tracing::warn!("{tool} {id} cannot be settled yet: {error}"),
            }
        }
    }

    /// Before a retry acts: what is left of a former try that had no outcome? `None`: nothing;
    /// begin afresh, unless there is an outcome now.
    ///
    /// # Errors
    /// That it was another call, or that it cannot be known now; then nothing is done.
    pub(super) fn resume(&self, id: &str, call: &Call) -> Result<Option<Pending>, ToolError> {
        let Some(pending) = self.store.pending(id)? else {
            return Ok(None);
        };
        let same = (&pending.call.tool, &pending.call.input_sha256);
        if same != (&call.tool, &call.input_sha256) {
            return Err(ToolError::Invalid(format!(
                "call_id: {:?} was used before, for another call of {}",
                call.call_id, pending.call.tool
            )));
        }
        match self.settle(pending)? {
            Settled::Open(pending) => Ok(Some(*pending)),
            Settled::NotBegun | Settled::Finished => Ok(None),
        }
    }

    fn settle(&self, mut pending: Pending) -> Result<Settled, ToolError> {
        let id = pending.execution_id.clone();
        let known = self.in_ledger(&pending)?;
        if let Some(outcome) = self.store.outcome(&id)? {
            if !known.completed {
                self.append(&completion(&outcome, ", recorded after a restart"))?;
            }
            self.store.end(&id);
            return Ok(Settled::Finished);
        }
        if !known.begun {
            self.store.end(&id);
            self.store.discard_undo(&id);
            return Ok(Settled::NotBegun);
        }
        let tool = self.registry.find(&pending.call.tool)?;
        let context = Context::new(
            Arc::clone(&self.surroundings),
            &id,
            Instant::now() + LOOK_LIMIT,
        );
        let interrupted = Interrupted {
            started: UNIX_EPOCH + Duration::from_millis(pending.started_ms.unsigned_abs()),
            execution: &id,
            steps: &pending.steps,
        };
        let prepared = tool.resume(&pending.input, &context)?;
        if let Some(done) = prepared.call.found_done(&interrupted, &context)? {
            let note = ", found done after a restart";
            let _: Outcome = self.finish(pending, Ok(done), note)?;
            return Ok(Settled::Finished);
        }
        if !known.open {
            self.note_open(&pending, "interrupted by a restart; may be tried again")?;
        }
        pending.interrupted = true;
        self.store.keep_open(&pending)?;
        Ok(Settled::Open(Box::new(pending)))
    }

    /// Records that a try ended and the execution did not: its effect is looked for before the next.
    pub(super) fn note_open(&self, pending: &Pending, why: &str) -> Result<(), ToolError> {
        let note = Entry {
            outcome: format!("{}{OPEN}", cut(&format!("failed: {why}"), TEXT_MAX)),
            ..entry("completion", &pending.execution_id, &pending.call)
        };
        self.append(&note).map(drop)
    }

    /// What the ledger says of an execution.
    fn in_ledger(&self, pending: &Pending) -> Result<Known, ToolError> {
        let ledger = self.ledger();
        let entries = ledger
            .entries(pending.ledger_len..ledger.len())
            .map_err(|error| ToolError::Unavailable(super::audit::chain(&error)))?;
        let mut known = Known::default();
        for entry in entries {
            if entry.execution_id != pending.execution_id {
                continue;
            }
            match entry.kind.as_str() {
                "intent" => (known.begun, known.open) = (true, false),
                "completion" if entry.outcome.ends_with(OPEN) => known.open = true,
                "completion" => known.completed = true,
                _ => {}
            }
        }
        Ok(known)
    }
}
