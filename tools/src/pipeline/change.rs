//! A call that changes something: never twice, never without its intent in the ledger.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::audit::{completion, entry, fitting, now_ms};
use super::{Allowed, Answer, Pipeline, late};
use crate::executor::{self, Waited};
use crate::slots::Slot;
use crate::store::{Call, Outcome, Pending, Success};
use aios_daemon::identity::Principal;
use aios_tool::error::ToolError;
use aios_tool::tool::{Done, Prepared};
use aios_tool::undo::{self, Capture};

impl Pipeline {
    /// Does what was allowed, or answers what was done before under the same call id.
    pub(super) fn change(
        self: &Arc<Self>,
        allowed: Allowed,
        slot: Slot,
    ) -> Result<Answer, ToolError> {
        let id = allowed.context.execution().to_owned();
        if let Some(outcome) = self.recorded(&id, &allowed)? {
            return answer(outcome, true);
        }
        let limit = Duration::from_millis(allowed.tool.spec().timeout_ms.into());
        let mut keys = allowed.prepared.demands.locks.clone();
        keys.push(format!("call:{id}"));
        let Some(held) = self
            .locks
            .take_unless(keys, limit, || self.given_up(&allowed.caller))
        else {
            let busy = "another call changes the same thing and does not end";
            return Err(self.refuse(
                &allowed.caller,
                &allowed.call,
                ToolError::Deadline(busy.into()),
            ));
        };
        let guards = Arc::new((held, slot));
        let resumed = self
            .resume(&id, &allowed.call)
            .map_err(|error| self.refuse(&allowed.caller, &allowed.call, error))?;
        if let Some(outcome) = self.recorded(&id, &allowed)? {
            return answer(outcome, true); // it was under way a moment ago, or is settled now
        }
        if self.given_up(&allowed.caller) {
            let stopped = ToolError::Unavailable("not begun: emergency stop".into());
            return Err(self.refuse(&allowed.caller, &allowed.call, stopped));
        }
        let refuse = |error| self.refuse(&allowed.caller, &allowed.call, error);
        let (pending, prepared) = match resumed {
            // Its original capture stands, and so do the arguments that it was made for.
            Some(pending) => {
                let prepared = allowed.tool.resume(&pending.input, &allowed.context);
                let prepared = prepared.map_err(refuse)?;
                self.append(&entry("intent", &pending.execution_id, &pending.call))?;
                (pending, prepared)
            }
            None => {
                let allowed = self.approved(&allowed)?;
                self.grants.used(&allowed.lent).map_err(refuse)?;
                let pending = self.begin(&allowed).map_err(refuse)?;
                self.book.forget(&id);
                (pending, allowed.prepared.clone())
            }
        };
        self.act(&allowed, pending, prepared, &guards)
    }

    /// What a call did that is repeated and cannot be prepared any more, because it was done: the third
    /// rule is another one by now, or there is none.
    pub(super) fn repeated(&self, id: &str, call: &Call, error: &ToolError) -> Option<Outcome> {
        let may_follow = matches!(
            error,
            ToolError::Precondition(_) | ToolError::NotFound(_) | ToolError::Invalid(_)
        );
        let outcome = self.store.outcome(id).ok().flatten();
        outcome.filter(|outcome| may_follow && outcome.call.is_same(call))
    }

    /// The outcome of a former call with this id.
    fn recorded(&self, id: &str, allowed: &Allowed) -> Result<Option<Outcome>, ToolError> {
        let Some(outcome) = self.store.outcome(id)? else {
            return Ok(None);
        };
        let call = &allowed.call;
        if !outcome.call.is_same(call) {
            let error = ToolError::Invalid(format!(
                "call_id: {:?} was used before, for another call of {}",
                call.call_id, outcome.call.tool
            ));
            return Err(self.refuse(&allowed.caller, call, error));
        }
        Ok(Some(outcome))
    }

    /// Captures what undo needs and writes down what is about to be done.
    fn begin(&self, allowed: &Allowed) -> Result<Pending, ToolError> {
        let id = allowed.context.execution();
        let mut capture = Capture::new(&self.store.undo_folder(id));
        let Prepared { demands, call } = &allowed.prepared;
        let input = call.input()?;
        let captured = call.capture(&mut capture, &allowed.context);
        let (steps, kept) = capture.into_parts();
        let pending = Pending {
            execution_id: id.to_owned(),
            call: allowed.call.clone(),
            input,
            needs: demands.needs.iter().map(ToString::to_string).collect(),
            steps,
            started_ms: now_ms(),
            ledger_len: self.ledger().len(),
            interrupted: false,
        };
        let begun = captured.and_then(|()| {
            let intent = fitting(entry("intent", id, &pending.call));
            self.store.begin(&pending, &kept, intent)
        });
        if begun.is_err() {
            self.store.discard_undo(id);
        }
        begun.map(|()| pending)
    }

    fn act(
        self: &Arc<Self>,
        allowed: &Allowed,
        pending: Pending,
        prepared: Prepared,
        guards: &Arc<(crate::locks::Held, Slot)>,
    ) -> Result<Answer, ToolError> {
        let spec = allowed.tool.spec();
        let limit = Duration::from_millis(spec.timeout_ms.into());
        let mut context = allowed.context.clone().until(Instant::now() + limit);
        if pending.interrupted {
            context = context.resumed();
        }
        let held: Arc<dyn std::any::Any + Send + Sync> = Arc::<_>::clone(guards) as _;
        let running = executor::start(Arc::clone(&allowed.tool), prepared, context, held);
        let given_up = || self.given_up(&allowed.caller);
        let result = match running.map(|running| running.wait(limit, given_up)) {
            Ok(Waited::Ended(result)) => result,
            Ok(Waited::Late(running)) => {
                let late = match given_up() {
                    true => ToolError::Unavailable("given up: emergency stop".into()),
                    false => late(spec),
                };
                let noted = self.note_open(&pending, &late.to_string());
                self.watch(&allowed.caller, pending, running, guards);
                return Err(noted.err().unwrap_or(late));
            }
            Err(error) => Err(error),
        };
        answer(self.complete(&allowed.caller, pending, result, "")?, false)
    }

    /// Waits for an act whose caller was told that it is late, and records how it ended. Until then
    /// the execution is under way, on the disk too, and what it changes is held.
    fn watch(
        self: &Arc<Self>,
        caller: &Principal,
        pending: Pending,
        running: executor::Running,
        guards: &Arc<(crate::locks::Held, Slot)>,
    ) {
        let pipeline = Arc::clone(self);
        let held = Arc::clone(guards);
        let caller = caller.clone();
        let name = format!("late {}", pending.call.tool);
        let watch = move || {
            let result = running.wait_on();
            if let Err(error) = pipeline.complete(&caller, pending, result, ", late") {
                tracing::error!("a late completion is not recorded: {error}");
            }
            drop(pipeline);
            drop(held);
        };
        if let Err(error) = thread::Builder::new().name(name).spawn(watch) {
            tracing::error!("no thread to wait for a late tool: {error}");
        }
    }

    /// Seals the undo, writes the outcome, then the completion. When a part did not answer, the
    /// execution stays open: a retry looks for its effect and goes on.
    ///
    /// # Errors
    /// That it stays open, and why.
    fn complete(
        &self,
        caller: &Principal,
        pending: Pending,
        result: Result<Done, ToolError>,
        note: &str,
    ) -> Result<Outcome, ToolError> {
        let result = result.map_err(|error| match self.given_up(caller) {
            // Whatever it says: it was not let to its end, so its effect is looked for later.
            true => ToolError::Unavailable(format!("given up for the emergency stop: {error}")),
            false => error,
        });
        self.finish(pending, result, note)
    }

    /// The same, when nobody could have given it up.
    ///
    /// # Errors
    /// That it stays open, and why.
    pub(super) fn finish(
        &self,
        pending: Pending,
        result: Result<Done, ToolError>,
        note: &str,
    ) -> Result<Outcome, ToolError> {
        if let Err(error @ ToolError::Unavailable(_)) = result {
            self.note_open(&pending, &error.to_string())?;
            return Err(error);
        }
        let acted = matches!(&result, Ok(_) | Err(ToolError::Unverified(_)));
        let steps = match acted {
            true => undo::seal(pending.steps).unwrap_or_else(|error| {
                tracing::warn!("{} cannot be undone: {error}", pending.execution_id);
                Vec::new()
            }),
            false => Vec::new(),
        };
        if !acted && !matches!(result, Err(ToolError::Deadline(_))) {
            self.store.discard_undo(&pending.execution_id);
        }
        let outcome = Outcome {
            execution_id: pending.execution_id,
            call: pending.call,
            result: result.map(|Done { output, summary }| Success { output, summary }),
            steps,
            undo_begun: None,
            undone_ms: None,
            reclaimed: None,
        };
        self.store.finish(&outcome, completion(&outcome, note))?;
        Ok(outcome)
    }
}

pub(super) fn answer(outcome: Outcome, replayed: bool) -> Result<Answer, ToolError> {
    let reversible = !outcome.steps.is_empty() && outcome.undone_ms.is_none();
    let Success { output, summary } = outcome.result?;
    Ok(Answer {
        execution_id: outcome.execution_id,
        output,
        summary,
        reversible,
        replayed,
    })
}
