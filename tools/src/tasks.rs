//! What agents are to do, by the orchestrator's word, and what became of it.
//!
//! 1. **An agent makes only calls that were registered for it**: these arguments, in this order, each
//!    after the one before it has succeeded. Which operator a call is for, and the reason, come from the
//!    registration, never from the agent.
//! 2. **What a call led to is noted here by whoever carries it out**, so that the orchestrator need not
//!    believe the agent.
//! 3. Nothing here is on the disk. Who finds a call unknown registers its task again, and the agent
//!    repeats the calls: those that had an effect are answered from the store.

use aios_role::Role;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aios_daemon::identity::Principal;

use crate::pipeline::{Answer, Request};
use aios_tool::error::ToolError;

/// Calls that may be registered at once; the oldest task goes when there are more. The orchestrator
/// has at most 256 goals, each with one task of at most 32 calls, under way.
const CALLS_MAX: usize = 16_384;

/// A larger output, in bytes of JSON, is not kept for the orchestrator, which would not keep it either.
pub const OUTPUT_MAX: usize = 256 * 1024;

/// A task that an agent is to carry out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// The agent.
    pub agent: String,
    /// The goal it is for.
    pub goal_id: String,
    /// Its place among the goal's tasks.
    pub task_index: u32,
    /// Why, for people.
    pub reason: String,
    /// The operator's subject.
    pub on_behalf_of: String,
    /// The role of that operator.
    pub role: Role,
    /// The calls, in order.
    pub steps: Vec<Step>,
}

/// A call of a task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Unique per intended effect.
    pub call_id: String,
    /// The tool's name.
    pub tool: String,
    /// The arguments, as the agent has to repeat them.
    pub arguments_json: String,
}

/// How a call went.
pub type Outcome = Result<Answer, ToolError>;

/// The registered tasks.
#[derive(Debug, Default)]
pub struct Tasks(Mutex<Registered>);

#[derive(Debug, Default)]
struct Registered {
    calls: HashMap<String, Registration>,
    /// By age, so that the oldest goes first.
    tasks: BTreeMap<u64, Arc<Task>>,
    last: u64,
}

#[derive(Debug)]
struct Registration {
    number: u64,
    task: Arc<Task>,
    step: usize,
    outcome: Option<Outcome>,
}

impl Tasks {
    /// Lets the task's agent make its calls.
    pub fn register(&self, task: Task) {
        let mut registered = self.lock();
        for step in &task.steps {
            registered.remove_task_of(&step.call_id);
        }
        while registered.calls.len() + task.steps.len() > CALLS_MAX && !registered.tasks.is_empty()
        {
            registered.remove_oldest();
        }
        registered.last += 1;
        let number = registered.last;
        let task = Arc::new(task);
        for (place, step) in task.steps.iter().enumerate() {
            let registration = Registration {
                number,
                task: Arc::clone(&task),
                step: place,
                outcome: None,
            };
            registered.calls.insert(step.call_id.clone(), registration);
        }
        registered.tasks.insert(number, task);
    }

    /// The call as it was registered, when this caller may make it now. Callers that are no agents
    /// have their calls as they are.
    ///
    /// # Errors
    /// `Denied`: it was not registered, or not so.
    pub fn admit(&self, caller: &Principal, request: Request) -> Result<Request, ToolError> {
        let Principal::Agent(agent) = caller else {
            return Ok(request);
        };
        let registered = self.lock();
        let call = registered.calls.get(&request.call_id);
        let Some(call) = call.filter(|call| call.task.agent == *agent) else {
            return denied("no task of this agent has this call");
        };
        let task = &call.task;
        let told = |said: &str, registered: &str| said.is_empty() || said == registered;
        if !told(&request.goal_id, &task.goal_id) {
            return denied("the call names another goal than its own");
        }
        if !told(&request.on_behalf_of, &task.on_behalf_of) {
            return denied("the call names another operator than its goal's");
        }
        let planned = task.steps.get(call.step);
        let same = |step: &Step| {
            (&step.tool, &step.arguments_json) == (&request.tool, &request.arguments_json)
        };
        if !planned.is_some_and(same) {
            return denied("the call is not as it was planned");
        }
        let before = call
            .step
            .checked_sub(1)
            .and_then(|step| task.steps.get(step));
        if before.is_some_and(|before| !registered.has_succeeded(&before.call_id)) {
            return denied("the call before it has not succeeded");
        }
        Ok(Request {
            goal_id: task.goal_id.clone(),
            task_index: task.task_index,
            reason: task.reason.clone(),
            on_behalf_of: task.on_behalf_of.clone(),
            role: Some(task.role),
            ..request
        })
    }

    /// Notes how a call went, which nobody but the pipeline knows.
    pub fn note(&self, caller: &Principal, call_id: &str, outcome: &Outcome) {
        let Principal::Agent(agent) = caller else {
            return;
        };
        let mut registered = self.lock();
        let call = registered.calls.get_mut(call_id);
        if let Some(call) = call.filter(|call| call.task.agent == *agent) {
            call.outcome = Some(without_large_output(outcome.clone()));
        }
    }

    /// How these calls went, in this order; their tasks are over. `None` in place of a call that was
    /// not made.
    ///
    /// # Errors
    /// `NotFound` when one of them is not registered. Then none is taken.
    pub fn settle(&self, call_ids: &[String]) -> Result<Vec<Option<Outcome>>, ToolError> {
        let mut registered = self.lock();
        if let Some(unknown) = call_ids
            .iter()
            .find(|id| !registered.calls.contains_key(*id))
        {
            return Err(ToolError::NotFound(format!(
                "call {unknown} is not registered"
            )));
        }
        let outcomes = call_ids.iter().map(|id| {
            let call = registered.calls.get_mut(id);
            call.and_then(|call| call.outcome.take())
        });
        let outcomes = outcomes.collect();
        for id in call_ids {
            registered.remove_task_of(id);
        }
        Ok(outcomes)
    }

    fn lock(&self) -> MutexGuard<'_, Registered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    fn has_succeeded(&self, call_id: &str) -> bool {
        let call = self.calls.get(call_id);
        call.is_some_and(|call| matches!(call.outcome, Some(Ok(_))))
    }

    fn remove_task_of(&mut self, call_id: &str) {
        if let Some(number) = self.calls.get(call_id).map(|call| call.number) {
            self.remove(number);
        }
    }

    fn remove_oldest(&mut self) {
        if let Some(&number) = self.tasks.keys().next() {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        if let Some(task) = self.tasks.remove(&number) {
            for step in &task.steps {
                self.calls.remove(&step.call_id);
            }
        }
    }
}

fn denied<T>(why: &str) -> Result<T, ToolError> {
    Err(ToolError::Denied(why.to_owned()))
}

fn without_large_output(outcome: Outcome) -> Outcome {
    outcome.map(|answer| {
        if answer.output.to_string().len() <= OUTPUT_MAX {
            return answer;
        }
        Answer {
            output: serde_json::Value::Null,
            ..answer
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let step = |number: usize, tool: &str| Step {
            call_id: format!("g/0/{number}"),
            tool: tool.into(),
            arguments_json: format!("{{\"path\":\"/srv/{number}\"}}"),
        };
        Task {
            agent: "storage".into(),
            goal_id: "g".into(),
            task_index: 0,
            reason: "make it".into(),
            on_behalf_of: "CN=ann".into(),
            role: Role::Operator,
            steps: vec![step(0, "fs.mkdir"), step(1, "fs.write")],
        }
    }

    fn request(step: usize) -> Request {
        let Step {
            call_id,
            tool,
            arguments_json,
        } = task().steps[step].clone();
        Request {
            call_id,
            tool,
            arguments_json,
            ..Request::default()
        }
    }

    fn agent(name: &str) -> Principal {
        Principal::Agent(name.into())
    }

    fn succeeded() -> Outcome {
        Ok(Answer {
            execution_id: "x".into(),
            output: serde_json::json!({}),
            summary: "done".into(),
            reversible: true,
            replayed: false,
        })
    }

    fn ids(task: &Task) -> Vec<String> {
        task.steps.iter().map(|step| step.call_id.clone()).collect()
    }

    #[test]
    fn an_agent_makes_only_the_calls_that_were_planned_for_it() {
        let tasks = Tasks::default();
        tasks.register(task());
        let check = |caller: Principal, change: fn(&mut Request), expected: bool| {
            let mut request = request(0);
            change(&mut request);
            let admitted = tasks.admit(&caller, request.clone());
            assert_eq!(admitted.is_ok(), expected, "{caller} {request:?}");
        };
        check(agent("storage"), |_| {}, true);
        check(agent("dev"), |_| {}, false);
        check(
            agent("storage"),
            |call| call.call_id = "g/1/0".into(),
            false,
        );
        check(
            agent("storage"),
            |call| call.tool = "fs.delete".into(),
            false,
        );
        check(
            agent("storage"),
            |call| call.arguments_json = "{}".into(),
            false,
        );
        check(agent("storage"), |call| call.goal_id = "g".into(), true);
        check(
            agent("storage"),
            |call| call.goal_id = "other".into(),
            false,
        );
        check(
            agent("storage"),
            |call| call.on_behalf_of = "CN=admin".into(),
            false,
        );
        check(Principal::Root, |call| call.call_id = "mine".into(), true);
    }

    #[test]
    fn for_whom_and_why_is_what_was_registered() {
        let tasks = Tasks::default();
        tasks.register(task());
        let mut told = request(0);
        told.reason = "because I say so".into();
        let call = tasks.admit(&agent("storage"), told).unwrap();
        let registered = (
            call.goal_id.as_str(),
            call.on_behalf_of.as_str(),
            call.reason.as_str(),
        );
        assert_eq!(registered, ("g", "CN=ann", "make it"));
    }

    #[test]
    fn no_step_is_made_before_the_one_before_it_has_succeeded() {
        let tasks = Tasks::default();
        tasks.register(task());
        assert!(tasks.admit(&agent("storage"), request(1)).is_err());
        let failed = Err(ToolError::Failed("no".into()));
        tasks.note(&agent("storage"), "g/0/0", &failed);
        assert!(tasks.admit(&agent("storage"), request(1)).is_err());
        tasks.note(&agent("dev"), "g/0/0", &succeeded());
        assert!(tasks.admit(&agent("storage"), request(1)).is_err());
        tasks.note(&agent("storage"), "g/0/0", &succeeded());
        assert!(tasks.admit(&agent("storage"), request(1)).is_ok());
    }

    #[test]
    fn what_was_not_made_is_not_told_as_made_and_a_settled_task_is_over() {
        let tasks = Tasks::default();
        tasks.register(task());
        tasks.note(&agent("storage"), "g/0/0", &succeeded());
        let outcomes = tasks.settle(&ids(&task())).unwrap();
        assert_eq!(outcomes, [Some(succeeded()), None]);
        assert!(tasks.admit(&agent("storage"), request(0)).is_err());
        let unknown = tasks.settle(&ids(&task())).unwrap_err();
        assert!(matches!(unknown, ToolError::NotFound(_)), "{unknown}");
    }

    #[test]
    fn a_task_that_is_registered_again_begins_again_and_old_ones_are_forgotten() {
        let tasks = Tasks::default();
        tasks.register(task());
        tasks.note(&agent("storage"), "g/0/0", &succeeded());
        tasks.register(task());
        assert!(tasks.admit(&agent("storage"), request(1)).is_err());
        for number in 0..CALLS_MAX {
            let mut other = task();
            other.steps.truncate(1);
            other.steps[0].call_id = format!("other/{number}");
            tasks.register(other);
        }
        assert!(tasks.admit(&agent("storage"), request(0)).is_err());
        assert!(tasks.lock().calls.len() <= CALLS_MAX);
    }
}
