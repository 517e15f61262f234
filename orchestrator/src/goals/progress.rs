//! What of a goal's progress is not on the disk yet.
//!
//! Writing is waiting, so what need not be durable by itself is kept here and written together
//! with what must be. A crash in between loses only what follows again from what is on the disk:
//! a plan is made again, and a task that an agent has already carried out is given to it again
//! with the same call ids, which have their effect once.

use std::collections::BTreeSet;

use aios_contracts::v1::Decision;
use aios_goals::Goal;
use tonic::Status;

use crate::store::Store;

/// Changes of one goal that wait to be written.
#[derive(Debug, Default)]
pub(super) struct Progress {
    tasks: BTreeSet<usize>,
    decisions: Vec<Decision>,
}

impl Progress {
    /// The task of this index has changed.
    pub(super) fn task(&mut self, index: usize) {
        self.tasks.insert(index);
    }

    /// This was decided.
    pub(super) fn decision(&mut self, decision: Decision) {
        self.decisions.push(decision);
    }

    /// Writes the goal and everything that waits; it is durable when this returns.
    ///
    /// # Errors
    /// The memory's refusal, or its absence; everything waits on.
    pub(super) async fn write(&mut self, store: &Store, goal: &Goal) -> Result<(), Status> {
        store.put(goal, &self.tasks, &self.decisions).await?;
        *self = Self::default();
        Ok(())
    }
}
