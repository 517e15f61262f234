//! Applying, trying, confirming, going back.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aios_config::{Change, Problem};
use uuid::Uuid;

use super::services::Services;
use super::store::Store;
use super::trial::{self, Trial};

/// The answer leaves through the orchestrator, which may be restarted: it gets this long.
const ANSWER: Duration = Duration::from_millis(300);

/// Between two tries to go back when the disk refused.
const GO_BACK_AGAIN: Duration = Duration::from_secs(1);

/// Why something is not done.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The configuration is wrong.
    #[error("the configuration is not applied: {}", joined(.0))]
    Invalid(Vec<Problem>),
    /// The number of seconds is.
    #[error("a trial takes {} to {} seconds", trial::SECONDS.start(), trial::SECONDS.end())]
    Seconds,
    /// Not now.
    #[error("{0}")]
    NotNow(String),
    /// The disk.
    #[error("nothing was changed: {0}")]
    Disk(String),
}

fn joined(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What a change means.
#[derive(Debug, Default, PartialEq)]
pub struct Effect {
    /// For the services, in order.
    pub changes: Vec<Change>,
}

/// The configuration and who lives by it; cloning is cheap.
#[derive(Clone)]
pub struct Applier(Arc<Inner>);

struct Inner {
    store: Store,
    note: PathBuf,
    services: Arc<dyn Services>,
    state: Mutex<State>,
    working: AtomicUsize,
    /// Changes of services come one after the other.
    changing: tokio::sync::Mutex<()>,
}

struct State {
    trial: Option<Trial>,
    last_change: String,
    used: Instant,
}

impl Applier {
    /// Over this store; `note` outlives a kill of the daemon, not the power.
    pub fn new(store: Store, note: PathBuf, services: Arc<dyn Services>) -> Self {
        Self(Arc::new(Inner {
            store,
            note,
            services,
            state: Mutex::new(State {
                trial: None,
                last_change: String::new(),
                used: Instant::now(),
            }),
            working: AtomicUsize::new(0),
            changing: tokio::sync::Mutex::default(),
        }))
    }

    /// At the start: a trial of a former process goes on, or back when nobody knows until when.
    pub fn recover(&self) {
        if !self.0.store.in_trial() {
            return;
        }
        let unknown = || Trial {
            id: String::new(),
            by: "a former process".into(),
            until_ms: 0,
        };
        let trial = Trial::read(&self.0.note).unwrap_or_else(unknown);
        self.state().trial = Some(trial.clone());
        self.spawn(Self::watch(self.clone(), trial));
    }

    /// How long nobody has needed it.
    pub fn idle(&self) -> Duration {
        let state = self.state();
        match state.trial.is_some() || self.0.working.load(Ordering::SeqCst) > 0 {
            true => Duration::ZERO,
            false => state.used.elapsed(),
        }
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
        let new = aios_config::parse(text).map_err(Refusal::Invalid)?;
        // What is there may have been written by hand; then it is as if it were empty.
        let old = aios_config::parse(&self.current()?).unwrap_or_default();
        Ok(Effect {
            changes: aios_config::changes(&old, &new),
        })
    }

    /// Puts the text in effect, for good or for `seconds`. It is on the disk when this returns;
    /// services follow.
    ///
    /// # Errors
    /// Why not; then nothing is changed.
    pub fn apply(
        &self,
        text: &str,
        seconds: u32,
        by: &str,
        expected: impl Fn(&str) -> bool,
    ) -> Result<(Effect, Option<Trial>), Refusal> {
        if seconds != 0 && !trial::SECONDS.contains(&seconds) {
            return Err(Refusal::Seconds);
        }
        let effect = self.effect(text)?;
        let mut state = self.state();
        if let Some(trial) = &state.trial {
            let left = trial.left_ms(trial::now_ms()) / 1000;
            return Err(Refusal::NotNow(format!(
                "{} tries a configuration: confirm it (aiosctl config confirm), or wait {left} s \
                 until it goes back",
                trial.by
            )));
        }
        if !expected(&self.current()?) {
            return Err(Refusal::NotNow(
                "the configuration was changed meanwhile: look at it, then apply again".into(),
            ));
        }
        let disk = |error: std::io::Error| Refusal::Disk(error.to_string());
        let trial = match seconds {
            0 => {
                self.0.store.replace(text).map_err(disk)?;
                None
            }
            seconds => {
                let trial = Trial {
                    id: Uuid::new_v4().to_string(),
                    by: by.to_owned(),
                    until_ms: trial::now_ms() + u64::from(seconds) * 1000,
                };
                trial.write(&self.0.note).map_err(disk)?;
                self.0.store.replace_for_trial(text).map_err(disk)?;
                Some(trial)
            }
        };
        state.trial.clone_from(&trial);
        state.last_change = format!("applied by {by}");
        drop(state);
        tracing::info!("applied by {by}: {:?}", effect.changes);
        self.spawn(Self::carry_out(
            self.clone(),
            effect.changes.clone(),
            ANSWER,
        ));
        if let Some(trial) = trial.clone() {
            self.spawn(Self::watch(self.clone(), trial));
        }
        Ok((effect, trial))
    }

    /// What is tried stays.
    ///
    /// # Errors
    /// When nothing is tried, or something else.
    pub fn confirm(&self, id: &str, by: &str) -> Result<(), Refusal> {
        let mut state = self.state();
        match &state.trial {
            None => Err(Refusal::NotNow(
                "no configuration is being tried; it went back, or stays already".into(),
            )),
            Some(trial) if !id.is_empty() && trial.id != id => Err(Refusal::NotNow(format!(
                "another configuration is being tried, by {}",
                trial.by
            ))),
            Some(_) => {
                self.0
                    .store
                    .keep()
                    .map_err(|error| Refusal::Disk(error.to_string()))?;
                drop(std::fs::remove_file(&self.0.note)); // a note without a kept file says nothing
                state.trial = None;
                state.last_change = format!("confirmed by {by}");
                Ok(())
            }
        }
    }

    /// Goes back when the trial is over and has not been confirmed.
    async fn watch(self, trial: Trial) {
        let left = Duration::from_millis(trial.left_ms(trial::now_ms()));
        tokio::time::sleep(left).await;
        let changes = loop {
            match self.go_back(&trial) {
                Ok(changes) => break changes,
                Err(error) => {
                    tracing::error!("the configuration cannot go back: {error}; tried again")
                }
            }
            tokio::time::sleep(GO_BACK_AGAIN).await;
        };
        let Some(changes) = changes else { return }; // confirmed
        tracing::warn!(
            "nobody confirmed the configuration that {} tried; it went back",
            trial.by
        );
        self.clone().carry_out(changes, Duration::ZERO).await;
        self.0
            .services
            .record("config.reverted", &trial.by, "nobody confirmed it")
            .await;
    }

    /// What the services have to do now that it went back; `None` when it is no trial any more.
    fn go_back(&self, trial: &Trial) -> std::io::Result<Option<Vec<Change>>> {
        let mut state = self.state();
        if state.trial.as_ref() != Some(trial) {
            return Ok(None);
        }
        let tried = aios_config::parse(&self.0.store.current()?).unwrap_or_default();
        self.0.store.go_back()?;
        drop(std::fs::remove_file(&self.0.note)); // as above
        let old = aios_config::parse(&self.0.store.current()?).unwrap_or_default();
        state.trial = None;
        state.last_change = format!("what {} tried went back: nobody confirmed it", trial.by);
        Ok(Some(aios_config::changes(&tried, &old)))
    }

    async fn carry_out(self, changes: Vec<Change>, pause: Duration) {
        tokio::time::sleep(pause).await;
        let _one_at_a_time = self.0.changing.lock().await;
        for change in changes {
            if let Err(why) = self.0.services.change(change).await {
                let text = format!("{} did not take it up: {why}", change.service());
                tracing::error!("{text}");
                let mut state = self.state();
                state.last_change = format!("{}; {text}", state.last_change);
            }
        }
    }

    /// Runs in the background; the daemon does not leave meanwhile.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.working.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        tokio::spawn(async move {
            work.await;
            this.0.working.fetch_sub(1, Ordering::SeqCst);
            this.used();
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
