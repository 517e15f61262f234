//! The emergency stop: agents, goals and tools at once, and until an admin resumes.
//!
//! Goals are suspended, not ended: whoever stops in a hurry has not decided what becomes of them. They
//! go on at the resume, with the same call ids, as after a crash; or they are cancelled, one by one
//! meanwhile or all with the resume. Everything else stays possible (manual mode): reading, undo,
//! services, configuration, power. Tool calls are goals and are refused with them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::{EmergencyRequest, EmergencyState, GetEmergencyRequest};
use aios_daemon::emergency::{self, Stop};
use aios_daemon::retry;
use tokio::sync::watch;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::agents::Agents;
use crate::record::{Kind, Recorder};
use aios_files::clock::now_ms;

/// How long each part may take to stop before the answer goes without it.
const PART: Duration = Duration::from_secs(6);

/// Between two tries to tell `aios-tools` of a stop that it does not know.
const TELL_AGAIN: Duration = Duration::from_secs(1);

/// How long agents may take to come back at a resume.
const AGENTS_BACK: Duration = Duration::from_secs(90);

/// The parts that are stopped.
pub struct Parts {
    /// Our file; `aios-tools` has its own.
    pub file: PathBuf,
    /// A copy for the console's status page, gone with the power.
    pub shown: PathBuf,
    /// Where calls are refused.
    pub tools: EmergencyClient<Channel>,
    /// Who is stopped.
    pub agents: Arc<Agents>,
    /// What goes on record when `aios-tools` is away.
    pub recorder: Recorder,
}

/// Is it stopped, and stopping it; cloning is cheap.
#[derive(Clone)]
pub struct Emergency(Arc<Inner>);

struct Inner {
    parts: Parts,
    state: watch::Sender<Option<Stop>>,
    changing: tokio::sync::Mutex<()>,
}

impl Emergency {
    /// As the file says.
    pub fn open(parts: Parts) -> Self {
        let state = watch::Sender::new(emergency::open(&parts.file));
        let this = Self(Arc::new(Inner {
            parts,
            state,
            changing: tokio::sync::Mutex::default(),
        }));
        this.show();
        this
    }

    /// Who stopped it, while it is stopped.
    pub fn stopped(&self) -> Option<Stop> {
        self.0.state.borrow().clone()
    }

    /// Ready once it is stopped.
    pub async fn happens(&self) {
        // Err cannot be: the sender lives as long as this.
        drop(self.0.state.subscribe().wait_for(Option::is_some).await);
    }

    /// Ready once it is not stopped.
    pub async fn ends(&self) {
        drop(self.0.state.subscribe().wait_for(Option::is_none).await);
    }

    /// What is refused meanwhile.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION`, saying who stopped it and what to do.
    pub fn check(&self) -> Result<(), Status> {
        match self.stopped() {
            None => Ok(()),
            Some(stop) => Err(Status::failed_precondition(format!(
                "manual mode: {stop}; an admin ends it with `aiosctl emergency resume`"
            ))),
        }
    }

    /// Stops everything at once. Whatever does not go as it should is a remark: a stop never fails.
    pub async fn stop(&self, by: &str, reason: &str) -> EmergencyState {
        let stop = self.stopped().unwrap_or_else(|| Stop {
            by: by.to_owned(),
            reason: reason.to_owned(),
            since_ms: now_ms(),
        });
        self.0.state.send_replace(Some(stop.clone())); // goals are suspended from here on
        tracing::warn!("{stop}");
        let _one_at_a_time = self.0.changing.lock().await;
        // Again: a resume that was under way may have ended between.
        self.0.state.send_replace(Some(stop.clone()));
        let (written, told, agents) = tokio::join!(
            self.write(&stop),
            self.tell(&stop),
            self.0.parts.agents.kill(PART)
        );
        self.show();
        let mut remarks = agents;
        if let Err(error) = written {
            remarks.push(format!(
                "the stop does not outlive a restart of the orchestrator: {error}"
            ));
        }
        match told {
            Ok(state) => remarks.extend(state.remarks),
            Err(status) => {
                let why = status.message();
                remarks.push(format!(
                    "aios-tools does not know of it yet: {why}; it is told again"
                ));
                self.0
                    .parts
                    .recorder
                    .note(Kind::EmergencyStop, &stop.by, &stop.reason, "");
                tokio::spawn(self.clone().tell_until_known());
            }
        }
        self.state(remarks)
    }

    /// Ends the stop: first where calls are refused, which puts it on record, then here.
    ///
    /// # Errors
    /// `UNAVAILABLE`: it stays stopped, and why.
    pub async fn resume(&self, by: &str, reason: &str) -> Result<EmergencyState, Status> {
        let _one_at_a_time = self.0.changing.lock().await;
        if self.stopped().is_none() {
            return Ok(self.state(Vec::new()));
        }
        let request = EmergencyRequest {
            reason: reason.to_owned(),
            on_behalf_of: by.to_owned(),
            ..EmergencyRequest::default()
        };
        let still = |why: &str| Status::unavailable(format!("still stopped: {why}"));
        let mut tools = self.0.parts.tools.clone();
        match tokio::time::timeout(PART, tools.resume(request)).await {
            Ok(Ok(_)) => {}
            Ok(Err(status)) => return Err(still(status.message())),
            Err(_) => return Err(still("aios-tools does not answer")),
        }
        emergency::remove(&self.0.parts.file).map_err(|error| still(&error.to_string()))?;
        self.0.state.send_replace(None);
        self.show();
        tracing::warn!("resumed by {by}: {reason}");
        let agents = self.0.parts.agents.clone();
        let this = self.clone();
        tokio::spawn(async move {
            let end = tokio::time::Instant::now() + AGENTS_BACK;
            tokio::select! {
                _ = agents.start(end) => {}
                () = this.happens() => {}
            }
        });
        Ok(self.state(Vec::new()))
    }

    /// At the start: a stop that only one of the two knows holds for both.
    pub async fn agree(&self, patience: Duration) {
        if self.stopped().is_some() {
            self.tell_patiently(patience).await;
            return;
        }
        let asked = retry::persistently(patience, || {
            let mut tools = self.0.parts.tools.clone();
            async move { tools.get_state(GetEmergencyRequest {}).await }
        });
        match asked.await.map(Response::into_inner) {
            Ok(theirs) if theirs.stopped && self.stopped().is_none() => {
                self.stop(&theirs.by, &theirs.reason).await;
            }
            Ok(_) => {}
            Err(status) => tracing::warn!(
                "aios-tools does not say if there is a stop: {}",
                status.message()
            ),
        }
    }

    /// As it is now.
    pub fn state(&self, remarks: Vec<String>) -> EmergencyState {
        let stop = self.stopped();
        let stopped = stop.is_some();
        let (by, reason, since_ms) = stop.map_or_else(Default::default, |stop| {
            (stop.by, stop.reason, stop.since_ms)
        });
        EmergencyState {
            stopped,
            by,
            reason,
            since_ms,
            remarks,
            ..EmergencyState::default()
        }
    }

    async fn tell(&self, stop: &Stop) -> Result<EmergencyState, Status> {
        let request = EmergencyRequest {
            reason: stop.reason.clone(),
            on_behalf_of: stop.by.clone(),
            since_ms: stop.since_ms,
            ..EmergencyRequest::default()
        };
        let mut tools = self.0.parts.tools.clone();
        match tokio::time::timeout(PART, tools.stop(request)).await {
            Ok(answer) => answer.map(Response::into_inner),
            Err(_) => Err(Status::unavailable("no answer")),
        }
    }

    async fn tell_patiently(&self, patience: Duration) {
        if tokio::time::timeout(patience, self.clone().tell_until_known())
            .await
            .is_err()
        {
            tokio::spawn(self.clone().tell_until_known());
        }
    }

    async fn tell_until_known(self) {
        loop {
            // A resume that comes between would be undone there.
            let one_at_a_time = self.0.changing.lock().await;
            let Some(stop) = self.stopped() else { return };
            match self.tell(&stop).await {
                Ok(_) => return,
                Err(status) => {
                    tracing::warn!("aios-tools does not know of the stop: {}", status.message())
                }
            }
            drop(one_at_a_time);
            tokio::time::sleep(TELL_AGAIN).await;
        }
    }

    /// Off this thread, which serves everybody: a disk may hang.
    async fn write(&self, stop: &Stop) -> Result<(), String> {
        let (file, stop) = (self.0.parts.file.clone(), stop.clone());
        let writing = tokio::task::spawn_blocking(move || emergency::write(&file, &stop));
        match tokio::time::timeout(PART, writing).await {
            Ok(Ok(written)) => written.map_err(|error| error.to_string()),
            Ok(Err(crashed)) => Err(crashed.to_string()),
            Err(_) => Err("the disk does not answer".into()),
        }
    }

    fn show(&self) {
        let shown = &self.0.parts.shown;
        let done = match self.stopped() {
            Some(stop) => std::fs::write(shown, format!("{stop}\n")),
            None => match std::fs::remove_file(shown) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
                done => done,
            },
        };
        if let Err(error) = done {
            tracing::warn!("{}: {error}", shown.display());
        }
    }
}
