//! The effects of working on one goal: what [`engine`] decides, done and written down.

use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::{Alternative, Decision};
use aios_daemon::retry;
use aios_goals::engine::{self, finish};
use aios_goals::{End, Goal, Interruption, State, Step, Task, TaskState, ToolCall};
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;
use tonic::Status;
use uuid::Uuid;

use super::Inner;
use super::live::Live;
use super::progress::Progress;
use crate::dispatch::Carried;
use crate::plan::follow::follow;
use crate::plan::{Next, Plan};
use crate::record::Kind;
use crate::wire;
use aios_files::clock::now_ms;

/// Between two tries to write the end of a goal to a memory that is away for long.
const END_RETRY: Duration = Duration::from_secs(5);

/// Works on the goal until it has ended and the end is written.
pub(super) async fn run(inner: Arc<Inner>, live: Arc<Live>) {
    let mut goal = live.goal();
    let mut work = Work {
        inner: &inner,
        live: &live,
        deadline: Instant::now() + inner.parts.limits.goal,
        interruption: None,
        progress: Progress::default(),
        permit: None,
    };
    work.turn().await;
    let carried = work.carry_on(&mut goal).await;
    work.permit = None;
    if let Err(status) = carried {
        let reason = format!(
            "its progress cannot be written: {}{}",
            status.message(),
            engine::so_far(&goal)
        );
        work.end(&mut goal, End::Failed { reason });
        work.write_end(&goal).await;
    }
    inner.parts.planner.learn(&goal);
    live.set(&goal);
    inner.live().remove(&goal.id);
    inner.announce(&goal).await;
}

struct Work<'a> {
    inner: &'a Inner,
    live: &'a Live,
    deadline: Instant,
    interruption: Option<Interruption>,
    progress: Progress,
    /// Its turn among the goals that are worked on at once; not while it waits for a person.
    permit: Option<SemaphorePermit<'a>>,
}

impl Work<'_> {
    /// Waits for its turn, unless it is interrupted before.
    async fn turn(&mut self) {
        let inner = self.inner;
        while self.permit.is_none() && self.interruption.is_none() {
            self.hold().await;
            let permit = self.unless_interrupted(inner.permits.acquire()).await;
            self.permit = permit.and_then(Result::ok);
        }
    }

    async fn carry_on(&mut self, goal: &mut Goal) -> Result<(), Status> {
        if goal.state == State::Pending && self.interruption.is_none() {
            goal.state = State::Running;
            self.show(goal);
        }
        loop {
            self.hold().await;
            match engine::next(goal, self.interruption.as_ref()) {
                // Only what is on the disk is told to have ended well.
                Step::Rest => {
                    return self.progress.write(&self.inner.parts.store, goal).await;
                }
                Step::Finish(end) => self.end(goal, end),
                Step::Execute(index) => self.execute(goal, index).await?,
                Step::Wait(index) => self.wait(goal, index).await?,
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

    /// Waits until a person has decided, or until it is too late for that. That time is not the goal's,
    /// and others have its turn.
    async fn wait(&mut self, goal: &mut Goal, index: usize) -> Result<(), Status> {
        let parts = &self.inner.parts;
        let Some(mut task) = goal.tasks.get(index).cloned() else {
            return Ok(());
        };
        self.show(goal);
        // Whoever asks after a restart hears what it waits for.
        self.progress.write(&parts.store, goal).await?;
        self.permit = None;
        let left = self.deadline.saturating_duration_since(Instant::now());
        let decided = tokio::select! {
            biased;
            () = parts.emergency.happens() => false, // held, then it waits on
            by = self.live.cancelled() => {
                parts.approvals.withdraw(&task.waits_for, &by).await;
                self.interruption = Some(Interruption::Cancelled { by });
                false
            }
            () = parts.approvals.settled(&task.waits_for) => true,
        };
        self.deadline = Instant::now() + left;
        self.turn().await;
        if decided {
            task.state = TaskState::Pending;
            task.waits_for.clear();
            self.update(goal, index, task);
        }
        Ok(())
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
        self.progress.decision(decision(goal, plan));
        goal.level = goal.level.max(plan.level);
        match follow(goal, &cleared) {
            Ok(task) => goal.tasks.push(task),
            Err(end) => self.end(goal, end),
        }
        Ok(())
    }

    async fn execute(&mut self, goal: &mut Goal, index: usize) -> Result<(), Status> {
        let inner = self.inner;
        let Some(task) = goal.tasks.get(index).cloned() else {
            return Ok(());
        };
        let task = match self.dispatchable(task).await {
            Ok((mut task, calls)) => {
                task.state = TaskState::Running;
                task.started_ms = now_ms();
                self.update(goal, index, task.clone());
                self.progress.write(&inner.parts.store, goal).await?; // before it is dispatched
                let dispatch = &inner.parts.dispatch;
                let execution = async {
                    tokio::select! {
                        carried = dispatch.carry_out(goal, &task, &calls) => carried,
                        // The agent gives up when its request is dropped: nothing is done later.
                        why = inner.parts.standing.falls("tools") => Err(Status::unavailable(why)),
                    }
                };
                let Some(outcome) = self.unless_interrupted(execution).await else {
                    dispatch.call_off(goal, &task, &calls);
                    return Ok(());
                };
                self.settled(goal, task, &calls, outcome)
            }
            Err(task) => task,
        };
        self.update(goal, index, task);
        Ok(())
    }

    /// The task as it ends by what is on record. An agent that says otherwise is on record, too.
    fn settled(
        &self,
        goal: &Goal,
        task: Task,
        calls: &[ToolCall],
        outcome: Result<Carried, Status>,
    ) -> Task {
        let Carried { records, told } = match outcome {
            Ok(carried) => carried,
            Err(status) => return task.failed(status.message().to_owned(), now_ms()),
        };
        let error = told.as_ref().err().map_or("", String::as_str);
        let task = task.settled(calls, records, error, now_ms());
        let as_told = matches!(task.state, TaskState::Succeeded | TaskState::Waiting);
        if told.is_ok() && !as_told {
            let recorder = &self.inner.parts.recorder;
            recorder.note(Kind::AgentRefuted, &task.agent, &task.error, &goal.id);
        }
        task
    }

    /// The task with its agent, and its calls; or the task as failed.
    async fn dispatchable(&self, mut task: Task) -> Result<(Task, Vec<ToolCall>), Task> {
        let parts = &self.inner.parts;
        let Some(agent) = parts.dispatch.route(&task.act) else {
            let error = format!("no agent takes {}", task.act);
            return Err(task.failed(error, now_ms()));
        };
        task.agent = agent.to_owned();
        match parts.planner.calls(&task).await {
            Ok(calls) => Ok((task, calls)),
            Err(error) => Err(task.failed(error, now_ms())),
        }
    }

    fn update(&mut self, goal: &mut Goal, index: usize, task: Task) {
        if let Some(slot) = goal.tasks.get_mut(index) {
            *slot = task;
        }
        self.progress.task(index);
        self.show(goal);
    }

    /// Writes the end of a goal whose progress could not be written, however long that takes.
    async fn write_end(&mut self, goal: &Goal) {
        let mut told = false;
        while let Err(status) = self.progress.write(&self.inner.parts.store, goal).await {
            tracing::error!(
                "the end of goal {} cannot be written: {}",
                goal.id,
                status.message()
            );
            if !retry::is_transient(&status) {
                return; // the memory refuses it, and would again
            }
            if !told {
                // Whoever waits is told now; should this process end before the end is written,
                // the goal goes on from its last task, by the same call ids.
                self.live.set(goal);
                told = true;
            }
            tokio::time::sleep(END_RETRY).await;
        }
    }

    /// Ends the goal, and with it the tasks that are open.
    fn end(&mut self, goal: &mut Goal, end: End) {
        let open = goal.tasks.iter().filter(|task| task.is_open());
        open.for_each(|task| self.progress.task(task.index));
        finish(goal, end, now_ms());
        goal.updated_ms = now_ms();
    }

    /// Tells those who watch.
    fn show(&self, goal: &mut Goal) {
        goal.updated_ms = now_ms();
        self.live.set(goal);
    }
}

fn decision(goal: &Goal, plan: &Plan) -> Decision {
    let chosen = match &plan.next {
        Next::Act(act) => act.name().to_owned(),
        Next::Done { .. } => "done".into(),
        Next::Refuse(_) => "none".into(),
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
        level: wire::level_to_wire(plan.level).into(),
        chosen,
        confidence: plan.confidence,
        alternatives: plan.alternatives.iter().map(alternative).collect(),
        reason: plan.reason.clone(),
        cost_us: u64::try_from(plan.cost.as_micros()).unwrap_or(u64::MAX),
    }
}
