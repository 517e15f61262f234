//! The `Init` service: each call is one or a few questions to PID 1.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1;
use aios_contracts::v1::init_server::Init;
use aios_daemon::Callers;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::access::{ACCESS, Deed};
use super::link::Link;
use super::logs;
use aios_service::supervise::State;
use aios_service::wire::{self, Reply, STATES, ServiceRecord};
use aios_service::{conditions, places};

/// How often a service is looked at while its new state is waited for.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Beyond what its manifest allows, a start or stop is waited for this long.
const GRACE: Duration = Duration::from_secs(3);
/// More services or events than this are not asked for.
const LIST_MAX: u16 = 1024;

/// The gRPC service.
pub struct InitService {
    link: Arc<Link>,
    callers: Callers,
    readers: logs::Readers,
}

/// Where an order is to lead.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    Up,
    Down,
}

impl InitService {
    /// Asks PID 1 over `link`, for the callers that the access table allows.
    pub fn new(link: Arc<Link>, callers: Callers) -> Self {
        Self {
            link,
            callers,
            readers: logs::Readers::default(),
        }
    }

    pub(super) async fn ask(&self, request: wire::Request) -> Result<Reply, Status> {
        let lost = |error: io::Error| Status::unavailable(format!("PID 1: {error}"));
        self.link.ask(&request).await.map_err(lost)
    }

    pub(super) async fn ask_for(&self, name: &str) -> Result<Option<ServiceRecord>, Status> {
        match self.ask(wire::Request::Find(name.to_owned())).await? {
            Reply::Service(record) => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    pub(super) async fn find(&self, name: &str) -> Result<ServiceRecord, Status> {
        let unknown = || Status::not_found(format!("there is no service {name:?}"));
        self.ask_for(name).await?.ok_or_else(unknown)
    }

    /// Gives an order and waits for what comes of it.
    async fn order(
        &self,
        name: &str,
        order: wire::Request,
        aim: Aim,
    ) -> Result<v1::Service, Status> {
        let record = self.find(name).await?;
        match self.ask(order).await? {
            Reply::Accepted => {}
            Reply::Refused(why) => return Err(Status::failed_precondition(why)),
            _ => return Err(Status::not_found(format!("there is no service {name:?}"))),
        }
        let patience = Duration::from_millis(record.patience) + GRACE;
        let settled = tokio::time::timeout(patience, self.settled(name, aim)).await;
        settled.unwrap_or_else(|_| {
            let text = format!("{name} has not settled after {} s", patience.as_secs());
            Err(Status::deadline_exceeded(text))
        })
    }

    async fn settled(&self, name: &str, aim: Aim) -> Result<v1::Service, Status> {
        loop {
            let record = self.find(name).await?;
            match (aim, state(&record)) {
                (Aim::Up, State::Ready | State::Done) | (Aim::Down, State::Inactive) => {
                    return Ok(to_wire(record));
                }
                (Aim::Up, State::Degraded | State::Inactive) => {
                    let text = format!("{name} does not stay up: {}", record.last_exit);
                    return Err(Status::aborted(text));
                }
                // Its start has failed, whatever becomes of the next: its Restart= holds.
                (Aim::Up, State::Backoff) if record.unit => {
                    let text = format!("{name} does not start: {}", record.last_exit);
                    return Err(Status::aborted(format!("{text}; it is tried again")));
                }
                _ => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Every service that PID 1 knows.
    pub(super) async fn all(&self) -> Result<Vec<ServiceRecord>, Status> {
        let mut all = Vec::new();
        for place in 0..LIST_MAX {
            match self.ask(wire::Request::At(place)).await? {
                Reply::Service(record) => all.push(record),
                _ => break,
            }
        }
        Ok(all)
    }

    async fn boot_events(&self) -> Result<Vec<v1::BootEvent>, Status> {
        let mut events = Vec::new();
        for place in 0..LIST_MAX {
            match self.ask(wire::Request::BootEvent(place)).await? {
                Reply::BootEvent { at, text } => events.push(v1::BootEvent { at_ms: at, text }),
                _ => break,
            }
        }
        Ok(events)
    }
}

#[tonic::async_trait]
impl Init for InitService {
    type LogsStream = Pin<Box<dyn Stream<Item = Result<v1::LogLine, Status>> + Send>>;

    async fn list_services(
        &self,
        request: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        ACCESS.admit(&self.callers, &request, Deed::Look, "ListServices")?;
        let services = self.all().await?.into_iter().map(to_wire).collect();
        Ok(Response::new(v1::ListServicesResponse { services }))
    }

    async fn get_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        ACCESS.admit(&self.callers, &request, Deed::Services, "GetService")?;
        let name = self.known(&request.get_ref().name).await?;
        Ok(Response::new(to_wire(self.find(&name).await?)))
    }

    async fn start_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        let deed = Deed::start(&request.get_ref().name);
        ACCESS.admit(&self.callers, &request, deed, "StartService")?;
        let name = self.known(&request.get_ref().name).await?;
        self.start_needed(&name).await?;
        let order = wire::Request::Start(name.clone());
        Ok(Response::new(self.order(&name, order, Aim::Up).await?))
    }

    async fn stop_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        let who = ACCESS.admit(&self.callers, &request, Deed::Services, "StopService")?;
        let name = self.known(&request.get_ref().name).await?;
        tracing::info!(%who, service = %name, "stop");
        let order = wire::Request::Stop(name.clone());
        Ok(Response::new(self.order(&name, order, Aim::Down).await?))
    }

    async fn restart_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        let deed = Deed::restart(&request.get_ref().name);
        let who = ACCESS.admit(&self.callers, &request, deed, "RestartService")?;
        let name = self.known(&request.get_ref().name).await?;
        tracing::info!(%who, service = %name, "restart");
        let order = wire::Request::Restart(name.clone());
        Ok(Response::new(self.order(&name, order, Aim::Up).await?))
    }

    async fn kill_agents(
        &self,
        request: Request<v1::KillAgentsRequest>,
    ) -> Result<Response<v1::KillAgentsResponse>, Status> {
        let who = ACCESS.admit(&self.callers, &request, Deed::KillAgents, "KillAgents")?;
        tracing::warn!(%who, "kill all agents");
        let remaining = self.kill_agents_now().await?;
        Ok(Response::new(v1::KillAgentsResponse { remaining }))
    }

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        ACCESS.admit(&self.callers, &request, Deed::Services, "Logs")?;
        let query = logs::Query::from_wire(&request.into_inner())?;
        let lines = self.readers.stream(places::log_dir(), query)?;
        Ok(Response::new(Box::pin(lines)))
    }

    async fn get_boot(
        &self,
        request: Request<v1::GetBootRequest>,
    ) -> Result<Response<v1::BootTimeline>, Status> {
        ACCESS.admit(&self.callers, &request, Deed::Look, "GetBoot")?;
        let Reply::Boot(boot) = self.ask(wire::Request::Boot).await? else {
            return Err(Status::internal("PID 1 has no boot timeline"));
        };
        let phase = |(place, &(started_ms, finished_ms)): (usize, &(u64, u64))| v1::BootPhase {
            number: place as u32 + 1,
            name: aios_service::names::PHASES
                .get(place)
                .copied()
                .unwrap_or_default()
                .to_owned(),
            started_ms,
            finished_ms,
        };
        Ok(Response::new(v1::BootTimeline {
            phases: boot.phases.iter().enumerate().map(phase).collect(),
            ready_ms: boot.ready,
            degraded: boot.degraded,
            way: if boot.container {
                "container"
            } else {
                "machine"
            }
            .to_owned(),
            events: self.boot_events().await?,
            conditions: conditions::read()
                .into_iter()
                .map(|conditions::Condition { id, detail }| v1::Condition { id, detail })
                .collect(),
            last_crash: conditions::last_crash(),
        }))
    }

    async fn power(
        &self,
        request: Request<v1::PowerRequest>,
    ) -> Result<Response<v1::PowerResponse>, Status> {
        let who = ACCESS.admit(&self.callers, &request, Deed::Power, "Power")?;
        let power = request.into_inner();
        let reboot = match power.action() {
            v1::PowerAction::Off => false,
            v1::PowerAction::Reboot => true,
            v1::PowerAction::Unspecified => {
                return Err(Status::invalid_argument("action is neither OFF nor REBOOT"));
            }
        };
        let reason = match power.reason.trim() {
            "" => format!("asked by {who}"),
            reason => reason.to_owned(),
        };
        self.ask(wire::Request::Power { reboot, reason }).await?;
        Ok(Response::new(v1::PowerResponse {}))
    }
}

pub(super) fn state(record: &ServiceRecord) -> State {
    STATES
        .get(usize::from(record.state))
        .copied()
        .unwrap_or(State::Inactive)
}

fn to_wire(record: ServiceRecord) -> v1::Service {
    let state = match state(&record) {
        State::Inactive => v1::ServiceState::Inactive,
        State::Waiting | State::Starting => v1::ServiceState::Starting,
        State::Ready => v1::ServiceState::Ready,
        State::Stopping => v1::ServiceState::Stopping,
        State::Backoff => v1::ServiceState::Backoff,
        State::Degraded => v1::ServiceState::Degraded,
        State::Done => v1::ServiceState::Done,
    };
    v1::Service {
        name: record.name,
        description: record.description,
        state: state.into(),
        pid: record.pid,
        restarts: record.restarts,
        since_boot_ms: record.since,
        last_exit: record.last_exit,
        without: record.without,
        phase: record.phase.into(),
        memory_bytes: resident(record.pid),
        status: record.status,
    }
}

/// The resident set of a process in bytes; 0 if unknown.
fn resident(pid: u32) -> u64 {
    let text = match pid {
        0 => return 0,
        pid => std::fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default(),
    };
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    pages * rustix::param::page_size() as u64
}
