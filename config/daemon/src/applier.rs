//! Applying, trying, confirming. How a change reaches the services and goes back: `back.rs`.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::back;
use crate::here;
use crate::note;
use crate::order::{self, By, Effect, Refusal, digest};
use crate::owed::Owed;
use crate::services::Services;
use crate::store::{Ended, Store};
use crate::trial::{self, Trial};

/// The configuration and who lives by it; cloning is cheap.
#[derive(Clone)]
pub struct Applier(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) note: PathBuf,
    pub(super) services: Arc<dyn Services>,
    state: Mutex<State>,
    working: AtomicUsize,
    /// Changes of services come one after the other.
    pub(super) changing: tokio::sync::Mutex<()>,
}

pub(super) struct State {
    pub(super) trial: Option<Trial>,
    /// That this trial goes back is on record; the disk may have refused to let it go.
    pub(super) reverting: bool,
    pub(super) last_change: String,
    pub(super) owed: Owed,
    /// The daemon ends: nothing new is begun.
    pub(super) leaving: bool,
    used: Instant,
}

impl Applier {
    /// Over this store; `note` says what is tried, another one beside it what services are owed.
    pub fn new(store: Store, note: PathBuf, services: Arc<dyn Services>) -> Self {
        let owed = Owed::new(note.with_file_name("config-owed.toml"));
        Self(Arc::new(Inner {
            store,
            note,
            services,
            state: Mutex::new(State {
                trial: None,
                reverting: false,
                last_change: String::new(),
                owed,
                leaving: false,
                used: Instant::now(),
            }),
            working: AtomicUsize::new(0),
            changing: tokio::sync::Mutex::default(),
        }))
    }

    /// Has nobody needed it for so long? Then it leaves: nothing new is begun.
    pub fn ends(&self, idle: Duration) -> bool {
        let mut state = self.state();
        let busy = state.trial.is_some() || self.0.working.load(Ordering::SeqCst) > 0;
        state.leaving = !busy && state.used.elapsed() >= idle;
        state.leaving
    }

    /// Somebody needs it now.
    pub fn used(&self) {
        self.state().used = Instant::now();
    }

    /// The text in effect.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn current(&self) -> Result<String, Refusal> {
        let text = self.0.store.current();
        text.map_err(|error| Refusal::NotNow(format!("cannot read the configuration: {error}")))
    }

    /// The trial under way, and what became of the last change.
    pub fn progress(&self) -> (Option<Trial>, String) {
        let state = self.state();
        (state.trial.clone(), state.last_change.clone())
    }

    /// What the text would change.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn effect(&self, text: &str) -> Result<Effect, Refusal> {
        order::effect(&self.current()?, text, &here::look())
    }

    /// Puts the text in effect, for good or for `seconds`. It is on the disk when this returns;
    /// services follow. It may be asked twice, by who did not get the answer: the trial that he began
    /// is his, and what is there already was not changed by another.
    ///
    /// # Errors
    /// Why not; then nothing is changed.
    pub fn apply(
        &self,
        text: &str,
        seconds: u32,
        by: &By,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(Effect, Option<Trial>), Refusal> {
        if seconds != 0 && !trial::SECONDS.contains(&seconds) {
            return Err(Refusal::Seconds);
        }
        let tried_for = (seconds != 0).then(|| Duration::from_secs(seconds.into()));
        self.put(text, tried_for, by, expected)
    }

    pub(super) fn put(
        &self,
        text: &str,
        tried_for: Option<Duration>,
        by: &By,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(Effect, Option<Trial>), Refusal> {
        let mut state = self.state();
        let effect = self.effect(text)?;
        if state.leaving {
            return Err(Refusal::Leaving);
        }
        if let Some(trial) = &state.trial {
            if tried_for.is_some() && trial.tried == text && trial.by == by.name {
                let before = self.0.store.kept().unwrap_or_default();
                let effect = order::effect(&before, text, &here::look())?;
                return Ok((effect, Some(trial.clone())));
            }
            let left = trial.left_ms(trial::now_ms()) / 1000;
            return Err(Refusal::NotNow(format!(
                "{} tries a configuration: confirm it (aiosctl config confirm), or wait {left} s \
                 until it goes back",
                trial.by
            )));
        }
        let present = self.current()?;
        if present != text && !expected(&present) {
            return Err(Refusal::NotNow(
                "the configuration was changed meanwhile: look at it, then apply again".into(),
            ));
        }
        if !by.on_record {
            let time = tried_for.map(|time| format!(" for {} s", time.as_secs()));
            let detail = format!(
                "{}{}: {}",
                digest(text),
                time.unwrap_or_default(),
                effect.told().join(", ")
            );
            self.record("config.apply", by, &detail)?;
        }
        let trial = tried_for.map(|time| Trial::new(&by.name, time, text));
        let owed = state.owed.present();
        let noted = state.owed.add(&effect.changes);
        let written = noted.and_then(|()| self.write(text, trial.as_ref()));
        if let Err(error) = written {
            state.owed.take_back(owed);
            return Err(Refusal::Disk(error.to_string()));
        }
        state.trial.clone_from(&trial);
        state.reverting = false;
        state.last_change = format!("applied by {}", by.name);
        drop(state);
        tracing::info!("applied by {}: {:?}", by.name, effect.changes);
        let changes = effect.changes.clone();
        match trial.clone() {
            None => self.spawn(self.clone().carry_out(changes)),
            Some(trial) => self.spawn(self.clone().watch(trial, changes)),
        }
        Ok((effect, trial))
    }

    fn record(&self, kind: &str, by: &By, detail: &str) -> Result<(), Refusal> {
        let recorded = self.0.services.record(kind, &by.name, detail);
        recorded.map_err(|error| Refusal::Unrecorded(error.to_string()))
    }

    fn write(&self, text: &str, trial: Option<&Trial>) -> std::io::Result<()> {
        let Some(trial) = trial else {
            return self.0.store.replace(text);
        };
        note::write(&self.0.note, trial)?;
        let replaced = self.0.store.replace_for_trial(text);
        replaced.inspect_err(|_| self.forget_note())
    }

    /// Removes what says until when there is a trial.
    pub(super) fn forget_note(&self) {
        note::forget(&self.0.note);
    }

    /// What is tried stays.
    ///
    /// # Errors
    /// When nothing is tried, or something else; [`Refusal::Unsure`] when it stays, perhaps not over a
    /// power cut.
    pub fn confirm(&self, id: &str, by: &By) -> Result<(), Refusal> {
        let mut state = self.state();
        let trial = match &state.trial {
            None => {
                return Err(Refusal::NotNow(
                    "no configuration is being tried; it went back, or stays already".into(),
                ));
            }
            Some(trial) if !id.is_empty() && trial.id != id => {
                return Err(Refusal::NotNow(format!(
                    "another configuration is being tried, by {}",
                    trial.by
                )));
            }
            Some(trial) => trial.clone(),
        };
        if !by.on_record {
            self.record("config.confirm", by, &trial.id)?;
        }
        let kept = self.0.store.keep();
        let unsynced = match kept.map_err(|error| Refusal::Disk(error.to_string()))? {
            Ended::None => {
                drop(state);
                let this = self.clone();
                self.spawn(async move { this.back(&trial, back::UNCONFIRMED).await });
                return Err(Refusal::NotNow(
                    "the trial has ended already: what was before it is no longer kept".into(),
                ));
            }
            Ended::Whole => None,
            Ended::Unsynced(error) => Some(Refusal::Unsure(error.to_string())),
        };
        self.forget_note();
        state.trial = None;
        state.last_change = format!("confirmed by {}", by.name);
        unsynced.map_or(Ok(()), Err)
    }

    /// Runs in the background; the daemon does not leave meanwhile.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.working.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        tokio::spawn(async move {
            work.await;
            this.0.working.fetch_sub(1, Ordering::SeqCst);
            this.used();
        });
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
