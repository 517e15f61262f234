//! Tasks to agents, and what became of them by the word of `aios-tools`.
//!
//! **An agent is not believed.** Before it gets a task, the task's calls are registered with `aios-tools`,
//! which lets it make those and no others. After it, `aios-tools` is asked what became of each.

use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::{
    CallOutcome, ExecuteRequest, RegisterTaskRequest, SettleTaskRequest, SkillStep, TaskState,
};
use aios_daemon::retry;
use aios_goals::{Execution, Goal, Made, Task, ToolCall, call_id};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::agents::Agents;
use crate::wire;

/// How often a task is given to its agent again when `aios-tools` was restarted meanwhile and knows it
/// no more. The calls have the same ids, so that none has its effect twice.
const TRIES: usize = 3;

/// The longest reason that `aios-tools` takes, in bytes; goals may be longer.
const REASON_MAX: usize = 4096;

/// Gives tasks to agents; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Dispatch {
    agents: Arc<Agents>,
    tools: ToolsClient<Channel>,
    patience: Duration,
}

/// What became of a task.
#[derive(Debug)]
pub struct Carried {
    /// What is on record of each call, in order.
    pub records: Vec<Made>,
    /// Whether the agent says that it did it all, or why not.
    pub told: Result<(), String>,
}

impl Dispatch {
    /// To these agents; a daemon that restarts is waited for at most `patience`.
    pub fn new(agents: Arc<Agents>, tools: ToolsClient<Channel>, patience: Duration) -> Self {
        Self {
            agents,
            tools,
            patience,
        }
    }

    /// The agent that takes tasks of this act.
    pub fn route(&self, act: &str) -> Option<&str> {
        self.agents.route(act)
    }

    /// Has the task's agent make these calls.
    ///
    /// # Errors
    /// Why it is not known what became of them.
    pub async fn carry_out(
        &self,
        goal: &Goal,
        task: &Task,
        calls: &[ToolCall],
    ) -> Result<Carried, Status> {
        let steps = steps(goal, task, calls);
        let registration = RegisterTaskRequest {
            agent: task.agent.clone(),
            goal_id: goal.id.clone(),
            task_index: u32::try_from(task.index).unwrap_or(u32::MAX),
            reason: goal.text[..goal.text.floor_char_boundary(REASON_MAX)].to_owned(),
            on_behalf_of: goal.submitted_by.clone(),
            role: wire::role_to_wire(goal.role).into(),
            steps: steps.clone(),
        };
        let request = ExecuteRequest {
            task: Some(wire::task_to_wire(&goal.id, task)),
            steps,
        };
        let settle = settlement(&request.steps);
        for _ in 0..TRIES {
            self.register(&registration).await?;
            let told = self.agents.execute(&task.agent, &request).await;
            let told = match told.map(|task| (task.state(), task.error)) {
                Ok((TaskState::Succeeded, _)) => Ok(()),
                Ok((_, error)) => Err(error),
                Err(status) => Err(status.message().to_owned()),
            };
            match self.settle(&settle).await {
                Ok(outcomes) => {
                    let outcomes = outcomes.into_iter().zip(calls);
                    let records = outcomes
                        .map(|(outcome, call)| made(outcome, call))
                        .collect();
                    return Ok(Carried { records, told });
                }
                Err(status) if status.code() == Code::NotFound => {}
                Err(status) => return Err(status),
            }
        }
        Err(Status::unavailable(
            "aios-tools was restarted again and again while its agent carried it out",
        ))
    }

    /// Takes the task back, in the background: its agent can make no more of these calls.
    pub fn call_off(&self, goal: &Goal, task: &Task, calls: &[ToolCall]) {
        let settle = settlement(&steps(goal, task, calls));
        let mut tools = self.tools.clone();
        tokio::spawn(async move {
            // Err: it is gone there already, or aios-tools is away, which forgets it with its end.
            drop(tools.settle_task(settle).await);
        });
    }

    async fn register(&self, registration: &RegisterTaskRequest) -> Result<(), Status> {
        let registered = retry::persistently(self.patience, || {
            let (mut tools, registration) = (self.tools.clone(), registration.clone());
            async move { tools.register_task(registration).await }
        });
        registered.await.map(drop)
    }

    async fn settle(&self, settle: &SettleTaskRequest) -> Result<Vec<CallOutcome>, Status> {
        let settled = retry::persistently(self.patience, || {
            let (mut tools, settle) = (self.tools.clone(), settle.clone());
            async move { tools.settle_task(settle).await }
        });
        settled.await.map(|answer| answer.into_inner().outcomes)
    }
}

fn steps(goal: &Goal, task: &Task, calls: &[ToolCall]) -> Vec<SkillStep> {
    let step = |(place, call)| {
        let id = call_id(&goal.id, task.index, place);
        wire::tool_call_to_wire(id, call)
    };
    calls.iter().enumerate().map(step).collect()
}

fn settlement(steps: &[SkillStep]) -> SettleTaskRequest {
    SettleTaskRequest {
        call_ids: steps.iter().map(|step| step.call_id.clone()).collect(),
    }
}

fn made(outcome: CallOutcome, call: &ToolCall) -> Made {
    match outcome.succeeded {
        Some(answer) => Made::Succeeded(Execution {
            id: answer.execution_id,
            tool: call.tool.clone(),
            arguments: call.arguments.clone(),
            output_json: answer.output_json,
            summary: answer.summary,
            reversible: answer.reversible,
        }),
        None if !outcome.waits_for.is_empty() => Made::Waits(outcome.waits_for),
        None if outcome.failed.is_empty() => Made::Never,
        None => Made::Failed(outcome.failed),
    }
}
