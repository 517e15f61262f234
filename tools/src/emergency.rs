//! The emergency stop, where it holds whoever else fails: no call of an agent is begun, and those
//! under way are given up.
//!
//! A thread cannot be ended from outside, so acts are asked to end: their time is over at once, and
//! whatever waits for another daemon waits no more. What has not ended within [`PATIENCE`] ends with
//! the process, which PID 1 starts again. An act that was given up stays open: when it is asked for
//! again after the resume, its effect is looked for first, as after a crash.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use aios_contracts::v1::emergency_server::Emergency as EmergencyService;
use aios_contracts::v1::{EmergencyRequest, EmergencyState, GetEmergencyRequest};
use aios_daemon::emergency::{self, Stop};
use aios_daemon::identity::Principal;
use aios_daemon::{Access, Callers, Who};
use aios_ledger::Entry;
use tokio::sync::{Mutex, watch};
use tonic::{Request, Response, Status};

use crate::pipeline::{self, Pipeline};
use aios_tool::error::ToolError;

/// How long acts may take to end by themselves: half of the second in which all must be over.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// How often it is looked whether they have ended.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// How long the disk may then take before the process ends with them.
const DISK: Duration = Duration::from_millis(300);

/// Time for the answer to leave before the process ends.
const ANSWER: Duration = Duration::from_millis(50);

/// Is it stopped, and by whom? A stop holds at once, and is on the disk before it is answered.
#[derive(Debug)]
pub struct Emergency {
    path: PathBuf,
    state: watch::Sender<Option<Stop>>,
    /// How many stops were ordered; changed with the state.
    orders: AtomicU64,
    /// Held while the file is changed, by whatever does that.
    file: Arc<Mutex<()>>,
}

impl Emergency {
    /// As the file says.
    pub fn open(path: PathBuf) -> Self {
        let state = watch::Sender::new(emergency::open(&path));
        Self {
            path,
            state,
            orders: AtomicU64::new(0),
            file: Arc::default(),
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

    /// Stops at once: who stopped it, and whether it was not stopped before. The file comes after
    /// the effect here: a disk that hangs must not keep an agent going.
    fn stop(&self, stop: Stop) -> (Stop, bool) {
        let (mut by, mut new) = (stop, false);
        self.state.send_modify(|state| {
            self.orders.fetch_add(1, Ordering::SeqCst);
            new = state.is_none();
            by = state.get_or_insert_with(|| by.clone()).clone();
        });
        (by, new)
    }

    /// Changes the file, one change at a time and away from the thread that serves everybody: a
    /// disk may hang.
    ///
    /// # Errors
    /// The change's own.
    pub async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let one_at_a_time = Arc::clone(&self.file).lock_owned().await;
        let path = self.path.clone();
        let changing = tokio::task::spawn_blocking(move || {
            let changed = change(&path);
            drop(one_at_a_time); // not before, although nobody may wait any more
            changed
        });
        changing.await.map_err(io::Error::other)?
    }

    /// Keeps the stop over a restart. It is on the disk when this returns.
    async fn keep(&self, stop: Stop) -> io::Result<()> {
        self.change(move |path| emergency::write(path, &stop)).await
    }

    /// Ends the stop unless another was ordered since there were this many.
    async fn resume(self: Arc<Self>, orders: u64) -> io::Result<()> {
        let this = Arc::clone(&self);
        let again = || io::Error::other("it was stopped again");
        let resumed = self.change(move |path| {
            if this.orders.load(Ordering::SeqCst) != orders {
                return Err(again());
            }
            emergency::remove(path)?;
            let resumed = this.state.send_if_modified(|state| {
                let still = this.orders.load(Ordering::SeqCst) == orders;
                if still {
                    *state = None;
                }
                still
            });
            // Else the file is about to be written anew.
            resumed.then_some(()).ok_or_else(again)
        });
        resumed.await
    }
}

/// What an agent is told.
pub fn refusal(stop: &Stop) -> ToolError {
    ToolError::Precondition(format!(
        "{stop}; agents do nothing until an admin runs `aiosctl emergency resume`"
    ))
}

/// Who may stop the agents and let them go on: the orchestrator for operators, and root.
pub static ACCESS: Access<()> = Access::new(
    "Emergency",
    &[(Who::Root, &[()]), (Who::Daemon("orchestrator"), &[()])],
);

/// The service beside `Tools`.
#[derive(Clone)]
pub struct Service {
    pipeline: Arc<Pipeline>,
    callers: Callers,
    /// Called when acts did not end: ends the process.
    abort: Arc<dyn Fn() + Send + Sync>,
}

impl Service {
    /// The service of a pipeline; `abort` ends the process.
    pub fn new(
        pipeline: Arc<Pipeline>,
        callers: Callers,
        abort: Arc<dyn Fn() + Send + Sync>,
    ) -> Self {
        Self {
            pipeline,
            callers,
            abort,
        }
    }

    fn caller<T>(&self, request: &Request<T>, method: &str) -> Result<Principal, Status> {
        ACCESS.admit(&self.callers, request, (), method)
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

    /// Ends the process, once the answer has left.
    fn end_soon(&self) {
        let abort = Arc::clone(&self.abort);
        tokio::spawn(async move {
            tokio::time::sleep(ANSWER).await;
            abort();
        });
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
        let caller = self.caller(&request, "Stop")?;
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
        let emergency = Arc::clone(self.pipeline.emergency());
        let (stop, new) = emergency.stop(stop);
        let keeping = tokio::spawn(async move { emergency.keep(stop).await });
        let left = self.quiet(began).await;
        let written = match left {
            0 => keeping.await,
            _ => {
                let kept = tokio::time::timeout(DISK, keeping).await;
                self.end_soon();
                // No answer is none of success: whoever asked asks the next process again.
                let late = |_| Status::unavailable("acts and the disk hang; aios-tools restarts");
                kept.map_err(late)?
            }
        };
        let mut remarks = Vec::new();
        if let Err(error) = written.map_err(io::Error::other).flatten() {
            remarks.push(format!(
                "the stop does not outlive a restart of aios-tools: {error}"
            ));
        }
        if left > 0 {
            let text = format!("{left} calls did not end by themselves; aios-tools was restarted");
            tracing::error!("{text}");
            remarks.push(text);
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
        let caller = self.caller(&request, "Resume")?;
        let request = request.into_inner();
        let emergency = Arc::clone(self.pipeline.emergency());
        let orders = emergency.orders.load(Ordering::SeqCst);
        if emergency.stopped().is_some() {
            // Before it has an effect: with a broken ledger everything stays stopped.
            self.record(&caller, "emergency.resume", &request).await?;
            emergency
                .resume(orders)
                .await
                .map_err(|error| Status::unavailable(format!("still stopped: {error}")))?;
        }
        Ok(self.state(Vec::new()))
    }

    async fn get_state(
        &self,
        request: Request<GetEmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        self.caller(&request, "GetState")?;
        Ok(self.state(Vec::new()))
    }
}
