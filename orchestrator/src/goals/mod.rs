//! Goals: taking them, working on them, watching and cancelling them.
//!
//! Each unfinished goal has one task ([`work`]) that does what [`aios_goals::engine`] decides.

mod live;
mod progress;
mod wish;
mod work;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use aios_contracts::v1::{Event, EventLevel, GoalState};
use aios_goals::{End, Goal};
use tokio::sync::{Semaphore, broadcast};
use tonic::Status;

use crate::approvals::Approvals;
use crate::config::Limits;
use crate::dispatch::Dispatch;
use crate::emergency::Emergency;
use crate::plan::Planner;
use crate::record::{Kind, Recorder};
use crate::standing::Standing;
use crate::store::Store;
use aios_files::clock::now_ms;
use live::Live;
pub use wish::Wish;

/// An event's text is cut here, in characters: it is a line.
const EVENT_MAX: usize = 1000;

/// Goals of the past that procedures are learnt from at the start.
const LEARN_FROM: u32 = 200;

/// What the goals need of the rest.
pub struct Parts {
    /// Where goals are kept.
    pub store: Store,
    /// Who says what to do next.
    pub planner: Planner,
    /// Has it done.
    pub dispatch: Dispatch,
    /// What waits for a person.
    pub approvals: Approvals,
    /// Which services are down.
    pub standing: Standing,
    /// What goes on record.
    pub recorder: Recorder,
    /// While it holds, no goal is taken or goes on.
    pub emergency: Emergency,
    /// How much, how long.
    pub limits: Limits,
}

/// All goals; cloning is cheap.
#[derive(Clone)]
pub struct Goals(Arc<Inner>);

struct Inner {
    parts: Parts,
    live: Mutex<HashMap<String, Arc<Live>>>,
    permits: Semaphore,
    /// One at a time, so that a repeated request finds the goal of the first.
    submitting: tokio::sync::Mutex<()>,
}

impl Goals {
    /// No goal yet.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner {
            permits: Semaphore::new(parts.limits.at_once),
            live: Mutex::default(),
            submitting: tokio::sync::Mutex::default(),
            parts,
        }))
    }

    /// The planner, for the status.
    pub fn planner(&self) -> &Planner {
        &self.0.parts.planner
    }

    /// Goals that are not finished.
    pub fn unfinished(&self) -> usize {
        self.0.live().len()
    }

    /// Takes a goal: it is durable when this returns, and is worked on from now.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `RESOURCE_EXHAUSTED` when too many are unfinished, `UNAVAILABLE`
    /// when the memory is away.
    pub async fn submit(&self, wish: Wish) -> Result<Goal, Status> {
        wish.check()?;
        self.0.parts.emergency.check()?;
        let id = wish.goal_id();
        let _one_at_a_time = self.0.submitting.lock().await;
        let may_be_known = !wish.request_id.is_empty() || !wish.goal_id.is_empty();
        if may_be_known && let Some(known) = self.find(&id).await? {
            return Ok(known);
        }
        if self.unfinished() >= self.0.parts.limits.unfinished {
            return Err(Status::resource_exhausted(format!(
                "{} goals are unfinished; wait for some, or cancel some",
                self.unfinished()
            )));
        }
        let now = now_ms();
        let goal = Goal {
            id,
            text: wish.title(),
            submitted_by: wish.by,
            role: wish.role,
            created_ms: now,
            updated_ms: now,
            call: wish.call,
            ..Goal::default()
        };
        self.0.parts.store.put(&goal, &BTreeSet::new(), &[]).await?;
        let Parts { recorder, .. } = &self.0.parts;
        recorder.note(
            Kind::GoalSubmitted,
            &goal.submitted_by,
            &goal.text,
            &goal.id,
        );
        self.begin(goal.clone());
        Ok(goal)
    }

    /// The goal of this id or id prefix.
    ///
    /// # Errors
    /// `NOT_FOUND`, or why the memory does not say.
    pub async fn get(&self, id: &str) -> Result<Goal, Status> {
        let found = self.find(id).await?;
        found.ok_or_else(|| Status::not_found(format!("there is no goal {id:?}")))
    }

    async fn find(&self, id: &str) -> Result<Option<Goal>, Status> {
        if let Some(live) = self.0.get_live(id) {
            return Ok(Some(live.goal()));
        }
        let stored = self.0.parts.store.goal(id).await?;
        Ok(stored.map(|goal| self.0.newest(goal)))
    }

    /// Goals, newest first.
    ///
    /// # Errors
    /// Why the memory does not say.
    pub async fn list(&self, limit: u32, states: &[GoalState]) -> Result<Vec<Goal>, Status> {
        // Goals that wait are stored as running: their tasks say that they wait.
        let known = |state: &GoalState| match state {
            GoalState::Waiting => GoalState::Running,
            state => *state,
        };
        let stored: Vec<GoalState> = states.iter().map(known).collect();
        let stored = self.0.parts.store.goals(&stored, Some(limit)).await?;
        let newest = stored.into_iter().map(|goal| self.0.newest(goal));
        let wanted = |goal: &Goal| {
            states.is_empty() || states.contains(&crate::wire::goal_to_wire(goal).state())
        };
        Ok(newest.filter(wanted).collect())
    }

    /// The goal as it is now, and its changes from now on if it is not finished.
    ///
    /// # Errors
    /// `NOT_FOUND`, or why the memory does not say.
    pub async fn watch(
        &self,
        id: &str,
    ) -> Result<(Goal, Option<broadcast::Receiver<Goal>>), Status> {
        let goal = self.get(id).await?;
        Ok(match self.0.get_live(&goal.id) {
            Some(live) => {
                let changes = live.subscribe(); // before the look, so that no change is missed
                (live.goal(), Some(changes))
            }
            None => (self.get(&goal.id).await?, None),
        })
    }

    /// Calls all unfinished goals off. Returns how many.
    pub fn cancel_all(&self, by: &str) -> usize {
        let all: Vec<Arc<Live>> = self.0.live().values().cloned().collect();
        for live in &all {
            live.cancel(by);
        }
        all.len()
    }

    /// Calls a goal off; a tool call that is under way may still have its effect.
    ///
    /// # Errors
    /// `NOT_FOUND`; `FAILED_PRECONDITION` when it is finished already.
    pub async fn cancel(&self, id: &str, by: &str) -> Result<Goal, Status> {
        let goal = self.get(id).await?;
        let Some(live) = self.0.get_live(&goal.id) else {
            return Err(Status::failed_precondition(format!(
                "goal {} is finished already",
                goal.id
            )));
        };
        let mut changes = live.subscribe();
        live.cancel(by);
        let mut goal = live.goal();
        while !goal.is_finished() {
            match changes.recv().await {
                Ok(change) => goal = change,
                Err(broadcast::error::RecvError::Lagged(_)) => goal = live.goal(),
                Err(broadcast::error::RecvError::Closed) => break,
            }
        }
        Ok(goal)
    }

    /// Learns from the past and goes on with what is unfinished.
    ///
    /// # Errors
    /// Why the memory does not say.
    pub async fn resume(&self) -> Result<usize, Status> {
        let parts = &self.0.parts;
        let done = parts.store.goals(&[GoalState::Succeeded], Some(LEARN_FROM));
        for goal in done.await?.iter().rev() {
            parts.planner.learn(goal);
        }
        let open = [GoalState::Pending, GoalState::Running];
        let unfinished = parts.store.goals(&open, None).await?;
        let resumed = unfinished
            .into_iter()
            .rev()
            .filter(|goal| self.begin(goal.clone()));
        Ok(resumed.count())
    }

    /// Works on the goal from now; false when it is being worked on already.
    fn begin(&self, goal: Goal) -> bool {
        let live = Arc::new(Live::new(goal));
        let id = live.goal().id;
        {
            let mut all = self.0.live();
            if all.contains_key(&id) {
                return false;
            }
            all.insert(id, live.clone());
        }
        tokio::spawn(work::run(self.0.clone(), live));
        true
    }
}

impl Inner {
    fn live(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get_live(&self, id: &str) -> Option<Arc<Live>> {
        self.live().get(id).cloned()
    }

    /// The goal as it is here, if it is worked on; otherwise as it was stored.
    fn newest(&self, stored: Goal) -> Goal {
        self.get_live(&stored.id).map_or(stored, |live| live.goal())
    }

    /// What is told when a goal ended.
    async fn announce(&self, goal: &Goal) {
        let (kind, told, level) = match goal.end() {
            Some(End::Succeeded { answer }) => (Kind::GoalSucceeded, answer, EventLevel::Info),
            Some(End::Cancelled { reason }) => (Kind::GoalCancelled, reason, EventLevel::Info),
            Some(End::Failed { reason }) => (Kind::GoalFailed, reason, EventLevel::Warning),
            None => return,
        };
        tracing::info!("{kind} {}: {told}", goal.id);
        self.parts
            .recorder
            .note(kind, &goal.submitted_by, told, &goal.id);
        let event = Event {
            time_ms: now_ms(),
            source: String::new(),
            level: level.into(),
            kind: kind.to_string(),
            text: format!("{}: {told}", goal.text)
                .chars()
                .take(EVENT_MAX)
                .collect(),
            goal_id: goal.id.clone(),
        };
        self.parts.store.event(event).await;
    }
}
