//! One goal that is being worked on: its newest state, who watches it, whether it is called off.

use std::sync::{Mutex, PoisonError};

use aios_goals::Goal;
use tokio::sync::{broadcast, watch};

/// Changes that a slow watcher may be behind; it then gets the newest state.
const BEHIND_MAX: usize = 32;

/// A goal that is being worked on.
#[derive(Debug)]
pub(super) struct Live {
    goal: Mutex<Goal>,
    changes: broadcast::Sender<Goal>,
    cancelled_by: watch::Sender<Option<String>>,
}

impl Live {
    pub(super) fn new(goal: Goal) -> Self {
        Self {
            goal: Mutex::new(goal),
            changes: broadcast::Sender::new(BEHIND_MAX),
            cancelled_by: watch::Sender::new(None),
        }
    }

    /// As it is now.
    pub(super) fn goal(&self) -> Goal {
        self.lock().clone()
    }

    /// Makes this its newest state, and tells the watchers.
    pub(super) fn set(&self, goal: &Goal) {
        *self.lock() = goal.clone();
        self.changes.send(goal.clone()).ok(); // Err: nobody watches
    }

    /// Its changes from now on.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Goal> {
        self.changes.subscribe()
    }

    /// Calls it off; who was first stays on record.
    pub(super) fn cancel(&self, by: &str) {
        self.cancelled_by.send_if_modified(|first| {
            let new = first.is_none();
            first.get_or_insert_with(|| by.to_owned());
            new
        });
    }

    /// Ready, with who it was, once it is called off.
    pub(super) async fn cancelled(&self) -> String {
        let mut cancelled = self.cancelled_by.subscribe();
        let by = match cancelled.wait_for(Option::is_some).await {
            Ok(by) => by.clone(),
            Err(_) => None, // cannot be: the sender lives as long as this
        };
        by.unwrap_or_default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Goal> {
        self.goal.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
