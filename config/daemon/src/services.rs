//! What a change asks of the services, through init; and the audit log.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_config::Change;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::{Service, ServiceRequest, ServiceState};
use aios_daemon::socket;
use aios_daemon::unrecorded::{self, Happened};
use rustix::process::{Pid, Signal, kill_process};
use tonic::Code;
use tonic::transport::Channel;

/// How long one service may take to come back; the model runtime loads its models.
const LIMIT: Duration = Duration::from_secs(150);

/// How long init may take to say how a service is.
const FIND_LIMIT: Duration = Duration::from_secs(5);

/// Who says so, in the audit log.
const ACTOR: &str = "config";

/// What is asked; tests answer themselves.
#[tonic::async_trait]
pub trait Services: Send + Sync {
    /// Has a service take the new configuration up.
    ///
    /// # Errors
    /// In words, that it did not.
    async fn change(&self, change: Change) -> Result<(), String>;

    /// Puts on record what nobody else does, without waiting for the audit log: it is kept on the
    /// disk, and `aios-tools` takes it in.
    ///
    /// # Errors
    /// When the disk refuses.
    fn record(&self, kind: &str, subject: &str, detail: &str) -> io::Result<()>;
}

/// Through init's control service.
pub struct InitServices {
    init: InitClient<Channel>,
    state: PathBuf,
}

impl InitServices {
    /// Whose sockets are in the folder `run`; what is to be recorded is kept in `state`.
    ///
    /// # Errors
    /// When the folder's path is no URI.
    pub fn new(run: &Path, state: PathBuf) -> Result<Self, tonic::transport::Error> {
        Ok(Self {
            init: InitClient::new(socket::channel(&run.join("init.sock"))?),
            state,
        })
    }

    async fn find(&self, name: &str) -> Result<Option<Service>, String> {
        let request = ServiceRequest {
            name: name.to_owned(),
        };
        let mut init = self.init.clone();
        match tokio::time::timeout(FIND_LIMIT, init.get_service(request)).await {
            Ok(Ok(service)) => Ok(Some(service.into_inner())),
            Ok(Err(status)) if status.code() == Code::NotFound => Ok(None),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err("init does not answer".to_owned()),
        }
    }
}

/// Has it read the old configuration, by running or by having done what there was to do (without a
/// key there is nothing for `ssh`)? What never ran reads the new one when it starts, and an
/// operator's stop is not undone.
fn runs(service: &Service) -> bool {
    use ServiceState::{Backoff, Degraded, Done, Ready, Starting};
    matches!(
        service.state(),
        Ready | Starting | Backoff | Degraded | Done
    )
}

#[tonic::async_trait]
impl Services for InitServices {
    async fn change(&self, change: Change) -> Result<(), String> {
        let name = change.service().to_owned();
        let Some(service) = self.find(&name).await?.filter(runs) else {
            return Ok(());
        };
        let pid = i32::try_from(service.pid).ok().and_then(Pid::from_raw);
        if let (Change::Reload(_), Some(pid)) = (change, pid) {
            return kill_process(pid, Signal::HUP).map_err(|error| error.to_string());
        }
        let request = ServiceRequest { name };
        match tokio::time::timeout(LIMIT, self.init.clone().restart_service(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err(format!("has not come back within {} s", LIMIT.as_secs())),
        }
    }

    fn record(&self, kind: &str, subject: &str, detail: &str) -> io::Result<()> {
        let happened = Happened::now(ACTOR, kind, subject, detail);
        unrecorded::keep(&self.state, &happened)
    }
}
