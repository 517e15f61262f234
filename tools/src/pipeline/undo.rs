//! Taking an execution back.

use std::sync::Arc;
use std::time::Duration;

use aios_daemon::identity::Principal;
use aios_ledger::Entry;
use aios_role::Role;
use serde_json::Value;
use uuid::Uuid;

use super::audit::{cut, entry, failed, fitting, now_ms};
use super::{Authority, Pipeline, Request, TEXT_MAX};
use crate::role;
use crate::store::{Call, Outcome};
use aios_tool::error::ToolError;
use aios_tool::undo::{self, Calls, Inverse, Undoing};

/// So long an undo waits for a call that changes the same thing.
const BUSY_LIMIT: Duration = Duration::from_secs(10);

/// A request to take an execution back.
#[derive(Clone, Debug, Default)]
pub struct Undo {
    /// Which.
    pub execution_id: String,
    /// Why, for people.
    pub reason: String,
    /// The operator's subject: recorded, never trusted.
    pub on_behalf_of: String,
    /// The operator's role; none when root asks for itself.
    pub role: Option<Role>,
}

impl Pipeline {
    /// Takes an execution back: the undo's own id and its summary.
    ///
    /// # Errors
    /// Why it cannot be taken back; recorded too.
    pub fn undo(
        self: &Arc<Self>,
        caller: &Principal,
        request: &Undo,
    ) -> Result<(String, String), ToolError> {
        let own_id = Uuid::now_v7().to_string();
        let mut call = Call {
            actor: caller.to_string(),
            call_id: format!("undo/{own_id}"),
            reason: cut(&request.reason, TEXT_MAX),
            on_behalf_of: cut(&request.on_behalf_of, TEXT_MAX),
            ..Call::default()
        };
        let found = self.find(&request.execution_id).inspect(|outcome| {
            call.tool.clone_from(&outcome.call.tool);
            call.goal_id.clone_from(&outcome.call.goal_id);
            call.task_index = outcome.call.task_index;
            call.input_sha256.clone_from(&outcome.call.input_sha256);
        });
        let id = cut(&request.execution_id, 64);
        let said = |text: &str| {
            fitting(Entry {
                outcome: text.to_owned(),
                ..entry("undo", &id, &call)
            })
        };
        let taken = found.and_then(|outcome| {
            self.may_take_back(caller, request, &outcome.call)?;
            let inverses = outcome.steps.iter().map(|sealed| sealed.step.inverse());
            let mut keys: Vec<_> = inverses.flat_map(Inverse::locks).collect();
            keys.push(format!("call:{id}"));
            let held = self.locks.take(keys, BUSY_LIMIT).ok_or_else(|| {
                ToolError::Deadline("another call changes the same thing and does not end".into())
            })?;
            let mut outcome = self.find(&id)?; // as it is now that nobody else changes it
            let resumed = outcome.undo_begun.is_some();
            undo::check(&outcome.steps, resumed)?;
            let name = outcome.undo_begun.get_or_insert(own_id.clone()).clone();
            self.store.finish(&outcome, said("begun"))?;
            let calls = InverseCalls {
                pipeline: self,
                caller,
                of: &outcome.call,
                execution: &id,
                role: request.role,
            };
            undo::take_back(
                &outcome.steps,
                &Undoing {
                    name: &name,
                    resumed,
                    calls: &calls,
                },
            )?;
            let undone = Outcome {
                undone_ms: Some(now_ms()),
                ..outcome.clone()
            };
            self.store.finish(&undone, said("succeeded"))?;
            drop(held);
            Ok(outcome)
        });
        match taken {
            Ok(outcome) => Ok((own_id, summary(&outcome))),
            Err(error) => {
                self.append(&said(&failed(&error)))?;
                Err(error)
            }
        }
    }

    /// Whoever takes a call back could have ordered it.
    fn may_take_back(
        &self,
        caller: &Principal,
        request: &Undo,
        call: &Call,
    ) -> Result<(), ToolError> {
        let least = call.least.unwrap_or_else(|| {
            // It is not known of which arguments: they are taken for what needs most.
            let tool = self.registry.find(&call.tool);
            tool.map_or(Role::Admin, |tool| {
                self.own_services.least(tool.spec().least, "")
            })
        });
        let what = format!("taking back this call of {}", call.tool);
        role::check(caller, request.role, least, &what, &request.on_behalf_of)
    }

    /// An execution that can be taken back.
    fn find(&self, execution: &str) -> Result<Outcome, ToolError> {
        let unknown = || ToolError::NotFound("there is no execution with this id".into());
        let id = Uuid::try_parse(execution).map_err(|_| unknown())?;
        let outcome = self.store.outcome(&id.to_string())?.ok_or_else(unknown)?;
        let tool = &outcome.call.tool;
        let refuse = |text: String| Err(ToolError::Precondition(text));
        if let Some(when) = outcome.undone_ms {
            let when = aios_tool::format::time(when);
            return refuse(format!("it was already undone, {when}"));
        }
        if let Some(reclaimed) = &outcome.reclaimed {
            return refuse(format!(
                "it can no longer be undone: what it kept was reclaimed on {} by {}",
                aios_tool::format::time(reclaimed.at_ms),
                reclaimed.by
            ));
        }
        if outcome.steps.is_empty() {
            return match &outcome.result {
                Ok(_) => refuse(format!("{tool} cannot be undone")),
                Err(error) => refuse(format!("it had no effect: {error}")),
            };
        }
        Ok(outcome)
    }
}

/// Makes the calls that take an execution back. They go through the pipeline like any other call,
/// but for the capability: that the execution may be taken back is already decided, and what its
/// tool captured for that, no caller can choose.
struct InverseCalls<'a> {
    pipeline: &'a Arc<Pipeline>,
    caller: &'a Principal,
    of: &'a Call,
    execution: &'a str,
    role: Option<Role>,
}

impl Calls for InverseCalls<'_> {
    fn call(&self, call_id: &str, tool: &str, arguments: &Value) -> Result<(), ToolError> {
        let request = Request {
            call_id: call_id.to_owned(),
            tool: tool.to_owned(),
            arguments_json: arguments.to_string(),
            goal_id: self.of.goal_id.clone(),
            task_index: self.of.task_index,
            reason: format!("takes back {} {}", self.of.tool, self.execution),
            on_behalf_of: self.of.on_behalf_of.clone(),
            role: self.role,
        };
        let authority = Authority::Undo(self.execution);
        self.pipeline
            .call_with(self.caller, request, authority)
            .map(drop)
    }
}

/// What is as before, path by path.
fn summary(outcome: &Outcome) -> String {
    let said: Vec<_> = outcome
        .steps
        .iter()
        .map(|sealed| sealed.step.inverse().undone())
        .collect();
    format!("undone: {}", said.join("; "))
}
