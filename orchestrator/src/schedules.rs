//! What is done by itself at its time: asks `aios-tools` what is due, and gives itself the goal.
//!
//! 1. `aios-tools` decides what is due, and whether it still means what was ordered; it keeps all that
//!    lasts. Here nothing is kept: after a restart the runs under way come again, with the same goals.
//! 2. A goal is given in the name of whoever ordered it, with the role that they had then. When their
//!    certificate was taken back since, it is not given, and the schedule is suspended.
//! 3. While the emergency stop holds nothing is given, and what is due meanwhile is skipped.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::{DueRun, EndScheduleRunRequest, TakeSchedulesRequest};
use aios_daemon::retry;
use aios_goals::{End, Goal};
use tokio::sync::broadcast::error::RecvError;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::api::revoked::Revoked;
use crate::emergency::Emergency;
use crate::goals::{Goals, Wish};
use crate::wire;

/// How long the end of a run is told to an `aios-tools` that is away before it is asked for again.
const PATIENCE: Duration = Duration::from_secs(60);

/// What they need of the rest.
pub struct Parts {
    /// Who knows what is due.
    pub tools: ToolsClient<Channel>,
    /// Who carries it out.
    pub goals: Goals,
    /// While it holds, nothing is carried out.
    pub emergency: Emergency,
    /// The certificates that were taken back.
    pub revoked: Revoked,
    /// Between two looks.
    pub look_every: Duration,
}

/// What is done at its time; cloning is cheap.
#[derive(Clone)]
pub struct Schedules(Arc<Inner>);

struct Inner {
    parts: Parts,
    /// The goals of runs that are watched.
    watched: Mutex<BTreeSet<String>>,
    troubles: Mutex<Vec<String>>,
}

impl Schedules {
    /// Nothing is due before [`Self::carry_out`].
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            parts,
            watched: Mutex::default(),
            troubles: Mutex::default(),
        }))
    }

    /// What was wrong with schedules when they were looked at last.
    pub fn troubles(&self) -> Vec<String> {
        lock(&self.0.troubles).clone()
    }

    /// Carries out what is due, for ever.
    pub async fn carry_out(self) {
        loop {
            if let Err(status) = self.look().await {
                tracing::debug!("what is due is not known: {}", status.message());
            }
            tokio::time::sleep(self.0.parts.look_every).await;
        }
    }

    async fn look(&self) -> Result<(), Status> {
        let request = TakeSchedulesRequest {
            goal_ids: lock(&self.0.watched).iter().cloned().collect(),
            stopped: self.0.parts.emergency.stopped().is_some(),
        };
        let mut tools = self.0.parts.tools.clone();
        let taken = tools.take_schedules(request).await?.into_inner();
        *lock(&self.0.troubles) = taken.troubles;
        for run in taken.runs {
            self.give(run).await;
        }
        Ok(())
    }

    /// Gives the goal of a run, and watches it. One that cannot be given now comes again with the next look.
    async fn give(&self, run: DueRun) {
        let parts = &self.0.parts;
        if parts.revoked.has_named(&run.by) {
            let suspend = format!("the certificate of {} was taken back", run.by);
            let ended = failed(&run.goal_id, &suspend);
            self.end(EndScheduleRunRequest { suspend, ..ended }).await;
            return;
        }
        let role = wire::role(run.role());
        let wish = Wish {
            text: run.goal,
            call: run.call.map(wire::call),
            goal_id: run.goal_id.clone(),
            request_id: String::new(),
            by: run.by,
            role,
        };
        match parts.goals.submit(wish).await {
            Ok(_) => {
                lock(&self.0.watched).insert(run.goal_id.clone());
                tokio::spawn(self.clone().watch(run.goal_id));
            }
            Err(status) if status.code() == Code::InvalidArgument => {
                self.end(failed(&run.goal_id, status.message())).await;
            }
            Err(status) => {
                let schedule = run.schedule;
                tracing::warn!("schedule {schedule} cannot begin yet: {}", status.message());
            }
        }
    }

    /// Tells how the goal ended, once it has.
    async fn watch(self, goal_id: String) {
        match self.ended(&goal_id).await {
            Ok(End::Succeeded { answer }) => {
                self.end(EndScheduleRunRequest {
                    goal_id: goal_id.clone(),
                    succeeded: true,
                    text: answer,
                    suspend: String::new(),
                })
                .await;
            }
            Ok(End::Failed { reason } | End::Cancelled { reason }) => {
                self.end(failed(&goal_id, &reason)).await;
            }
            // Not watched any more, it comes again with the next look.
            Err(status) => tracing::warn!("goal {goal_id} is lost sight of: {}", status.message()),
        }
        lock(&self.0.watched).remove(&goal_id);
    }

    async fn ended(&self, goal_id: &str) -> Result<End, Status> {
        loop {
            let (goal, changes) = self.0.parts.goals.watch(goal_id).await?;
            if let Some(end) = end_of(&goal) {
                return Ok(end);
            }
            let Some(mut changes) = changes else {
                return Err(Status::unavailable("nobody works on it"));
            };
            loop {
                match changes.recv().await {
                    Ok(goal) => {
                        if let Some(end) = end_of(&goal) {
                            return Ok(end);
                        }
                    }
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => break, // it has ended, or is begun again
                }
            }
        }
    }

    async fn end(&self, ended: EndScheduleRunRequest) {
        let told = retry::persistently(PATIENCE, || {
            let (mut tools, ended) = (self.0.parts.tools.clone(), ended.clone());
            async move { tools.end_schedule_run(ended).await }
        });
        if let Err(status) = told.await {
            tracing::warn!(
                "the end of goal {} is not kept: {}",
                ended.goal_id,
                status.message()
            );
        }
    }
}

fn end_of(goal: &Goal) -> Option<End> {
    goal.end().cloned()
}

fn failed(goal_id: &str, why: &str) -> EndScheduleRunRequest {
    EndScheduleRunRequest {
        goal_id: goal_id.to_owned(),
        succeeded: false,
        text: why.to_owned(),
        suspend: String::new(),
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
