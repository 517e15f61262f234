//! The effects of working on one goal: what [`engine`] decides, done and written down.

use std::sync::Arc;
use std::time::Duration;

use aios_proto::retry;
use aios_proto::v1::{Alternative, Decision, ExecuteRequest, Goal, GoalState, Task, TaskState};
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::Inner;
use super::live::Live;
use crate::engine::{self, End, Interruption, Step};
use crate::plan::Plan;
use aios_daemon::clock::now_ms;

/// Between two tries to write the end of a goal to a memory that is away for long.
const END_RETRY: Duration = Duration::from_secs(5);

/// A larger output, in bytes, is not kept with its task: many of them would not fit a message.
const OUTPUT_MAX: usize = 256 * 1024;

/// Works on the goal until it has ended and the end is written.
pub(super) async fn run(inner: Arc<Inner>, live: Arc<Live>) {
    let mut goal = live.goal();
    let mut work = Work {
        inner: &inner,
        live: &live,
        deadline: Instant::now() + inner.parts.limits.goal,
        interruption: None,
    };
    let permit = loop {
        work.hold().await;
        let permit = work.unless_interrupted(inner.permits.acquire()).await;
        if permit.is_some() || work.interruption.is_some() {
            break permit;
        }
    };
    if let Err(status) = work.carry_on(&mut goal).await {
        let reason = format!("its progress cannot be written: {}", status.message());
        engine::finish(&mut goal, End::Failed { reason });
    }
    drop(permit);
    goal.updated_ms = now_ms();
    inner.parts.planner.learn(&goal);
    let mut told = false;
    while let Err(status) = work.write_end(&goal).await {
        tracing::error!(
            "the end of goal {} cannot be written: {}",
            goal.id,
            status.message()
        );
        if !retry::is_transient(&status) {
            break; // the memory refuses it, and would again
        }
        if !told {
            // Whoever waits is told now; should this process end before the end is written, the
            // goal goes on from its last task, by the same call ids.
            live.set(&goal);
            told = true;
        }
        tokio::time::sleep(END_RETRY).await;
    }
    live.set(&goal);
    inner.live().remove(&goal.id);
    inner.announce(&goal).await;
}

struct Work<'a> {
    inner: &'a Inner,
    live: &'a Live,
    deadline: Instant,
    interruption: Option<Interruption>,
}

impl Work<'_> {
    async fn carry_on(&mut self, goal: &mut Goal) -> Result<(), Status> {
        if goal.state() == GoalState::Pending && self.interruption.is_none() {
            goal.state = GoalState::Running.into();
            self.save(goal).await?;
        }
        loop {
            self.hold().await;
            match engine::next(goal, self.interruption.as_ref()) {
                Step::Rest => return Ok(()),
                Step::Finish(end) => engine::finish(goal, end),
                Step::Execute(index) => self.execute(goal, index).await?,
                Step::Plan => self.plan(goal).await?,
            }
        }
    }

    /// Waits while the emergency stop holds; that time is not the goal's.
    async fn hold(&mut self) {
        let emergency = &self.inner.parts.emergency;
        if emergency.stopped().is_none() || self.interruption.is_some() {
            return;
        }
        let left = self.deadline.saturating_duration_since(Instant::now());
        tokio::select! {
            biased;
            by = self.live.cancelled() => self.interruption = Some(Interruption::Cancelled { by }),
            () = emergency.ends() => self.deadline = Instant::now() + left,
        }
    }

    /// The future's value, or nothing if the goal is called off, too late or stopped before.
    async fn unless_interrupted<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.inner.parts.emergency.happens() => {} // held before the next step
            by = self.live.cancelled() => self.interruption = Some(Interruption::Cancelled { by }),
            () = tokio::time::sleep_until(self.deadline) => {
                let after_s = self.inner.parts.limits.goal.as_secs();
                self.interruption = Some(Interruption::Expired { after_s });
            }
            value = future => return Some(value),
        }
        None
    }

    async fn plan(&mut self, goal: &mut Goal) -> Result<(), Status> {
        let inner = self.inner;
        let copy = goal.clone();
        let Some(cleared) = self
            .unless_interrupted(inner.parts.planner.next(&copy))
            .await
        else {
            return Ok(());
        };
        let plan = cleared.plan();
        inner
            .parts
            .store
            .put_decision(&decision(goal, plan))
            .await?;
        goal.level = i32::max(goal.level, plan.level.into());
        match engine::planned(goal, &cleared) {
            Ok(task) => goal.tasks.push(task),
            Err(end) => engine::finish(goal, end),
        }
        Ok(())
    }

    async fn execute(&mut self, goal: &mut Goal, index: usize) -> Result<(), Status> {
        let inner = self.inner;
        let Some(task) = goal.tasks.get(index).cloned() else {
            return Ok(());
        };
        let task = match self.dispatchable(task).await {
            Ok((mut task, request)) => {
                task.state = TaskState::Running.into();
                task.started_ms = now_ms();
                self.update(goal, index, task.clone()).await?; // durable before it is dispatched
                let request = ExecuteRequest {
                    task: Some(task.clone()),
                    goal_text: goal.text.clone(),
                    on_behalf_of: goal.submitted_by.clone(),
                    ..request
                };
                let execution = async {
                    tokio::select! {
                        outcome = inner.parts.agents.execute(&task.agent, &request) => outcome,
                        // The agent gives up when its request is dropped: nothing is done later.
                        why = inner.parts.standing.falls("tools") => Err(Status::unavailable(why)),
                    }
                };
                let Some(outcome) = self.unless_interrupted(execution).await else {
                    return Ok(());
                };
                merged(task, outcome)
            }
            Err(task) => task,
        };
        self.update(goal, index, task).await
    }

    /// The task with its agent, and its steps; or the task as failed.
    async fn dispatchable(&self, mut task: Task) -> Result<(Task, ExecuteRequest), Task> {
        let parts = &self.inner.parts;
        let Some(agent) = parts.agents.route(&task.act) else {
            let error = format!("no agent takes {}", task.act);
            return Err(failed(task, error));
        };
        task.agent = agent.to_owned();
        match parts.planner.steps(&task).await {
            Ok(steps) => {
                let request = ExecuteRequest {
                    steps,
                    ..ExecuteRequest::default()
                };
                Ok((task, request))
            }
            Err(error) => Err(failed(task, error)),
        }
    }

    async fn update(&self, goal: &mut Goal, index: usize, task: Task) -> Result<(), Status> {
        self.inner.parts.store.put_task(&task).await?;
        if let Some(slot) = goal.tasks.get_mut(index) {
            *slot = task;
        }
        goal.updated_ms = now_ms();
        self.live.set(goal);
        Ok(())
    }

    async fn save(&self, goal: &mut Goal) -> Result<(), Status> {
        goal.updated_ms = now_ms();
        self.inner.parts.store.put_goal(goal).await?;
        self.live.set(goal);
        Ok(())
    }

    /// Writes the goal's end: first the tasks that ended with it, then itself.
    async fn write_end(&self, goal: &Goal) -> Result<(), Status> {
        let store = &self.inner.parts.store;
        let with_it = |task: &&Task| task.finished_ms == goal.finished_ms;
        for task in goal.tasks.iter().filter(with_it) {
            store.put_task(task).await?;
        }
        store.put_goal(goal).await
    }
}

fn failed(mut task: Task, error: String) -> Task {
    task.state = TaskState::Failed.into();
    task.error = error;
    task.finished_ms = now_ms();
    task
}

/// Our record of the task, with what the agent says about how it went.
fn merged(task: Task, outcome: Result<Task, Status>) -> Task {
    let mut done = match outcome {
        Ok(done) => done,
        Err(status) => return failed(task, status.message().to_owned()),
    };
    let mut executions = std::mem::take(&mut done.executions);
    for execution in executions
        .iter_mut()
        .filter(|one| one.output_json.len() > OUTPUT_MAX)
    {
        execution.output_json.clear(); // the summary stays
    }
    let state = match done.state() {
        TaskState::Succeeded => TaskState::Succeeded,
        _ => TaskState::Failed,
    };
    Task {
        state: state.into(),
        summary: done.summary,
        error: done.error,
        executions,
        finished_ms: now_ms(),
        ..task
    }
}

fn decision(goal: &Goal, plan: &Plan) -> Decision {
    let chosen = match &plan.next {
        crate::plan::Next::Act { name, .. } => name.clone(),
        crate::plan::Next::Done { .. } => "done".into(),
        crate::plan::Next::Refuse(_) => "none".into(),
    };
    let alternative = |(act, confidence): &(String, f64)| Alternative {
        act: act.clone(),
        confidence: *confidence,
    };
    Decision {
        id: Uuid::now_v7().to_string(),
        goal_id: goal.id.clone(),
        task_index: u32::try_from(goal.tasks.len()).unwrap_or(u32::MAX),
        time_ms: now_ms(),
        level: plan.level.into(),
        chosen,
        confidence: plan.confidence,
        alternatives: plan.alternatives.iter().map(alternative).collect(),
        reason: plan.reason.clone(),
        cost_us: u64::try_from(plan.cost.as_micros()).unwrap_or(u64::MAX),
    }
}
