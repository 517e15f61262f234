//! A double of the appliance for the wire alone: real mTLS on loopback, with
//! credentials from a real `node.toml`, and canned answers for a few methods.

#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

pub mod registry;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Output;
use std::sync::{Arc, Mutex};

use aios_contracts::v1::management_server::{Management, ManagementServer};
use aios_contracts::v1::*;
use aiosctl::pki::node::Provisioning;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// Answers as an appliance that did what was asked.
#[derive(Clone, Default)]
pub struct Double {
    /// The folder that `ExportAudit` sends.
    pub ledger: Option<PathBuf>,
    /// The list of revoked certificates that it was given last.
    pub revoked: Arc<Mutex<String>>,
    /// The tools that it has, and what they did; without: it is asked in vain.
    pub registry: Option<registry::Registry>,
}

type Stream<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;

type Changes<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

type Later<'f, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'f>>;

fn stream<T>(items: Vec<T>) -> Response<Stream<T>> {
    let items: Vec<Result<T, Status>> = items.into_iter().map(Ok).collect();
    Response::new(tokio_stream::iter(items))
}

fn goal(text: &str, state: GoalState) -> Goal {
    let finished = state != GoalState::Running;
    Goal {
        id: "0190ab12-goal".into(),
        text: text.into(),
        state: state.into(),
        answer: if state == GoalState::Succeeded {
            "4% full\x1b[2J"
        } else {
            ""
        }
        .into(),
        reason: if state == GoalState::Failed {
            "no tool does that"
        } else {
            ""
        }
        .into(),
        level: Level::Operational.into(),
        created_ms: 1,
        finished_ms: finished.into(),
        tasks: vec![Task {
            agent: "storage".into(),
            act: "fs.disk_usage".into(),
            arguments_json: "{}".into(),
            state: if finished {
                TaskState::Succeeded
            } else {
                TaskState::Running
            }
            .into(),
            summary: "looked".into(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

macro_rules! not_here {
    ($($name:ident($request:ty) -> $answer:ty;)*) => {
        // Written as `async_trait` would: it does not see into macros.
        $(fn $name<'s, 'f>(&'s self, _: Request<$request>) -> Later<'f, $answer>
        where
            's: 'f,
            Self: 'f,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        })*
    };
}

#[tonic::async_trait]
impl Management for Double {
    type WatchGoalStream = Changes<Goal>;
    type ExportAuditStream = Stream<ExportAuditResponse>;
    type LogsStream = Stream<LogLine>;
    type WatchApprovalsStream = Stream<Approvals>;
    type InstallUpdateStream = Stream<InstallProgress>;

    async fn get_status(
        &self,
        _: Request<GetStatusRequest>,
    ) -> Result<Response<SystemStatus>, Status> {
        let node = "evil\x1b]0;title\x07".into();
        Ok(Response::new(SystemStatus {
            node,
            state: "ready".into(),
            ..Default::default()
        }))
    }

    async fn submit_goal(
        &self,
        request: Request<SubmitGoalRequest>,
    ) -> Result<Response<Goal>, Status> {
        let request = request.into_inner();
        assert!(
            !request.request_id.is_empty(),
            "a retry must be recognisable"
        );
        if let Some(registry) = &self.registry {
            return Ok(Response::new(registry.submit(request)));
        }
        Ok(Response::new(goal(&request.text, GoalState::Running)))
    }

    async fn watch_goal(
        &self,
        request: Request<GetGoalRequest>,
    ) -> Result<Response<Self::WatchGoalStream>, Status> {
        if let Some(registry) = &self.registry {
            return registry.watch(&request.into_inner().id).map(Response::new);
        }
        let running = goal("check disk usage", GoalState::Running);
        let changes = vec![running, goal("check disk usage", GoalState::Succeeded)];
        Ok(Response::new(Box::pin(stream(changes).into_inner())))
    }

    async fn cancel_goal(
        &self,
        request: Request<GetGoalRequest>,
    ) -> Result<Response<Goal>, Status> {
        if let Some(registry) = &self.registry {
            return registry.cancel(&request.into_inner().id).map(Response::new);
        }
        Err(Status::permission_denied(
            "the role viewer may not cancel goals",
        ))
    }

    async fn logs(&self, _: Request<LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
        let line = |text: &str| LogLine {
            text: text.into(),
            ..Default::default()
        };
        Ok(stream(vec![line("one"), line("two")]))
    }

    async fn list_tools(
        &self,
        _: Request<ListToolsRequest>,
    ) -> Result<Response<ListToolsResponse>, Status> {
        if let Some(registry) = &self.registry {
            let tools = registry.tools();
            return Ok(Response::new(ListToolsResponse { tools }));
        }
        tokio::time::sleep(std::time::Duration::from_secs(30)).await;
        Err(Status::internal("too late"))
    }

    async fn preview_call(
        &self,
        request: Request<PreviewRequest>,
    ) -> Result<Response<PreviewResponse>, Status> {
        match &self.registry {
            Some(registry) => registry.preview(request.into_inner()).map(Response::new),
            None => Err(Status::unimplemented("preview_call")),
        }
    }

    async fn export_audit(
        &self,
        _: Request<ExportAuditRequest>,
    ) -> Result<Response<Self::ExportAuditStream>, Status> {
        let Some(folder) = &self.ledger else {
            return Ok(stream(vec![ExportAuditResponse {
                path: "../../escaped".into(),
                data: b"x".to_vec(),
            }]));
        };
        let mut pieces = Vec::new();
        for path in aios_ledger::Export::NAMES {
            let content = std::fs::read(folder.join(path))?;
            pieces.extend(content.chunks(1000).map(|data| ExportAuditResponse {
                path: path.to_owned(),
                data: data.to_vec(),
            }));
        }
        Ok(stream(pieces))
    }

    async fn verify_audit(
        &self,
        _: Request<VerifyAuditRequest>,
    ) -> Result<Response<VerifyAuditResponse>, Status> {
        // Says so whatever its ledger holds: aiosctl must not believe it.
        Ok(Response::new(VerifyAuditResponse {
            intact: true,
            ..Default::default()
        }))
    }

    async fn revoke_certificates(
        &self,
        request: Request<RevokeCertificatesRequest>,
    ) -> Result<Response<RevokedCertificates>, Status> {
        *self.revoked.lock().unwrap() = request.into_inner().pem;
        Ok(Response::new(RevokedCertificates::default()))
    }

    async fn get_revoked(
        &self,
        _: Request<GetRevokedRequest>,
    ) -> Result<Response<RevokedCertificates>, Status> {
        Ok(Response::new(RevokedCertificates::default()))
    }

    not_here! {
        accept_audit(AcceptAuditRequest) -> AuditHead;
        get_boot(GetBootRequest) -> BootTimeline;
        list_degraded(ListDegradedRequest) -> ListDegradedResponse;
        get_sbom(GetSbomRequest) -> Sbom;
        get_goal(GetGoalRequest) -> Goal;
        list_goals(ListGoalsRequest) -> ListGoalsResponse;
        list_decisions(ListDecisionsRequest) -> ListDecisionsResponse;
        list_agents(ListAgentsRequest) -> ListAgentsResponse;
        describe_tool(DescribeToolRequest) -> Tool;
        list_models(ListModelsRequest) -> ListModelsResponse;
        list_audit(ListAuditRequest) -> ListAuditResponse;
        undo(UndoRequest) -> UndoResponse;
        list_approvals(ListApprovalsRequest) -> Approvals;
        watch_approvals(ListApprovalsRequest) -> Stream<Approvals>;
        decide_approval(DecideApprovalRequest) -> Approval;
        forget_rule(ForgetRuleRequest) -> Approvals;
        list_schedules(ListSchedulesRequest) -> Schedules;
        reclaim_storage(ReclaimStorageRequest) -> ReclaimStorageResponse;
        list_services(ListServicesRequest) -> ListServicesResponse;
        start_service(ServiceRequest) -> Service;
        stop_service(ServiceRequest) -> Service;
        restart_service(ServiceRequest) -> Service;
        power(PowerRequest) -> PowerResponse;
        factory_reset(FactoryResetRequest) -> PowerResponse;
        emergency_stop(EmergencyRequest) -> EmergencyState;
        emergency_resume(EmergencyRequest) -> EmergencyState;
        get_config(GetConfigRequest) -> ConfigState;
        validate_config(ValidateConfigRequest) -> ConfigCheck;
        apply_config(ApplyConfigRequest) -> ConfigCheck;
        confirm_config(ConfirmConfigRequest) -> ConfigState;
        get_slots(GetSlotsRequest) -> Slots;
        rollback(RollbackRequest) -> Slots;
        install_update(tonic::Streaming<InstallRequest>) -> Stream<InstallProgress>;
    }
}

/// Serves the double with the credentials of a `node.toml`; returns its address.
pub async fn serve(provisioning: &Path, double: Double) -> SocketAddr {
    let text = std::fs::read_to_string(provisioning).unwrap();
    let Provisioning { pki, .. } = toml::from_str(&text).unwrap();
    let tls = ServerTlsConfig::new()
        .identity(Identity::from_pem(pki.certificate, pki.key))
        .client_ca_root(Certificate::from_pem(pki.ca));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::builder()
        .tls_config(tls)
        .unwrap()
        .add_service(ManagementServer::new(double))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    address
}

/// An operator's machine: a configuration of its own, and the real executable.
pub struct Machine {
    folder: tempfile::TempDir,
}

impl Machine {
    /// With an authority, a node certificate and an admin.
    pub fn new() -> Self {
        let machine = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        machine.succeeds(&["pki", "init"]);
        machine.succeeds(&["pki", "node", "node1", "--address", "10.0.0.7"]);
        machine.succeeds(&["pki", "operator", "ann", "--role", "admin"]);
        machine
    }

    /// A file of the operator's configuration folder.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("aios").join(relative)
    }

    /// Its `node.toml`.
    pub fn provisioning(&self) -> PathBuf {
        self.path("pki/nodes/node1/node.toml")
    }

    /// `aiosctl`, to be started beside the server of the test.
    pub fn command(&self, arguments: &[&str]) -> tokio::process::Command {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_aiosctl"));
        command
            .args(arguments)
            .env_clear()
            .env("AIOSCTL_CONFIG", self.path("config.toml"));
        command
    }

    /// Runs `aiosctl`.
    pub fn run(&self, arguments: &[&str]) -> Output {
        std::process::Command::new(env!("CARGO_BIN_EXE_aiosctl"))
            .args(arguments)
            .env_clear()
            .env("AIOSCTL_CONFIG", self.path("config.toml"))
            .output()
            .unwrap()
    }

    /// Runs `aiosctl` beside the server of the test; returns exit code, stdout and stderr.
    pub async fn run_async(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = self.command(arguments).output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code().unwrap(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    /// Runs `aiosctl`, which must succeed; returns its stdout.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }
}
