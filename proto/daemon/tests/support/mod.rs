//! A daemon for the tests: `Emergency`, whose `Stop` takes large messages and some time.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::emergency_server::{Emergency, EmergencyServer};
use aios_contracts::v1::{EmergencyRequest, EmergencyState, GetEmergencyRequest};
use aios_daemon::idle::Activity;
use aios_daemon::serve::{self, Door};
use aios_daemon::{Access, Callers, Who, socket};
use tokio::sync::oneshot;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

/// The largest message to `Stop` and `GetState`, in bytes.
pub const STOP_MAX: usize = 3 * 1024 * 1024;

/// A client with a connection of its own.
pub fn client(path: &Path) -> EmergencyClient<Channel> {
    EmergencyClient::new(socket::channel(path).unwrap())
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Right {
    Look,
    Stop,
}

static ACCESS: Access<Right> = Access::new(
    "Emergency",
    &[
        (Who::Daemon("orchestrator"), &[Right::Look, Right::Stop]),
        (Who::Agents, &[Right::Look]),
    ],
);

struct Service {
    callers: Callers,
    activity: Activity,
    takes: Duration,
}

#[tonic::async_trait]
impl Emergency for Service {
    async fn stop(
        &self,
        request: Request<EmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        ACCESS.admit(&self.callers, &request, Right::Stop, "Stop")?;
        let _busy = self.activity.begin();
        tokio::time::sleep(self.takes).await;
        Ok(Response::new(EmergencyState::default()))
    }

    async fn resume(
        &self,
        request: Request<EmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        ACCESS.admit(&self.callers, &request, Right::Stop, "Resume")?;
        Ok(Response::new(EmergencyState::default()))
    }

    async fn get_state(
        &self,
        request: Request<GetEmergencyRequest>,
    ) -> Result<Response<EmergencyState>, Status> {
        ACCESS.admit(&self.callers, &request, Right::Look, "GetState")?;
        Ok(Response::new(EmergencyState::default()))
    }
}

/// All that the daemon is beside its service.
async fn run(path: &Path, service: Service, end: impl Future<Output = ()>) {
    let door = Door::open(path, &service.callers, &[&ACCESS])
        .unwrap()
        .takes(&ACCESS, Right::Stop, "Stop", STOP_MAX)
        .takes(&ACCESS, Right::Look, "GetState", STOP_MAX)
        .grace(Duration::from_millis(300));
    serve::ready();
    let services = door.server().add_service(EmergencyServer::new(service));
    door.serve(services, end).await.unwrap();
}

/// The daemon, running.
pub struct Running {
    pub folder: tempfile::TempDir,
    pub path: PathBuf,
    pub client: EmergencyClient<Channel>,
    pub activity: Activity,
    pub stop: oneshot::Sender<()>,
    pub ended: tokio::task::JoinHandle<()>,
}

/// Starts it; returns once it listens.
pub async fn start(callers: Callers, takes: Duration) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("emergency.sock");
    let client = client(&path);
    let activity = Activity::default();
    let (stop, stopped) = oneshot::channel();
    let service = Service {
        callers,
        activity: activity.clone(),
        takes,
    };
    let (listening, at) = (path.clone(), Instant::now());
    let ended = tokio::spawn(async move {
        run(&path, service, async { drop(stopped.await) }).await;
    });
    while !listening.exists() && at.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Running {
        folder,
        path: listening,
        client,
        activity,
        stop,
        ended,
    }
}
