//! A whole daemon on the frame, and what the frame promises it: who may call, the end of calls under
//! way, and that no client is refused meanwhile.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;
use std::time::{Duration, Instant};

use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::emergency_server::{Emergency, EmergencyServer};
use aios_contracts::v1::{EmergencyRequest, EmergencyState, GetEmergencyRequest};
use aios_daemon::identity::Principal;
use aios_daemon::idle::Activity;
use aios_daemon::serve::{self, Door};
use aios_daemon::{Access, Callers, Who, socket};
use tokio::sync::oneshot;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};

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
    let door = Door::open(path).unwrap().grace(Duration::from_millis(300));
    serve::ready();
    let services = Server::builder().add_service(EmergencyServer::new(service));
    door.serve(services, end).await.unwrap();
}

struct Running {
    folder: tempfile::TempDir,
    client: EmergencyClient<Channel>,
    activity: Activity,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

async fn start(callers: Callers, takes: Duration) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("emergency.sock");
    let client = EmergencyClient::new(socket::channel(&path).unwrap());
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
        client,
        activity,
        stop,
        ended,
    }
}

fn orchestrator() -> Callers {
    Callers::played(|| Principal::Daemon("orchestrator".into()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_access_table_decides_and_the_kernel_says_who_calls() {
    let agent = Callers::played(|| Principal::Agent("storage".into()));
    let mut running = start(agent, Duration::ZERO).await;
    assert!(
        running
            .client
            .get_state(GetEmergencyRequest {})
            .await
            .is_ok()
    );
    let refused = running.client.stop(EmergencyRequest::default()).await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(
        refused.message(),
        "agent:storage may not call Emergency.Stop"
    );

    // Nobody who runs tests has an account of the table.
    let mut running = start(Callers::by_kernel(), Duration::ZERO).await;
    let refused = running.client.get_state(GetEmergencyRequest {}).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_has_its_time_at_the_end_and_no_more() {
    for (takes, answered) in [(100, true), (10_000, false)] {
        let running = start(orchestrator(), Duration::from_millis(takes)).await;
        let mut client = running.client.clone();
        let call = tokio::spawn(async move { client.stop(EmergencyRequest::default()).await });
        while running.activity.idle() > Duration::ZERO {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let told = Instant::now();
        running.stop.send(()).unwrap();
        running.ended.await.unwrap();
        assert!(told.elapsed() < Duration::from_secs(2), "{takes} ms");
        // Here the process lives on, and with it the connection; a daemon's process ends now.
        let answer = tokio::time::timeout(Duration::from_millis(200), call).await;
        let is_answered = answer.is_ok_and(|answer| answer.unwrap().is_ok());
        assert_eq!(is_answered, answered, "{takes} ms");
        drop(running.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_keeps_a_daemon_from_being_idle() {
    let activity = Activity::default();
    let busy = activity.begin();
    let unused = activity.unused(Duration::from_millis(1));
    let waited = tokio::time::timeout(Duration::from_millis(1500), unused).await;
    assert!(waited.is_err(), "something is under way");
    drop(busy);
    activity.unused(Duration::from_millis(1)).await;
}
