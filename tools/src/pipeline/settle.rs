//! Executions that a former process began and did not complete.

use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use aios_ledger::Entry;

use super::audit::{completion, cut, entry};
use super::{Pipeline, TEXT_MAX};
use crate::locks::Held;
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

/// An execution that a former process left.
pub struct Left {
    id: String,
    tool: String,
    /// What it changes.
    keys: Vec<String>,
    held: Option<Held>,
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
        self.settle_left(self.left_open());
    }

    /// What a former process left, with all that it changes held: called before anybody else is served,
    /// so that no new call changes what an old one has half done.
    pub fn left_open(&self) -> Vec<Left> {
        let pending = self.store.all_pending().unwrap_or_else(|error| {
            tracing::error!("what was interrupted cannot be read: {error}");
            Vec::new()
        });
        let left = pending.into_iter().map(|pending| {
            let keys = self.keys_of(&pending);
            Left {
                // Two that were left may have changed the same thing, one after the other.
                held: self.locks.take(keys.clone(), Duration::ZERO),
                id: pending.execution_id,
                tool: pending.call.tool,
                keys,
            }
        });
        left.collect()
    }

    /// Settles what was left, the oldest first, and lets go of it.
    pub fn settle_left(&self, left: Vec<Left>) {
        for Left {
            id,
            tool,
            keys,
            held,
        } in left
        {
            let Some(_held) = held.or_else(|| self.locks.take(keys, LOOK_LIMIT)) else {
                tracing::warn!(
                    "{tool} {id} is left to a retry: another call changes the same thing"
                );
                continue;
            };
            // As it is now: a retry may have come first.
            let settled = match self.store.pending(&id) {
                Ok(Some(pending)) => self.settle(pending),
                Ok(None) => continue,
                Err(error) => Err(error),
            };
            match settled {
                Ok(Settled::Finished) => tracing::info!("{tool} {id} was done before the restart"),
                Ok(Settled::NotBegun) => tracing::info!("{tool} {id} was not begun"),
                Ok(Settled::Open(_)) => {
                    tracing::warn!("{tool} {id} was interrupted by the restart");
                }
                Err(error) => tracing::warn!("{tool} {id} cannot be settled yet: {error}"),
            }
        }
    }

    /// What an execution holds while it is under way.
    fn keys_of(&self, pending: &Pending) -> Vec<String> {
        let context = self.looking(&pending.execution_id);
        let tool = self.registry.find(&pending.call.tool);
        let prepared = tool.and_then(|tool| tool.resume(&pending.input, &context));
        let mut keys = match prepared {
            Ok(prepared) => prepared.demands.locks,
            Err(_) => Vec::new(), // then settling fails, too, and changes nothing
        };
        keys.push(format!("call:{}", pending.execution_id));
        keys
    }

    fn looking(&self, execution: &str) -> Context {
        let end = Instant::now() + LOOK_LIMIT;
        Context::new(Arc::clone(&self.surroundings), execution, end)
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
        if !pending.call.is_same(call) {
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
        let context = self.looking(&id);
        let interrupted = Interrupted {
            started: UNIX_EPOCH + Duration::from_millis(pending.started_ms.unsigned_abs()),
            execution: &id,
            steps: &pending.steps,
        };
        let prepared = tool.resume(&pending.input, &context)?;
        let note = ", found done after a restart";
        match prepared.call.found_done(&interrupted, &context) {
            Ok(Some(done)) => {
                let _: Outcome = self.finish(pending, Ok(done), note)?;
                return Ok(Settled::Finished);
            }
            Ok(None) => {}
            // No later look finds it otherwise: so it ends, and can be looked after.
            Err(error @ ToolError::Unverified(_)) => {
                let _: Outcome = self.finish(pending, Err(error), ", after a restart")?;
                return Ok(Settled::Finished);
            }
            Err(error) => return Err(error),
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
