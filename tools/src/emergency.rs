//! The emergency stop, where it holds whoever else fails: no call of an agent is begun, and those
//! under way are given up.
//!
//! A thread cannot be ended from outside, so acts are asked to end: their time is over at once, and
//! whatever waits for another daemon waits no more. What has not ended within [`PATIENCE`] ends with
//! the process, which PID 1 starts again. An act that was given up stays open: when it is asked for
//! again after the resume, its effect is looked for first, as after a crash.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aios_ledger::Entry;
use aios_proto::emergency::{self, Stop};
use aios_proto::identity::Principal;
use aios_proto::v1::emergency_server::Emergency as EmergencyService;
use aios_proto::v1::{EmergencyRequest, EmergencyState, GetEmergencyRequest};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::error::ToolError;
use crate::grpc::Identify;
use crate::pipeline::{self, Pipeline};

/// How long acts may take to end by themselves: half of the second in which all must be over.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Time for the answer to leave before the process ends.
const ANSWER: Duration = Duration::from_millis(50);

/// Is it stopped, and by whom? On the disk before anything is told.
#[derive(Debug)]
pub struct Emergency {
    path: PathBuf,
    state: watch::Sender<Option<Stop>>,
    changing: Mutex<()>,
}

impl Emergency {
    /// As the file says.
    pub fn open(path: PathBuf) -> Self {
        let state = watch::Sender::new(emergency::read(&path));
        Self {
            path,
            state,
            changing: Mutex::default(),
        }
    }

    /// Who stopped it, while it is stopped.
    pub fn stopped(&self) -> Option<Stop> {
        self.state.borrow().clone()
    }

    /// Tells who waits as soon as it is stopped.
    pub fn subscribe(&self) -> watch::Receiver<Option<Stop>> {
        self.state.subscribe()
    }

    /// May this caller have something done? Only agents are stopped: root is a person.
    ///
    /// # Errors
    /// `Precondition`, saying who stopped it and what to do.
    pub fn check(&self, caller: &Principal) -> Result<(), ToolError> {
        match (caller, self.stopped()) {
            (Principal::Agent(_), Some(stop)) => Err(refusal(&stop)),
            _ => Ok(()),
        }
    }

    /// Stops; true when it was not stopped before. The file comes after the effect here: a disk that
    /// hangs must not keep an agent going. `Err`: stopped, but not over a restart.
    fn stop(&self, stop: Stop) -> (bool, std::io::Result<()>) {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.stopped();
        let new = known.is_none();
        let stop = known.unwrap_or(stop);
        self.state.send_replace(Some(stop.clone()));
        (new, emergency::write(&self.path, &stop))
    }

    fn resume(&self) -> std::io::Result<()> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        emergency::remove(&self.path)?;
        self.state.send_replace(None);
        Ok(())
    }
}

/// What an agent is told.
pub fn refusal(stop: &Stop) -> ToolError {
    ToolError::Precondition(format!(
        "{stop}; agents do nothing until an admin runs `aiosctl emergency resume`"
    ))
}

/// The service beside `Tools`.
#[derive(Clone)]
pub struct Service {
    pipeline: Arc<Pipeline>,
    identify: Identify,
    /// Called when acts did not end: ends the process.
    abort: Arc<dyn Fn() + Send + Sync>,
}

impl Service {
    /// The service of a pipeline; `abort` ends the process.
    pub fn new(
        pipeline: Arc<Pipeline>,
        identify: Identify,
        abort: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            pipeline,
            identify,
            abort,
        }
    }

    fn caller<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        let caller = (self.identify)(request.extensions())?;
        match caller == Principal::Root || caller.is_daemon("orchestrator") {
            true => Ok(caller),
            false => Err(Status::permission_denied(format!(
                "{caller} may not use Emergency; only the orchestrator and root may"
            ))),
        }
    }

    /// Puts it on record.
    async fn record(
        &self,
        caller: &Principal,
        kind: &str,
        request: &EmergencyRequest,
    ) -> Result<u64, Status> {
        let record = Entry {
            time_ms: pipeline::now_ms(),
            kind: "record".to_owned(),
            actor: caller.to_string(),
            tool: kind.to_owned(),
            on_behalf_of: pipeline::cut(&request.on_behalf_of, 1024),
            reason: pipeline::cut(&request.reason, 4096),
            ..Entry::default()
        };
        let pipeline = Arc::clone(&self.pipeline);
        tokio::task::spawn_blocking(move || pipeline.append(&record))
            .await
            .map_err(|error| Status::internal(error.to_string()))?
            .map_err(Status::from)
    }

    /// Waits until no call of an agent is under way; how many are left when the patience ends.
    async fn quiet(&self, since: Instant) -> usize {
        loop {
            let left = self.pipeline.agents_under_way();
            if left == 0 || since.elapsed() >= PATIENCE {
                return left;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn state(&self, remarks: Vec<String>) -> Response<EmergencyState> {
        let stop = self.pipeline.emergency().stopped();
        let stopped = stop.is_some();
        let (by, reason, since_ms) = stop.map_or_else(Default::default, |stop| {
            (stop.by, stop.reason, stop.since_ms)
        });
        Response::new(EmergencyState {
            stopped,
            by,
            reason,
            since_ms,
            remarks,
            ..EmergencyState::default()
        })
    }
}

#[tonic::async_trait]
impl EmergencyService for Service {
    async fn stop(
        &self,
        request: Request<EmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        let began = Instant::now();
        let caller = self.caller(&request)?;
        let request = request.into_inner();
        let stop = Stop {
            by: match request.on_behalf_of.as_str() {
                "" => caller.to_string(),
                name => pipeline::cut(name, 1024),
            },
            reason: pipeline::cut(&request.reason, 4096),
            since_ms: match request.since_ms {
                0 => pipeline::now_ms(),
                since => since,
            },
        };
        let (new, written) = self.pipeline.emergency().stop(stop);
        let mut remarks = Vec::new();
        if let Err(error) = written {
            remarks.push(format!(
                "the stop does not outlive a restart of aios-tools: {error}"
            ));
        }
        let left = self.quiet(began).await;
        if left > 0 {
            let text = format!("{left} calls did not end by themselves; aios-tools was restarted");
            tracing::error!("{text}");
            remarks.push(text);
            let abort = Arc::clone(&self.abort);
            tokio::spawn(async move {
                tokio::time::sleep(ANSWER).await;
                abort();
            });
        }
        if new && let Err(status) = self.record(&caller, "emergency.stop", &request).await {
            remarks.push(format!("the stop is not on record: {}", status.message()));
        }
        Ok(self.state(remarks))
    }

    async fn resume(
        &self,
        request: Request<EmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        let caller = self.caller(&request)?;
        let request = request.into_inner();
        if self.pipeline.emergency().stopped().is_some() {
            // Before it has an effect: with a broken ledger everything stays stopped.
            self.record(&caller, "emergency.resume", &request).await?;
            self.pipeline
                .emergency()
                .resume()
                .map_err(|error| Status::unavailable(format!("still stopped: {error}")))?;
        }
        Ok(self.state(Vec::new()))
    }

    async fn get_state(
        &self,
        request: Request<GetEmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        self.caller(&request)?;
        Ok(self.state(Vec::new()))
    }
}
