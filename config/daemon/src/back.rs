//! How a change reaches the services, and how a trial ends that nobody confirmed.
//!
//! The note says what is tried, and stays until the services were told that it went back: who is
//! killed in between is followed by a process that tells them.

use std::pin::pin;
use std::time::Duration;

use aios_config::Change;
use tokio::task::JoinSet;

use crate::applier::Applier;
use crate::note;
use crate::store::Ended;
use crate::trial::{self, Trial};

/// The answer leaves through the orchestrator, which may be restarted: it gets this long.
const ANSWER: Duration = Duration::from_millis(300);

/// Between two tries to go back when the disk refused.
const AGAIN: Duration = Duration::from_secs(1);

/// On the way back the next service is told after so long, although the one before has not come back:
/// most are within a tenth of a second, one that loads models takes minutes.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long going back may take when the daemon is stopped: init kills it after 2 s
/// (`stop_timeout_ms`). What is not done by then, the next process does.
const LEAVING: Duration = Duration::from_millis(1500);

/// Why it went back, when its time was over.
pub(super) const UNCONFIRMED: &str = "nobody confirmed it";

/// See [`UNCONFIRMED`].
const STOPPED: &str = "aios-config was stopped before anybody confirmed it";

/// Why a trial ended, when somebody took the kept file away.
const GONE: &str = "what was before it is no longer kept";

impl Applier {
    /// At the start: a trial of a former process goes on for the time that it has left, and back at
    /// once when nobody knows until when. What services had not been told when that process ended,
    /// they are told now.
    pub fn recover(&self) {
        let note: Option<Trial> = note::read(&self.0.note);
        let owed = self.state().owed.take_over();
        let tried = note.as_ref().map(|trial| trial.tried.as_str());
        if self.0.store.only_prepared(tried) {
            tracing::warn!("a trial was prepared and not begun: it is over");
            if let Err(error) = self.0.store.keep() {
                tracing::error!("{error}; the next trial or configuration takes its place");
            }
            return self.catch_up(note, owed);
        }
        if !self.0.store.in_trial() {
            return self.catch_up(note, owed);
        }
        let unknown = || Trial {
            id: String::new(),
            by: "a former process".into(),
            until_ms: 0,
            tried: self.0.store.current().unwrap_or_default(),
        };
        let trial = note.unwrap_or_else(unknown);
        self.state().trial = Some(trial.clone());
        self.spawn(self.clone().watch(trial, owed));
    }

    /// Before the daemon is stopped: nobody would watch the trial any more, so that it goes back now.
    pub async fn leave(&self) {
        let trial = {
            let mut state = self.state();
            state.leaving = true;
            state.trial.clone()
        };
        let Some(trial) = trial else { return };
        let back = self.back(&trial, STOPPED);
        if tokio::time::timeout(LEAVING, back).await.is_err() {
            tracing::warn!("stopped before all services knew; the next aios-config tells them");
        }
    }

    /// Has the services take up what is tried, and goes back when its time is over and nobody
    /// confirmed it.
    pub(super) async fn watch(self, trial: Trial, changes: Vec<Change>) {
        let left = Duration::from_millis(trial.left_ms(trial::now_ms()));
        let mut over = pin!(tokio::time::sleep(left));
        {
            let mut carrying = pin!(self.clone().carry_out(changes));
            tokio::select! {
                biased;
                () = &mut carrying => over.await,
                () = &mut over => {
                    let confirmed = self.state().trial.as_ref() != Some(&trial);
                    if confirmed {
                        return carrying.await;
                    }
                }
            }
        } // What is still waited for is given up here: it would take up what goes back.
        self.back(&trial, UNCONFIRMED).await;
    }

    /// Goes back, unless the trial was confirmed, and has the services follow.
    pub(super) async fn back(&self, trial: &Trial, why: &str) {
        let changes = loop {
            match self.go_back(trial, why) {
                Ok(Some(changes)) => break changes,
                Ok(None) => return,
                Err(error) => {
                    tracing::error!("the configuration cannot go back: {error}; tried again");
                }
            }
            tokio::time::sleep(AGAIN).await;
        };
        self.follow(changes).await;
    }

    /// What the services have to do now that it went back; `None` when it is no trial any more.
    fn go_back(&self, trial: &Trial, why: &str) -> std::io::Result<Option<Vec<Change>>> {
        let mut state = self.state();
        if state.trial.as_ref() != Some(trial) {
            return Ok(None);
        }
        if !std::mem::replace(&mut state.reverting, true) {
            let (kind, why) = match self.0.store.in_trial() {
                true => ("config.reverted", why),
                false => ("config.trial_ended", GONE),
            };
            if let Err(error) = self.0.services.record(kind, &trial.by, why) {
                // The way back is open in any case: it is what lets an operator in again.
                tracing::error!("not on record: {kind} {} {why}: {error}", trial.by);
            }
        }
        let back = format!("what {} tried went back: {why}", trial.by);
        let text = match self.0.store.go_back()? {
            Ended::Whole => back,
            Ended::Unsynced(error) => format!("{back}; a power cut may undo that: {error}"),
            Ended::None => format!("the trial of {} had ended already: {GONE}", trial.by),
        };
        tracing::warn!("{text}");
        state.trial = None;
        state.last_change = text;
        Ok(Some(self.since(trial)))
    }

    /// Nothing is being tried: what the former process tried, if it did, was confirmed or went back,
    /// and services may not have been told of that, nor of what they are still owed.
    fn catch_up(&self, tried: Option<Trial>, owed: Vec<Change>) {
        let went_back = tried.as_ref().map(|trial| self.since(trial));
        let went_back = went_back.unwrap_or_default();
        let Some(trial) = tried.filter(|_| !went_back.is_empty()) else {
            self.forget_note(); // confirmed
            if !owed.is_empty() {
                tracing::warn!("the former process had not told all services; they are told now");
                self.spawn(self.clone().carry_out(owed));
            }
            return;
        };
        let text = format!("what {} tried went back", trial.by);
        tracing::warn!("{text}; the services are told now");
        self.state().last_change = text;
        let all = Change::all();
        let all = all.filter(|change| went_back.contains(change) || owed.contains(change));
        let (this, all) = (self.clone(), all.collect());
        self.spawn(async move { this.follow(all).await });
    }

    /// What differs now from what was tried. What cannot be read is, like what does not parse, as if it
    /// were empty: services are told in any case.
    fn since(&self, trial: &Trial) -> Vec<Change> {
        let tried = aios_config::parse(&trial.tried).unwrap_or_default();
        let now = self.0.store.current().unwrap_or_else(|error| {
            tracing::error!("cannot read the configuration: {error}");
            String::new()
        });
        aios_config::changes(&tried, &aios_config::parse(&now).unwrap_or_default())
    }

    /// Has the services follow what went back; then nothing is left of the trial. In order, but
    /// nobody waits for a slow one, nor for what is being carried out: the way back is what lets an
    /// operator in again.
    async fn follow(&self, changes: Vec<Change>) {
        let mut under_way = JoinSet::new();
        for change in changes {
            let this = self.clone();
            under_way.spawn(async move { this.change(change).await });
            // Err: it is slow, and goes on while the next one begins.
            drop(tokio::time::timeout(PATIENCE, under_way.join_next()).await);
        }
        while under_way.join_next().await.is_some() {}
        let state = self.state();
        if state.trial.is_none() {
            self.forget_note();
        }
    }

    /// Has the services take a new configuration up, one after the other.
    pub(super) async fn carry_out(self, changes: Vec<Change>) {
        tokio::time::sleep(ANSWER).await;
        let _one_at_a_time = self.0.changing.lock().await;
        for change in changes {
            self.change(change).await;
        }
    }

    async fn change(&self, change: Change) {
        let begun = self.state().owed.begin(change);
        let changed = self.0.services.change(change).await;
        self.state().owed.done(change, begun);
        if let Err(why) = changed {
            let text = format!("{} did not take it up: {why}", change.service());
            tracing::error!("{text}");
            let mut state = self.state();
            state.last_change = format!("{}; {text}", state.last_change);
        }
    }
}
