//! The planner: what to do next for a goal. The cheapest level that is sure enough answers.
//!
//! The operator's own call, then a known procedure or a command in shell words (reactive), then
//! the operator model (operational). The tactical and strategic levels are not there yet: they are skipped,
//! and the reason of each decision says so.

pub mod bind;
pub mod cohere;
pub mod exact;
pub mod follow;
pub mod judge;
pub mod live;
pub mod operator;
pub mod procedures;

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use aios_brain::Done;
use aios_contracts::v1::ListServicesRequest;
use aios_contracts::v1::init_client::InitClient;
use aios_daemon::retry;
use aios_goals::{Arguments, Goal, Level, Task, TaskState, ToolCall};
use aios_tool::argument::Kind;
use tonic::Status;
use tonic::transport::Channel;

use crate::guard::{self, Cleared, Seen};
use crate::registry::{Act, Catalog, Registry};
use operator::Understand;
use procedures::{Followed, Procedures};

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// This act.
    Act(Act),
    /// Nothing: all that was asked for is done.
    Done {
        /// What to say beside the tasks' values; empty: nothing.
        note: String,
    },
    /// It cannot be done, for this reason.
    Refuse(String),
}

/// A decision, and how it was come to.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do.
    pub next: Next,
    /// Who decided; `None`: nobody had to, or nobody could.
    pub level: Option<Level>,
    /// How sure it was, 0 to 1.
    pub confidence: f64,
    /// What else was considered, best first.
    pub alternatives: Vec<(String, f64)>,
    /// Why, for the decision log.
    pub reason: String,
    /// Time that it took.
    pub cost: Duration,
}

/// Plans goals.
pub struct Planner {
    registry: Registry,
    init: InitClient<Channel>,
    model: Option<Box<dyn Understand>>,
    procedures: Mutex<Procedures>,
    patience: Duration,
}

impl Planner {
    /// A planner; without a model it knows only calls and procedures.
    pub fn new(
        registry: Registry,
        init: InitClient<Channel>,
        model: Option<Box<dyn Understand>>,
        patience: Duration,
    ) -> Self {
        Self {
            registry,
            init,
            model,
            procedures: Mutex::default(),
            patience,
        }
    }

    /// Is the operational level there?
    pub fn has_model(&self) -> bool {
        self.model.is_some()
    }

    /// What to do next for the goal, all of whose tasks succeeded so far.
    pub async fn next(&self, goal: &Goal) -> Cleared {
        let started = Instant::now();
        let decided = self.decide(goal).await;
        let failed = |status: Status| Plan {
            reason: format!("nobody could plan: {}", status.message()),
            ..refused(format!("it cannot be planned now: {}", status.message()))
        };
        let mut plan = decided.unwrap_or_else(failed);
        plan.cost = started.elapsed();
        match self.seen(goal).await {
            Ok((catalog, services)) => {
                let seen = Seen {
                    goal,
                    catalog: &catalog,
                    services: &services,
                };
                guard::clear(seen, plan)
            }
            // Without them no plan can be judged: none is followed.
            Err(status) => guard::clear(
                Seen {
                    goal,
                    catalog: &Catalog::default(),
                    services: &[],
                },
                failed(status),
            ),
        }
    }

    /// What the guard has to know about the system.
    async fn seen(&self, goal: &Goal) -> Result<(std::sync::Arc<Catalog>, Vec<String>), Status> {
        let catalog = self.registry.catalog().await?;
        let services = match guard::wants_services(goal) {
            true => self.services().await?,
            false => Vec::new(),
        };
        Ok((catalog, services))
    }

    /// The tool calls of a task: those that it was planned with, or for one that an earlier
    /// process planned, made once more.
    ///
    /// # Errors
    /// Why it cannot be carried out (any more).
    pub async fn calls(&self, task: &Task) -> Result<Vec<ToolCall>, String> {
        if !task.calls.is_empty() {
            return Ok(task.calls.clone());
        }
        let catalog = self.registry.catalog().await;
        let catalog = catalog.map_err(|status| status.message().to_owned())?;
        let act = catalog.act(&task.act, task.arguments.clone());
        act.map(|act| act.calls().to_vec())
            .map_err(|fault| fault.to_string())
    }

    /// Learns from a goal that ended.
    pub fn learn(&self, goal: &Goal) {
        self.procedures().learn(goal);
    }

    fn procedures(&self) -> std::sync::MutexGuard<'_, Procedures> {
        self.procedures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    async fn decide(&self, goal: &Goal) -> Result<Plan, Status> {
        let catalog = self.registry.catalog().await?;
        if goal.call.is_some() {
            return Ok(direct(goal, &catalog));
        }
        if let Some(plan) = self.known(goal, &catalog).await? {
            return Ok(plan);
        }
        if let Some(command) = exact::command(&goal.text) {
            let plan = self.commanded(goal, command, &catalog).await?;
            // What does not fit, was no command.
            if !matches!(plan.next, Next::Refuse(_)) || self.model.is_none() {
                return Ok(plan);
            }
        }
        let Some(model) = &self.model else {
            return Ok(refused(
                "the operator model is not installed, and what to do is not known from before"
                    .into(),
            ));
        };
        let done: Vec<Done> = goal.tasks.iter().map(done_so_far).collect();
        let proposal = model.propose(&goal.text, &done).await?;
        let services = match judge::names_a_service(&proposal, &catalog) {
            true => self.services().await?,
            false => Vec::new(),
        };
        Ok(judge::operational(goal, proposal, &catalog, &services))
    }

    /// What follows from a command in shell words.
    async fn commanded(
        &self,
        goal: &Goal,
        command: exact::Command,
        catalog: &Catalog,
    ) -> Result<Plan, Status> {
        if !goal.tasks.is_empty() {
            return Ok(reactive(done(), "the command is carried out"));
        }
        let services = match catalog.named(command.act, Kind::Service).is_empty() {
            true => Vec::new(),
            false => self.services().await?,
        };
        Ok(judge::commanded(goal, command, catalog, &services))
    }

    /// The names of the services that are there.
    async fn services(&self) -> Result<Vec<String>, Status> {
        let list = retry::persistently(self.patience, || {
            let mut init = self.init.clone();
            async move { init.list_services(ListServicesRequest {}).await }
        });
        let services = list.await?.into_inner().services;
        Ok(services.into_iter().map(|service| service.name).collect())
    }

    /// The next act of a procedure that is known and still holds.
    async fn known(&self, goal: &Goal, catalog: &Catalog) -> Result<Option<Plan>, Status> {
        let act = match self.procedures().follow(goal) {
            None => return Ok(None),
            Some(Followed::End) => {
                return Ok(Some(reactive(done(), "the known procedure is at its end")));
            }
            Some(Followed::Next(act)) => act,
        };
        let parameters = catalog.named(&act.name, Kind::Service);
        let values = parameters
            .iter()
            .filter_map(|name| act.arguments.get(name)?.as_str());
        let named: Vec<String> = values.map(str::to_owned).collect();
        let there = named.is_empty() || {
            let services = self.services().await?;
            named.iter().all(|name| services.contains(name))
        };
        match catalog.act(&act.name, act.arguments) {
            Ok(act) if there => {
                let why = "the same words succeeded so before";
                Ok(Some(reactive(Next::Act(act), why)))
            }
            _ => {
                self.procedures().forget(&goal.text);
                Ok(None)
            }
        }
    }
}

fn arguments(json: &str) -> Result<Arguments, String> {
    if json.trim().is_empty() {
        return Ok(Arguments::new());
    }
    serde_json::from_str(json).map_err(|error| format!("the arguments are no JSON object: {error}"))
}

fn reactive(next: Next, reason: &str) -> Plan {
    Plan {
        next,
        level: Some(Level::Reactive),
        confidence: 1.0,
        alternatives: Vec::new(),
        reason: reason.to_owned(),
        cost: Duration::ZERO,
    }
}

/// Done, with nothing to say beside the tasks' values.
fn done() -> Next {
    Next::Done {
        note: String::new(),
    }
}

fn refused(reason: String) -> Plan {
    Plan {
        next: Next::Refuse(reason.clone()),
        level: None,
        confidence: 0.0,
        alternatives: Vec::new(),
        reason,
        cost: Duration::ZERO,
    }
}

/// The one call that the operator named himself.
fn direct(goal: &Goal, catalog: &Catalog) -> Plan {
    let Some(call) = goal.call.as_ref().filter(|_| goal.tasks.is_empty()) else {
        return reactive(done(), "the operator's call is made");
    };
    let checked = arguments(&call.arguments_json).and_then(|arguments| {
        let act = catalog.act(&call.tool, arguments);
        act.map_err(|fault| fault.to_string())
    });
    match checked {
        Ok(act) => reactive(Next::Act(act), "the operator named the call"),
        Err(fault) => reactive(
            Next::Refuse(fault),
            "the operator's call does not fit the registry",
        ),
    }
}

/// A task, as the model reads it.
fn done_so_far(task: &Task) -> Done {
    let text = |value: &serde_json::Value| {
        let text = value.as_str().map(str::to_owned);
        text.unwrap_or_else(|| value.to_string())
    };
    let arguments = task.arguments.iter();
    Done {
        act: task.act.clone(),
        arguments: arguments
            .map(|(name, value)| (name.clone(), text(value)))
            .collect(),
        succeeded: task.state == TaskState::Succeeded,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
