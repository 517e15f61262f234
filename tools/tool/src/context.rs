//! What a tool may use while it acts.

use std::any::Any;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_contracts::v1::init_client::InitClient;
use aios_daemon::emergency::Stop;
use aios_role::Role;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tonic::transport::Channel;

use crate::error::ToolError;

/// What all calls share.
#[derive(Clone)]
pub struct Surroundings {
    /// Where the sockets of the other daemons are.
    pub run_dir: PathBuf,
    /// `/var/lib/aios`: the undo store, the quarantine and the ledger are below.
    pub state_dir: PathBuf,
    /// Who owns new files: root.
    pub owner: (u32, u32),
    /// Runs the asynchronous clients of other daemons.
    pub runtime: Handle,
    /// Parts of the daemon that single tools look at, each of its own type: the ledger.
    pub parts: Vec<Arc<dyn Any + Send + Sync>>,
}

/// For whom a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Certificate subject and serial; `root` for root at the machine; empty when nobody is named.
    pub subject: String,
    /// What they may do.
    pub role: Role,
}

/// The surroundings of one act: clients of other daemons, its deadline, who it is.
#[derive(Clone)]
pub struct Context {
    shared: Arc<Surroundings>,
    execution: String,
    deadline: Instant,
    resumed: bool,
    operator: Operator,
    /// The emergency stop, of an act that ends with it.
    stop: Option<watch::Receiver<Option<Stop>>>,
}

impl Context {
    /// A context for the execution of this id, which must end at the deadline.
    pub fn new(shared: Arc<Surroundings>, execution: &str, deadline: Instant) -> Self {
        Self {
            shared,
            execution: execution.to_owned(),
            deadline,
            resumed: false,
            operator: Operator {
                subject: String::new(),
                role: Role::Viewer,
            },
            stop: None,
        }
    }

    /// The same, of a call that is made for this operator.
    pub fn ordered_by(self, operator: Operator) -> Self {
        Self { operator, ..self }
    }

    /// For whom the call is made: nobody, with the least role, unless that was said.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// The same, of an execution that a crash may have left half done.
    pub fn resumed(self) -> Self {
        Self {
            resumed: true,
            ..self
        }
    }

    /// The same, of an act whose time is over as soon as there is a stop.
    pub fn until_stopped(self, stop: watch::Receiver<Option<Stop>>) -> Self {
        Self {
            stop: Some(stop),
            ..self
        }
    }

    /// The same with another deadline.
    pub fn until(self, deadline: Instant) -> Self {
        Self { deadline, ..self }
    }

    /// Was the act begun before, by a process that died in it?
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// The execution's id: names temporary files and the quarantine.
    pub fn execution(&self) -> &str {
        &self.execution
    }

    /// `/var/lib/aios`.
    pub fn state_dir(&self) -> &Path {
        &self.shared.state_dir
    }

    /// The part of the daemon that has this type.
    ///
    /// # Errors
    /// `Unavailable` when the daemon has no such part.
    pub fn part<T: 'static>(&self) -> Result<&T, ToolError> {
        let mut parts = self.shared.parts.iter();
        parts.find_map(|part| part.downcast_ref()).ok_or_else(|| {
            let name = std::any::type_name::<T>();
            ToolError::Unavailable(format!("this daemon has no {name}"))
        })
    }

    /// User and group that own new files.
    pub fn owner(&self) -> (u32, u32) {
        self.shared.owner
    }

    /// Is there an emergency stop that this act is to end with?
    pub fn is_stopped(&self) -> bool {
        self.stop
            .as_ref()
            .is_some_and(|stop| stop.borrow().is_some())
    }

    /// The time that is left: none once there is an emergency stop.
    pub fn remaining(&self) -> Duration {
        if self.is_stopped() {
            return Duration::ZERO;
        }
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Waits on this thread for an asynchronous operation, at most for the time that is left.
    ///
    /// # Errors
    /// `Deadline` when the time is over; what the operation answers otherwise.
    pub fn block_on<T, E: Into<ToolError>>(
        &self,
        operation: impl Future<Output = Result<T, E>>,
    ) -> Result<T, ToolError> {
        let limit = self.remaining();
        let stop = self.stop.clone();
        self.shared.runtime.block_on(async {
            tokio::select! {
                biased;
                () = stopped(stop) => Err(ToolError::Unavailable("given up: emergency stop".into())),
                answer = tokio::time::timeout(limit, operation) => match answer {
                    Ok(answer) => answer.map_err(Into::into),
                    Err(_) => Err(ToolError::Deadline("no answer came in time".into())),
                },
            }
        })
    }

    /// The client of PID 1's control service. Use it inside [`Self::block_on`].
    ///
    /// # Errors
    /// When the socket's path cannot be an address.
    pub fn init(&self) -> Result<InitClient<Channel>, ToolError> {
        self.daemon("init").map(InitClient::new)
    }

    /// A channel to the daemon that listens at the socket of this name. Use it inside
    /// [`Self::block_on`].
    ///
    /// # Errors
    /// When the socket's path cannot be an address.
    pub fn daemon(&self, name: &str) -> Result<Channel, ToolError> {
        let socket = self.shared.run_dir.join(format!("{name}.sock"));
        let _entered = self.shared.runtime.enter(); // the channel spawns its worker
        aios_daemon::socket::channel(&socket)
            .map_err(|error| ToolError::Failed(format!("{}: {error}", socket.display())))
    }
}

/// Ready once there is a stop; never without one to wait for.
async fn stopped(stop: Option<watch::Receiver<Option<Stop>>>) {
    if let Some(mut stop) = stop
        && stop.wait_for(Option::is_some).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// For tests: a context without other daemons, whose state is in this folder.
#[cfg(test)]
pub(crate) fn alone(folder: &Path) -> Context {
    use std::sync::LazyLock;
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
    let surroundings = Surroundings {
        run_dir: folder.to_owned(),
        state_dir: folder.to_owned(),
        owner: (0, 0),
        runtime: RUNTIME.handle().clone(),
        parts: Vec::new(),
    };
    Context::new(
        Arc::new(surroundings),
        "e",
        Instant::now() + Duration::from_secs(20),
    )
}
