//! The agent on its socket.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use aios_contracts::v1::agent_server::{Agent as AgentService, AgentServer};
use aios_contracts::v1::{AgentInfo, ExecuteRequest, GetAgentRequest, Task, TaskState};
use aios_daemon::manifest::AgentManifest;
use aios_daemon::serve::{self, Door, ServeError};
use aios_daemon::{Access, Callers, Who, socket};
use tonic::{Request, Response, Status};

use crate::task;
use crate::work::Worker;

/// Who may give tasks: the orchestrator, and root for recovery.
pub static ACCESS: Access<()> = Access::new(
    "Agent",
    &[(Who::Root, &[()]), (Who::Daemon("orchestrator"), &[()])],
);

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
    pub async fn run(self) -> Result<(), ServeError> {
        self.serve(serve::terminated()?).await
    }

    /// Serves until `stop` is ready. A task that is cut off then is resumed by its call ids.
    ///
    /// # Errors
    /// When the socket cannot be listened on.
    pub async fn serve(self, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
        let door = Door::open(&self.socket, &self.state.callers, &[&ACCESS])?.takes(
            &ACCESS,
            (),
            "Execute",
            socket::MESSAGE_MAX,
        );
        let service = AgentServer::new(Handle(self.state))
            .max_decoding_message_size(socket::MESSAGE_MAX)
            .max_encoding_message_size(socket::MESSAGE_MAX);
        serve::ready();
        let services = door.server().add_service(service);
        door.serve(services, stop).await
    }
}

struct Handle(Arc<State>);

impl State {
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
        ACCESS.admit(&state.callers, &request, (), "Execute")?;
        let (task, steps) = task::accept(&state.manifest, request.into_inner())?;
        let at_hand = AtHand::new(state, &task);
        let task = state.worker.carry_out(task, &steps).await;
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
        ACCESS.admit(&self.0.callers, &request, (), "GetAgent")?;
        Ok(Response::new(self.0.info()))
    }
}
