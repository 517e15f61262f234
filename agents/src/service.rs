//! The agent on its socket.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aios_proto::identity::{self, Principal};
use aios_proto::manifest::AgentManifest;
use aios_proto::socket;
use aios_proto::v1::agent_server::{Agent as AgentService, AgentServer};
use aios_proto::v1::{AgentInfo, ExecuteRequest, GetAgentRequest, Task, TaskState};
use anyhow::Context;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::config::may_command;
use crate::task;
use crate::work::Worker;

/// How long tasks at hand may take to end after SIGTERM; PID 1 expects the exit within 2 s.
const GRACE: Duration = Duration::from_millis(1500);

/// How callers are told apart.
#[derive(Clone, Debug)]
pub enum Callers {
    /// By the kernel's word: the peer credentials of the socket.
    ByCredentials,
    /// Everyone is this principal; for tests, which run as one uid.
    All(Principal),
}

impl Callers {
    fn identify<T>(&self, request: &Request<T>) -> Result<Principal, Status> {
        match self {
            Self::ByCredentials => identity::caller(request),
            Self::All(principal) => Ok(principal.clone()),
        }
    }
}

/// An agent that can be run.
pub struct Agent {
    socket: PathBuf,
    state: Arc<State>,
}

struct State {
    manifest: AgentManifest,
    worker: Worker,
    callers: Callers,
    tally: Mutex<Tally>,
}

/// What was done since the start.
#[derive(Default)]
struct Tally {
    done: u32,
    failed: u32,
    /// The tasks at hand, by an own number.
    doing: BTreeMap<u64, String>,
    started: u64,
}

impl Agent {
    /// An agent that will listen on `socket`.
    pub fn new(manifest: AgentManifest, socket: PathBuf, worker: Worker, callers: Callers) -> Self {
        let tally = Mutex::default();
        Self {
            socket,
            state: Arc::new(State {
                manifest,
                worker,
                callers,
                tally,
            }),
        }
    }

    /// Serves until SIGTERM.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub async fn run(self) -> anyhow::Result<()> {
        let mut terminate =
            tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        self.serve(async move {
            terminate.recv().await;
        })
        .await
    }

    /// Serves until `stop` is ready.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let name = self.state.manifest.name.clone();
        let incoming = socket::listen(&self.socket)
            .with_context(|| format!("cannot listen on {}", self.socket.display()))?;
        let service = AgentServer::new(Handle(self.state))
            .max_decoding_message_size(socket::MESSAGE_MAX)
            .max_encoding_message_size(socket::MESSAGE_MAX);
        if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
            tracing::warn!("cannot tell the supervisor that agent {name} is ready: {error}");
        }
        tracing::info!("agent {name} listens on {}", self.socket.display());
        let (stopping, stopped) = tokio::sync::oneshot::channel();
        let serving = Server::builder()
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, async move {
                stop.await;
                stopping.send(()).ok(); // Err: serving has ended already
            });
        tokio::select! {
            ended = serving => ended.context("serving ended"),
            () = grace(stopped) => Ok(()), // a task that is cut off is resumed by its call ids
        }
    }
}

/// Ready [`GRACE`] after the stop was asked for.
async fn grace(stopped: tokio::sync::oneshot::Receiver<()>) {
    match stopped.await {
        Ok(()) => tokio::time::sleep(GRACE).await,
        Err(_) => std::future::pending().await,
    }
}

struct Handle(Arc<State>);

impl State {
    fn authorize<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let caller = self.callers.identify(request)?;
        if may_command(&caller) {
            return Ok(());
        }
        Err(Status::permission_denied(format!(
            "{caller} may not give tasks to agent {}; only the orchestrator may",
            self.manifest.name
        )))
    }

    fn tally<T>(&self, change: impl FnOnce(&mut Tally) -> T) -> T {
        change(&mut self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn info(&self) -> AgentInfo {
        self.tally(|tally| AgentInfo {
            name: self.manifest.name.clone(),
            description: self.manifest.description.clone(),
            tools: self.manifest.tools.clone(),
            capabilities: self.manifest.capabilities.clone(),
            tasks_done: tally.done,
            tasks_failed: tally.failed,
            doing: tally.doing.values().cloned().collect::<Vec<_>>().join(", "),
            connected: false,
            pid: std::process::id(),
        })
    }
}

/// A task at hand: leaves the tally when dropped, also when the orchestrator hangs up.
struct AtHand<'a> {
    state: &'a State,
    number: u64,
}

impl<'a> AtHand<'a> {
    fn new(state: &'a State, task: &Task) -> Self {
        let number = state.tally(|tally| {
            tally.started += 1;
            let title = format!("{} for goal {}", task.act, task.goal_id);
            tally.doing.insert(tally.started, title);
            tally.started
        });
        Self { state, number }
    }
}

impl Drop for AtHand<'_> {
    fn drop(&mut self) {
        self.state.tally(|tally| tally.doing.remove(&self.number));
    }
}

#[tonic::async_trait]
impl AgentService for Handle {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<Task>, Status> {
        let state = &*self.0;
        state.authorize(&request)?;
        let request = request.into_inner();
        let reason = request.goal_text.clone();
        let (task, steps, on_behalf_of) = task::accept(&state.manifest, request)?;
        let at_hand = AtHand::new(state, &task);
        let task = state
            .worker
            .carry_out(task, &steps, &reason, &on_behalf_of)
            .await;
        drop(at_hand);
        state.tally(|tally| match task.state() {
            TaskState::Succeeded => tally.done += 1,
            _ => tally.failed += 1,
        });
        tracing::info!(
            "{} for goal {}: {}",
            task.act,
            task.goal_id,
            if task.error.is_empty() {
                &task.summary
            } else {
                &task.error
            }
        );
        Ok(Response::new(task))
    }

    async fn get_agent(
        &self,
        request: Request<GetAgentRequest>,
    ) -> Result<Response<AgentInfo>, Status> {
        self.0.authorize(&request)?;
        Ok(Response::new(self.0.info()))
    }
}
