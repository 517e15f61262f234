//! A node in a folder: doubles, real agents, and the orchestrator in a runtime of its own, so that
//! it can be killed like a process.

use std::path::Path;
use std::time::Duration;

use aios_agents::service::Agent;
use aios_agents::work::Worker;
use aios_contracts::v1::emergency_server::EmergencyServer;
use aios_contracts::v1::init_server::InitServer;
use aios_contracts::v1::management_client::ManagementClient;
use aios_contracts::v1::memory_server::MemoryServer;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_contracts::v1::*;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_daemon::{manifest, socket};
use aios_orchestrator::boot::Orchestrator;
use aios_orchestrator::config::{Config, Limits};
use aios_orchestrator::goals::{Goals, Wish};
use aios_orchestrator::wire;
use aios_testkit::doubles::{EmergencyDouble, InitDouble, MemoryDouble, ToolsDouble};
use tempfile::TempDir;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity, Server};

use crate::model::ModelDouble;
use crate::pki::Authority;

pub struct Node {
    pub folder: TempDir,
    pub memory: MemoryDouble,
    pub tools: ToolsDouble,
    pub init: InitDouble,
    pub emergency: EmergencyDouble,
    pub authority: Authority,
}

/// The orchestrator, running.
pub struct Process {
    pub goals: Goals,
    api: tokio::sync::watch::Receiver<Option<std::net::SocketAddr>>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Drop for Process {
    /// As SIGKILL would: nothing is finished.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

const MANIFESTS: [(&str, &str); 3] = [
    ("storage", r#""fs.*""#),
    ("system", r#""service.*", "monitor.*", "test.*""#),
    ("task", r#""skill.*", "schedule.*""#),
];

impl Node {
    pub async fn new() -> Self {
        let node = Self::without_tools();
        let tools = Server::builder()
            .add_service(ToolsServer::new(node.tools.clone()))
            .add_service(EmergencyServer::new(node.emergency.clone()));
        tokio::spawn(tools.serve_with_incoming(node.listen("tools.sock")));
        node.start_agents().await;
        node
    }

    /// The same before its tools and agents are there.
    pub fn without_tools() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let memory = MemoryDouble::default();
        let tools = ToolsDouble {
            memory: memory.clone(),
            ..ToolsDouble::default()
        };
        let node = Self {
            authority: Authority::new("test authority"),
            init: InitDouble::default(),
            emergency: EmergencyDouble::default(),
            folder,
            memory,
            tools,
        };
        node.authority.install(&node.etc().join("pki"));
        node.write_manifests();
        let memory = Server::builder().add_service(MemoryServer::new(node.memory.clone()));
        tokio::spawn(memory.serve_with_incoming(node.listen("memory.sock")));
        let init = Server::builder().add_service(InitServer::new(node.init.clone()));
        tokio::spawn(init.serve_with_incoming(node.listen("init.sock")));
        node
    }

    /// Listens at the socket of this name.
    pub fn listen(&self, name: &str) -> tokio_stream::wrappers::UnixListenerStream {
        socket::listen(&self.folder.path().join(name)).unwrap()
    }

    fn etc(&self) -> std::path::PathBuf {
        self.folder.path().join("etc")
    }

    fn write_manifests(&self) {
        let folder = self.etc().join("agents");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, tools) in MANIFESTS {
            let text = format!(
                "name = \"{name}\"\ndescription = \"\"\ntools = [{tools}]\ncapabilities = []\n[service]\n"
            );
            std::fs::write(folder.join(format!("{name}.toml")), text).unwrap();
        }
    }

    /// Starts the agents and returns once they listen, as they do on a booted node.
    pub async fn start_agents(&self) {
        for manifest in manifest::read_all(&self.etc().join("agents")).unwrap() {
            let path = self
                .folder
                .path()
                .join(format!("agents/{}.sock", manifest.name));
            // Where each agent has a socket of its own, it is known by that.
            let own = self
                .folder
                .path()
                .join(format!("tools-{}.sock", manifest.name));
            let tools = match own.exists() {
                true => socket::channel(&own).unwrap(),
                false => socket::channel(&self.folder.path().join("tools.sock")).unwrap(),
            };
            let caller = Callers::played(|| Principal::Daemon("orchestrator".into()));
            let agent = Agent::new(manifest, path.clone(), Worker::new(tools), caller);
            tokio::spawn(agent.serve(std::future::pending()));
            while tokio::net::UnixStream::connect(&path).await.is_err() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// Starts the orchestrator.
    pub fn start(&self) -> Process {
        self.start_with(Limits {
            patience: Duration::from_secs(5),
            ..Limits::default()
        })
    }

    pub fn start_with(&self, limits: Limits) -> Process {
        let lib = self.folder.path().join("lib");
        let skills = Path::new(env!("CARGO_MANIFEST_DIR")).join("../brain/skills");
        std::fs::create_dir_all(lib.join("skills")).unwrap();
        for entry in std::fs::read_dir(skills).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), lib.join("skills").join(entry.file_name())).unwrap();
        }
        std::fs::create_dir_all(self.folder.path().join("state")).unwrap();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            etc: self.etc(),
            run: self.folder.path().to_owned(),
            state: self.folder.path().join("state"),
            lib,
            limits,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let running = {
            let _inside = runtime.enter();
            let orchestrator = Orchestrator::new(config).unwrap();
            orchestrator.with_model(Box::new(ModelDouble)).start()
        };
        let mut tasks = running.tasks;
        runtime.spawn(async move { while tasks.join_next().await.is_some() {} });
        Process {
            goals: running.goals,
            api: running.api,
            runtime: Some(runtime),
        }
    }

    /// What is on record of this kind, once there is something.
    pub async fn record(&self, kind: &str) -> RecordRequest {
        for _ in 0..500 {
            let records = self.tools.records.lock().unwrap().clone();
            if let Some(record) = records.into_iter().rev().find(|record| record.kind == kind) {
                return record;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nothing of kind {kind} went on record");
    }
}

impl Process {
    /// Where the API listens, once it does.
    pub async fn address(&self) -> std::net::SocketAddr {
        let mut api = self.api.clone();
        let address = api.wait_for(Option::is_some).await.unwrap();
        address.unwrap()
    }

    /// A client with this certificate, if any, that trusts this authority.
    pub async fn client(
        &self,
        authority: &Authority,
        identity: Option<Identity>,
    ) -> ManagementClient<Channel> {
        ManagementClient::new(self.channel(authority, identity).await)
    }

    /// The connection of such a client alone.
    pub async fn channel(&self, authority: &Authority, identity: Option<Identity>) -> Channel {
        let mut tls = ClientTlsConfig::new()
            .ca_certificate(Certificate::from_pem(&authority.certificate))
            .domain_name("localhost");
        if let Some(identity) = identity {
            tls = tls.identity(identity);
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", self.address().await)).unwrap();
        endpoint.tls_config(tls).unwrap().connect_lazy()
    }

    pub async fn submit(&self, text: &str) -> Goal {
        let wish = Wish {
            text: text.into(),
            by: "CN=alice".into(),
            ..Wish::default()
        };
        wire::goal_to_wire(&self.goals.submit(wish).await.unwrap())
    }

    /// The goal as an operator sees it now.
    pub async fn goal(&self, id: &str) -> Goal {
        wire::goal_to_wire(&self.goals.get(id).await.unwrap())
    }

    /// The goal once it has ended.
    pub async fn ended(&self, id: &str) -> Goal {
        for _ in 0..1000 {
            let goal = self.goals.get(id).await;
            if let Ok(goal) = goal
                && goal.is_finished()
            {
                return wire::goal_to_wire(&goal);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("goal {id} does not end");
    }
}
