//! A registry of tools in a folder of its own, with played callers, over real Unix sockets.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses its part

pub mod mounted;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_contracts::v1::{CallRequest, CallResponse, ListAuditRequest};
use aios_daemon::identity::Principal;
use aios_daemon::manifest::AgentManifest;
use aios_daemon::{Callers, Places};
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tools::config::Config;
use aios_tools::grants::Grants;
use aios_tools::grpc::Service;
use aios_tools::pipeline::{Answer, Pipeline, Request, Undo};
use aios_tools::registry::Registry;
use aios_tools::tasks::{Step, Task, Tasks};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Server};
use tonic::{Response, Status};

/// A connection; what an agent calls is registered for it first, as the orchestrator does.
#[derive(Clone)]
pub struct Client {
    inner: ToolsClient<Channel>,
    caller: Principal,
    tasks: Arc<Tasks>,
}

impl std::ops::Deref for Client {
    type Target = ToolsClient<Channel>;
    fn deref(&self) -> &Self::Target {
        &self.inner
    }
}

impl std::ops::DerefMut for Client {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.inner
    }
}

impl Client {
    /// The connection alone: nothing is registered.
    pub fn unplanned(&self) -> ToolsClient<Channel> {
        self.inner.clone()
    }

    pub async fn call(&mut self, request: CallRequest) -> Result<Response<CallResponse>, Status> {
        if let Principal::Agent(agent) = &self.caller {
            let call = request.clone();
            let step = Step {
                call_id: call.call_id,
                tool: call.tool,
                arguments_json: call.arguments_json,
            };
            self.tasks.register(Task {
                agent: agent.clone(),
                goal_id: call.goal_id,
                task_index: call.task_index,
                reason: call.reason,
                on_behalf_of: call.on_behalf_of,
                role: Role::Admin,
                steps: vec![step],
            });
        }
        self.inner.call(request).await
    }
}

pub struct Machine {
    pub folder: TempDir,
    pub pipeline: Arc<Pipeline>,
    pub tasks: Arc<Tasks>,
    servers: Vec<JoinHandle<()>>,
}

impl Machine {
    /// A new machine; `storage` may read and write below its data folder, `monitor` may only look.
    pub fn new(registry: Registry) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self::at(folder, registry)
    }

    /// A new machine with another configuration.
    pub fn with(registry: Registry, change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        Self::configured(folder, registry, change)
    }

    /// A machine whose disk is this folder.
    pub fn at(folder: TempDir, registry: Registry) -> Self {
        Self::configured(folder, registry, |_| {})
    }

    fn configured(folder: TempDir, registry: Registry, change: impl FnOnce(&mut Config)) -> Self {
        let root = folder.path().canonicalize().unwrap();
        let mut config = Config::load(Places::below(&root));
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        config.owner = (uid.as_raw(), gid.as_raw());
        config.fullness = Arc::new(|| None); // however full this machine's disk is
        change(&mut config);
        let data = root.join("data");
        let pipeline = Pipeline::open(&config, registry, grants(&data), Handle::current()).unwrap();
        Self {
            folder,
            pipeline: Arc::new(pipeline),
            tasks: Arc::default(),
            servers: Vec::new(),
        }
    }

    /// The path of something in the data folder.
    pub fn path(&self, name: &str) -> String {
        let root = self.folder.path().canonicalize().unwrap();
        root.join("data").join(name).to_str().unwrap().to_owned()
    }

    /// Has root call a tool, under a call id that was not used before.
    pub fn act(&self, tool: &str, arguments: Value) -> Result<Answer, ToolError> {
        let request = Request {
            call_id: format!("act {}", self.pipeline.ledger().len()),
            tool: tool.into(),
            arguments_json: arguments.to_string(),
            ..Request::default()
        };
        self.pipeline.call(&Principal::Root, request)
    }

    /// Has root take an execution back; the answer is what is said then.
    pub fn undo(&self, done: &Answer) -> Result<String, ToolError> {
        let undo = Undo {
            execution_id: done.execution_id.clone(),
            ..Undo::default()
        };
        self.pipeline
            .undo(&Principal::Root, &undo)
            .map(|(_, summary)| summary)
    }

    /// A connection as this principal.
    pub fn connect(&mut self, principal: Principal) -> Client {
        let run = self.folder.path().join("run");
        let socket = run.join(format!("{}.sock", self.servers.len()));
        let listener = aios_daemon::socket::listen(&socket).unwrap();
        let caller = principal.clone();
        let callers = Callers::played(move || principal.clone());
        let tasks = Arc::clone(&self.tasks);
        let service = Service::new(Arc::clone(&self.pipeline), callers, Arc::clone(&tasks));
        let service = ToolsServer::new(service)
            .max_decoding_message_size(aios_daemon::socket::MESSAGE_MAX)
            .max_encoding_message_size(aios_daemon::socket::MESSAGE_MAX);
        let server = Server::builder()
            .add_service(service)
            .serve_with_incoming(listener);
        self.servers.push(tokio::spawn(async move {
            drop(server.await);
        }));
        Client {
            inner: ToolsClient::new(aios_daemon::socket::channel(&socket).unwrap()),
            caller,
            tasks,
        }
    }

    pub fn storage(&mut self) -> Client {
        self.connect(agent("storage"))
    }

    pub fn orchestrator(&mut self) -> Client {
        self.connect(Principal::Daemon("orchestrator".into()))
    }

    /// The same disk under a new process.
    pub async fn restart(self, registry: Registry) -> Self {
        for server in &self.servers {
            server.abort();
        }
        for server in self.servers {
            drop(server.await);
        }
        let Self {
            folder, pipeline, ..
        } = Self {
            folder: self.folder,
            pipeline: self.pipeline,
            tasks: Arc::default(),
            servers: Vec::new(),
        };
        let waited = std::time::Instant::now();
        while Arc::strong_count(&pipeline) > 1 {
            assert!(
                waited.elapsed().as_secs() < 5,
                "something still uses the old pipeline"
            );
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        drop(pipeline);
        let machine = Self::at(folder, registry);
        machine.pipeline.settle_all();
        machine
    }

    /// How many executions a process would find under way on the disk as it is now.
    pub fn under_way(&self) -> usize {
        let disk = Self::at(snapshot(self.folder.path()), Registry::empty());
        let pending = disk.folder.path().join("state/tools/pending");
        std::fs::read_dir(pending).unwrap().count()
    }

    /// Kinds and outcomes of all entries, the oldest first.
    pub fn audit(&self) -> Vec<(String, String)> {
        let ledger = self.pipeline.ledger();
        let entries = ledger.entries(0..ledger.len()).unwrap();
        entries
            .into_iter()
            .map(|entry| (entry.kind, entry.outcome))
            .collect()
    }
}

pub fn agent(name: &str) -> Principal {
    Principal::Agent(name.into())
}

fn grants(data: &Path) -> Grants {
    let manifest = |name: &str, capabilities: &[String]| AgentManifest {
        name: name.into(),
        description: String::new(),
        tools: Vec::new(),
        capabilities: capabilities.to_vec(),
        service: toml::Table::new(),
    };
    let data = data.display();
    let storage = [
        format!("fs:read:{data}*"),
        format!("fs:write:{data}/*"),
        "test:*:*".to_owned(),
        "schedule:*:*".to_owned(),
    ];
    let security = ["sec:grant:capability", "sec:revoke:capability"].map(str::to_owned);
    let monitor = [format!("fs:read:{data}*"), "test:*:*".to_owned()];
    Grants::from_manifests(&[
        manifest("storage", &storage),
        manifest("monitor", &monitor),
        manifest("security", &security),
    ])
    .unwrap()
}

pub fn call(call_id: &str, tool: &str, arguments: Value) -> CallRequest {
    CallRequest {
        call_id: call_id.into(),
        tool: tool.into(),
        arguments_json: arguments.to_string(),
        goal_id: "goal".into(),
        task_index: 1,
        reason: "a test".into(),
        on_behalf_of: "operator".into(),
    }
}

pub async fn done(
    client: &mut Client,
    call_id: &str,
    tool: &str,
    arguments: Value,
) -> Result<CallResponse, Status> {
    client
        .call(call(call_id, tool, arguments))
        .await
        .map(tonic::Response::into_inner)
}

pub fn newest(limit: u32) -> ListAuditRequest {
    ListAuditRequest {
        limit,
        ..Default::default()
    }
}

/// Copies a folder as a power cut would leave it.
pub fn snapshot(from: &Path) -> TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(from, to.path());
    to
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target: PathBuf = to.join(entry.file_name());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else if kind.is_file() {
            std::fs::copy(entry.path(), &target).unwrap();
        }
    }
}
