//! For tests: a control service on a real socket, with three services in memory.

use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use aios_contracts::v1::init_server::{Init as Rpc, InitServer};
use aios_contracts::v1::{self, ServiceState};
use serde_json::Value;
use tempfile::TempDir;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::boot_ms;
use crate::trial;
use aios_tool::error::ToolError;
use aios_tool::tool::{Change, Done, Look, change, look};

#[derive(Default)]
struct State {
    services: Vec<v1::Service>,
    logs: Vec<v1::LogLine>,
    restart_broken: bool,
    answer_lost: bool,
}

#[derive(Clone, Default)]
struct Served(Arc<Mutex<State>>);

/// It ends with the test process.
pub struct Init {
    folder: TempDir,
    served: Served,
}

impl Init {
    /// Serves `memory`, `tools` (ready) and `cron` (done).
    pub fn new() -> Self {
        let served = Served::default();
        let service = |name: &str, pid, state: ServiceState| v1::Service {
            name: name.into(),
            state: state.into(),
            pid,
            since_boot_ms: boot_ms().saturating_sub(60_000),
            without: "goals are refused".into(),
            memory_bytes: 12_000_000,
            ..v1::Service::default()
        };
        served.0.lock().unwrap().services = vec![
            service("memory", 71, ServiceState::Ready),
            service("tools", 75, ServiceState::Ready),
            service("cron", 0, ServiceState::Done),
        ];
        let folder = tempfile::tempdir().unwrap();
        let _entered = trial::runtime().enter();
        let socket = aios_daemon::socket::listen(&folder.path().join("init.sock")).unwrap();
        let server =
            tonic::transport::Server::builder().add_service(InitServer::new(served.clone()));
        trial::runtime().spawn(server.serve_with_incoming(socket));
        Self { folder, served }
    }

    /// Serves another service, which runs.
    pub fn add(&self, name: &str) {
        self.served.0.lock().unwrap().services.push(v1::Service {
            name: name.into(),
            state: ServiceState::Ready.into(),
            pid: 99,
            ..v1::Service::default()
        });
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn look<T: Look>(&self, arguments: Value) -> Result<Done, ToolError> {
        trial::call_in(look::<T>().as_ref(), arguments, self.folder())
    }

    pub fn change<T: Change>(&self, arguments: Value) -> Result<Done, ToolError> {
        trial::call_in(change::<T>().as_ref(), arguments, self.folder())
    }

    /// Puts a service into a state.
    pub fn set(&self, name: &str, state: &str) {
        let mut served = self.served.0.lock().unwrap();
        let service = served.services.iter_mut().find(|s| s.name == name).unwrap();
        service.since_boot_ms = boot_ms();
        service.set_state(match state {
            "inactive" => ServiceState::Inactive,
            "starting" => ServiceState::Starting,
            "backoff" => ServiceState::Backoff,
            "degraded" => ServiceState::Degraded,
            other => panic!("{other}"),
        });
    }

    pub fn state(&self, name: &str) -> &'static str {
        let served = self.served.0.lock().unwrap();
        let service = served.services.iter().find(|s| s.name == name).unwrap();
        super::state_name(service.state())
    }

    pub fn log(&self, service: &str, level: v1::LogLevel, text: &str) {
        let line = v1::LogLine {
            time_ms: 0,
            service: service.into(),
            level: level.into(),
            text: text.into(),
        };
        self.served.0.lock().unwrap().logs.push(line);
    }

    /// From now on a restart answers well and does nothing.
    pub fn break_restart(&self) {
        self.served.0.lock().unwrap().restart_broken = true;
    }

    /// The next restart is done, but its answer does not arrive.
    pub fn lose_the_answer(&self) {
        self.served.0.lock().unwrap().answer_lost = true;
    }
}

impl Served {
    fn change(
        &self,
        request: Request<v1::ServiceRequest>,
        change: impl FnOnce(&mut v1::Service),
    ) -> Result<Response<v1::Service>, Status> {
        let name = request.into_inner().name;
        let mut state = self.0.lock().unwrap();
        let service = state
            .services
            .iter_mut()
            .find(|service| service.name == name);
        let service =
            service.ok_or_else(|| Status::not_found(format!("there is no service {name:?}")))?;
        change(service);
        Ok(Response::new(service.clone()))
    }
}

fn enter(service: &mut v1::Service, state: ServiceState, pid: u32) {
    service.set_state(state);
    service.pid = pid;
    service.since_boot_ms = boot_ms();
}

#[tonic::async_trait]
impl Rpc for Served {
    async fn list_services(
        &self,
        _request: Request<v1::ListServicesRequest>,
    ) -> Result<Response<v1::ListServicesResponse>, Status> {
        let services = self.0.lock().unwrap().services.clone();
        Ok(Response::new(v1::ListServicesResponse { services }))
    }

    async fn get_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        self.change(request, |_| ())
    }

    /// A service in backoff stays there.
    async fn start_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        self.change(request, |service| {
            if service.state() != ServiceState::Backoff {
                enter(service, ServiceState::Ready, 71);
            }
        })
    }

    async fn stop_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        self.change(request, |service| enter(service, ServiceState::Inactive, 0))
    }

    async fn restart_service(
        &self,
        request: Request<v1::ServiceRequest>,
    ) -> Result<Response<v1::Service>, Status> {
        let (broken, lost) = {
            let state = self.0.lock().unwrap();
            (state.restart_broken, state.answer_lost)
        };
        let answer = self.change(request, |service| {
            if !broken {
                enter(service, ServiceState::Ready, service.pid + 1);
            }
        });
        match lost {
            true => Err(Status::unavailable("the connection broke")),
            false => answer,
        }
    }

    async fn kill_agents(
        &self,
        _request: Request<v1::KillAgentsRequest>,
    ) -> Result<Response<v1::KillAgentsResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    type LogsStream = Pin<Box<dyn Stream<Item = Result<v1::LogLine, Status>> + Send>>;

    async fn logs(
        &self,
        request: Request<v1::LogsRequest>,
    ) -> Result<Response<Self::LogsStream>, Status> {
        let request = request.into_inner();
        let logs = self.0.lock().unwrap().logs.clone();
        let mut lines: Vec<_> = logs
            .into_iter()
            .filter(|line| line.level >= request.at_least)
            .filter(|line| request.service.is_empty() || line.service == request.service)
            .map(Ok)
            .collect();
        lines.drain(..lines.len().saturating_sub(request.lines as usize));
        Ok(Response::new(Box::pin(tokio_stream::iter(lines))))
    }

    async fn get_boot(
        &self,
        _request: Request<v1::GetBootRequest>,
    ) -> Result<Response<v1::BootTimeline>, Status> {
        Err(Status::unimplemented("not needed here"))
    }

    async fn power(
        &self,
        _request: Request<v1::PowerRequest>,
    ) -> Result<Response<v1::PowerResponse>, Status> {
        Err(Status::unimplemented("not needed here"))
    }
}
