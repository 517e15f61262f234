//! All models by name: which are loaded, and the way to ask them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use aios_contracts::v1::ModelState;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::AbortHandle;
use tonic::{Code, Status as Refusal};

use crate::supervise::{self, Job, Message, Spec, Status};
use crate::wire::{Command, Event};
use crate::{Config, catalogue, probe};

/// A test prompt's answer counts for this long; then `Health` asks again.
const TEST_AGE_MAX: Duration = Duration::from_secs(60);

/// A model that was asked for: loading, ready or failed.
struct Slot {
    builtin: bool,
    path: PathBuf,
    status: watch::Receiver<Status>,
    messages: mpsc::UnboundedSender<Message>,
    places: Arc<Semaphore>,
    task: AbortHandle,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.task.abort(); // and with it, its worker
    }
}

/// One line of the list of models.
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// It came with the appliance.
    pub builtin: bool,
    /// How it is; `None` when it is only a file.
    pub status: Option<Status>,
}

/// The models.
pub struct Registry {
    config: Config,
    slots: Mutex<BTreeMap<String, Slot>>,
    next_id: AtomicU64,
}

impl Registry {
    /// Starts to load all built-in models at once.
    pub fn start(config: Config) -> Arc<Self> {
        let registry = Arc::new(Self {
            config,
            slots: Mutex::default(),
            next_id: AtomicU64::new(1),
        });
        for (name, path) in catalogue::scan(&registry.config.builtin_models) {
            let slot = registry.slot(&name, path, true);
            registry.slots().insert(name, slot);
        }
        registry
    }

    fn slots(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a supervisor.
    fn slot(&self, name: &str, path: PathBuf, builtin: bool) -> Slot {
        let (messages, receiver) = mpsc::unbounded_channel();
        let (sender, status) = watch::channel(Status::default());
        let spec = Spec {
            name: name.to_owned(),
            path: path.clone(),
            executable: self.config.executable.clone(),
            settings: self.config.settings.clone(),
        };
        let task = tokio::spawn(supervise::run(spec, receiver, sender)).abort_handle();
        Slot {
            builtin,
            path,
            status,
            messages,
            places: Arc::new(Semaphore::new(self.config.settings.queue as usize)),
            task,
        }
    }

    /// All models, loaded or not, by name.
    pub fn list(&self) -> Vec<Listed> {
        let mut listed: BTreeMap<String, Listed> = catalogue::scan(&self.config.operator_models)
            .into_iter()
            .map(|(name, path)| {
                let file = Listed {
                    name: name.clone(),
                    path,
                    builtin: false,
                    status: None,
                };
                (name, file)
            })
            .collect();
        for (name, slot) in self.slots().iter() {
            let loaded = Listed {
                name: name.clone(),
                path: slot.path.clone(),
                builtin: slot.builtin,
                status: Some(slot.status.borrow().clone()),
            };
            listed.insert(name.clone(), loaded);
        }
        listed.into_values().collect()
    }

    /// Loads a model (again, when it had failed) and waits until it is ready.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, `NOT_FOUND`, or `FAILED_PRECONDITION` with why it cannot be loaded.
    pub async fn load(&self, name: &str) -> Result<Listed, Refusal> {
        if !catalogue::is_name(name) {
            return Err(Refusal::invalid_argument(format!(
                "{name:?} is no model's name"
            )));
        }
        let mut status = self.loading(name)?;
        let settled = |status: &Status| status.state != ModelState::Loading;
        let ended = match status.wait_for(settled).await {
            Ok(status) if status.state == ModelState::Ready => None,
            Ok(status) => Some(status.error.clone()),
            Err(_) => Some("it was unloaded meanwhile".to_owned()),
        };
        match ended {
            Some(error) => Err(Refusal::failed_precondition(format!(
                "the model {name} cannot be loaded: {error}"
            ))),
            None => self
                .list()
                .into_iter()
                .find(|listed| listed.name == name)
                .ok_or_else(|| Refusal::not_found(format!("there is no model {name}"))),
        }
    }

    /// The slot of a model that is loaded or being loaded from now on.
    fn loading(&self, name: &str) -> Result<watch::Receiver<Status>, Refusal> {
        let mut slots = self.slots();
        let (path, builtin) = match slots.get(name) {
            Some(slot) if slot.status.borrow().state != ModelState::Failed => {
                return Ok(slot.status.clone());
            }
            Some(slot) => (slot.path.clone(), slot.builtin),
            None => {
                let files = catalogue::scan(&self.config.operator_models);
                let path = files.get(name).cloned();
                let missing = || Refusal::not_found(format!("there is no model {name}"));
                (path.ok_or_else(missing)?, false)
            }
        };
        let slot = self.slot(name, path, builtin);
        let status = slot.status.clone();
        slots.insert(name.to_owned(), slot);
        Ok(status)
    }

    /// Ends a model's worker and forgets it.
    ///
    /// # Errors
    /// `NOT_FOUND`, or `FAILED_PRECONDITION` for a built-in model.
    pub fn unload(&self, name: &str) -> Result<(), Refusal> {
        let mut slots = self.slots();
        match slots.get(name) {
            None => Err(Refusal::not_found(format!(
                "the model {name} is not loaded"
            ))),
            Some(slot) if slot.builtin => Err(Refusal::failed_precondition(format!(
                "the model {name} is built in; the appliance needs it"
            ))),
            Some(_) => {
                slots.remove(name);
                Ok(())
            }
        }
    }

    /// Asks a model. While it is loading, the request waits for it.
    ///
    /// # Errors
    /// `NOT_FOUND`, `UNAVAILABLE` when it failed, `RESOURCE_EXHAUSTED` when its queue is full.
    pub fn ask(&self, name: &str, command: Command) -> Result<Call, Refusal> {
        let slots = self.slots();
        let slot = slots
            .get(name)
            .ok_or_else(|| Refusal::not_found(format!("the model {name:?} is not loaded")))?;
        let permit = Arc::clone(&slot.places).try_acquire_owned().map_err(|_| {
            let queue = self.config.settings.queue;
            Refusal::resource_exhausted(format!("{queue} requests wait for the model {name}"))
        })?;
        let (reply, answers) = mpsc::unbounded_channel();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            id,
            command,
            reply,
            permit,
        };
        if slot.messages.send(Message::Job(job)).is_err() {
            let error = slot.status.borrow().error.clone();
            return Err(Refusal::unavailable(format!(
                "the model {name} failed: {error}"
            )));
        }
        Ok(Call {
            id,
            model: name.to_owned(),
            answers,
            messages: slot.messages.clone(),
            finished: false,
        })
    }

    /// Waits until the models that the appliance needs have answered their test prompts.
    ///
    /// # Errors
    /// Which one is missing or failed, and why.
    pub async fn ready(&self) -> Result<(), String> {
        for name in self.needed() {
            let status = self.slots().get(&name).map(|slot| slot.status.clone());
            let mut status = status.ok_or_else(|| format!("the model {name} is missing"))?;
            let settled = |status: &Status| status.state != ModelState::Loading;
            match status.wait_for(settled).await {
                Ok(status) if status.state == ModelState::Ready => {}
                Ok(status) => return Err(format!("the model {name} failed: {}", status.error)),
                Err(_) => return Err(format!("the model {name} has no supervisor")),
            }
        }
        Ok(())
    }

    /// Built-in models, and those that must be there.
    fn needed(&self) -> Vec<String> {
        let mut names = self.config.settings.required.clone();
        let slots = self.slots();
        let builtin = slots.iter().filter(|(_, slot)| slot.builtin);
        names.extend(builtin.map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
        names
    }

    /// Are all needed models ready, and did each answer its test prompt lately?
    ///
    /// # Errors
    /// The first that is not, and why.
    pub async fn health(&self) -> Result<String, String> {
        let needed = self.needed();
        for name in &needed {
            let (status, path) = {
                let slots = self.slots();
                let slot = slots
                    .get(name)
                    .ok_or(format!("the model {name} is missing"))?;
                (slot.status.borrow().clone(), slot.path.clone())
            };
            match status.state {
                ModelState::Ready => {}
                ModelState::Loading => return Err(format!("the model {name} is loading")),
                _ => return Err(format!("the model {name} failed: {}", status.error)),
            }
            if status.tested.is_some_and(|at| at.elapsed() > TEST_AGE_MAX)
                && let Some(test) = probe::beside(&path)?
            {
                let event = self.test(name, test.command()).await?;
                test.judge(&event, path.parent().unwrap_or(&path))?;
            }
        }
        Ok(format!("ready: {}", needed.join(", ")))
    }

    async fn test(&self, name: &str, command: Command) -> Result<Event, String> {
        let text = |refusal: Refusal| format!("the model {name}: {}", refusal.message());
        let mut call = self.ask(name, command).map_err(text)?;
        call.answer().await.map_err(text)
    }
}

/// A request in flight. Dropping it gives it up.
pub struct Call {
    id: u64,
    model: String,
    answers: mpsc::UnboundedReceiver<Event>,
    messages: mpsc::UnboundedSender<Message>,
    finished: bool,
}

impl Call {
    /// The next answer; `None` after the last.
    ///
    /// # Errors
    /// What the worker said, or `UNAVAILABLE` when it was lost.
    pub fn poll_answer(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, Refusal>>> {
        if self.finished {
            return Poll::Ready(None);
        }
        self.answers.poll_recv(context).map(|event| {
            self.finished = event.as_ref().is_none_or(Event::is_last);
            Some(match event {
                Some(Event::Failed(failure)) => {
                    Err(Refusal::new(Code::from_i32(failure.code), failure.message))
                }
                Some(event) => Ok(event),
                None => Err(Refusal::unavailable(format!(
                    "the worker of the model {} was lost",
                    self.model
                ))),
            })
        })
    }

    /// The next answer, of which there must be one.
    ///
    /// # Errors
    /// As [`Call::poll_answer`].
    pub async fn answer(&mut self) -> Result<Event, Refusal> {
        let next = std::future::poll_fn(|context| self.poll_answer(context)).await;
        next.unwrap_or_else(|| Err(Refusal::internal("the request was answered already")))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.finished {
            drop(self.messages.send(Message::Cancel(self.id))); // Err: no worker, nothing to cancel
        }
    }
}
