//! The memory, as the goal engine uses it: every write has reached the disk when
//! it returns, and a memory that restarts is waited for.

use std::collections::BTreeSet;
use std::time::Duration;

use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::{
    self, Decision, Event, GetGoalRequest, GoalState, ListGoalsRequest, PutGoalRequest,
};
use aios_goals::Goal;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::standing::Standing;
use crate::wire;

/// Goals read at once when looking back; the memory's newest.
const LOOK_BACK: u32 = 1000;

/// Goals, tasks and decisions on disk.
#[derive(Clone, Debug)]
pub struct Store {
    memory: MemoryClient<Channel>,
    standing: Standing,
    patience: Duration,
}

/// Calls `$method` until it answers or the patience ends.
macro_rules! patiently {
    ($self:ident, $method:ident, $message:expr) => {
        $self
            .standing
            .persistently("memory", $self.patience, || {
                let mut memory = $self.memory.clone();
                let message = $message.clone();
                async move {
                    let answer = memory.$method(message).await;
                    answer.map(tonic::Response::into_inner)
                }
            })
            .await
    };
}

impl Store {
    /// A store that waits at most `patience` for a memory that restarts, and not for one that is down.
    pub fn new(memory: MemoryClient<Channel>, standing: Standing, patience: Duration) -> Self {
        Self {
            memory,
            standing,
            patience,
        }
    }

    /// Writes the goal with those of its tasks whose index is `changed`, and these decisions, all
    /// or nothing.
    ///
    /// # Errors
    /// The memory's refusal, or its absence.
    pub async fn put(
        &self,
        goal: &Goal,
        changed: &BTreeSet<usize>,
        decisions: &[Decision],
    ) -> Result<(), Status> {
        let mut record = wire::goal_to_wire(goal);
        if record.state() == GoalState::Waiting {
            // Its task says that; a version before this one knows the state as running.
            record.set_state(GoalState::Running);
        }
        let is_changed = |task: &v1::Task| changed.contains(&(task.index as usize));
        record.tasks.retain(is_changed);
        let request = PutGoalRequest {
            goal: Some(record),
            decisions: decisions.to_vec(),
        };
        patiently!(self, put_goal, request).map(drop)
    }

    /// The goal with its tasks, if there is one with this id or id prefix.
    ///
    /// # Errors
    /// The memory's refusal (an ambiguous prefix), or its absence.
    pub async fn goal(&self, id: &str) -> Result<Option<Goal>, Status> {
        let request = GetGoalRequest { id: id.to_owned() };
        match patiently!(self, get_goal, request) {
            Ok(record) => Ok(Some(wire::goal(record))),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// The newest goals in one of these states, newest first.
    ///
    /// # Errors
    /// The memory's refusal, or its absence.
    pub async fn goals(
        &self,
        states: &[GoalState],
        limit: Option<u32>,
    ) -> Result<Vec<Goal>, Status> {
        let request = ListGoalsRequest {
            limit: limit.unwrap_or(LOOK_BACK),
            states: states.iter().map(|state| i32::from(*state)).collect(),
        };
        let records = patiently!(self, list_goals, request)?.goals;
        Ok(records.into_iter().map(wire::goal).collect())
    }

    /// Puts an event into the memory's ring; when it cannot, the log has it.
    pub async fn event(&self, event: Event) {
        let mut memory = self.memory.clone();
        if let Err(status) = memory.append_event(event.clone()).await {
            tracing::warn!(
                "event {} not kept: {}: {}",
                event.kind,
                status.message(),
                event.text
            );
        }
    }
}
