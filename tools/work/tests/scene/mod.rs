//! A machine whose tools ask a real `aios-work`, which runs real programs.
#![allow(dead_code)] // each test file uses its part

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_contracts::v1::init_server::InitServer;
use aios_contracts::v1::work_server::WorkServer;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_daemon::socket::MESSAGE_MAX;
use aios_testkit::doubles::InitDouble;
use aios_testkit::needs;
use aios_tool::context::{Context, Surroundings};
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tools::pipeline::Answer;
use aios_tools::registry::Registry;
use aios_work::sandbox::Site;
use aios_work::service::Service;
use serde_json::Value;
use tokio::runtime::Runtime;
use tonic::transport::Server;

use crate::common::Machine;

pub struct Scene {
    pub machine: Machine,
    runtime: Runtime,
}

impl Scene {
    /// `None` where there are no sandboxes, or one of the programs is missing.
    pub fn new(programs: &[&str]) -> Option<Self> {
        if !needs::root() || !needs::programs(programs) {
            return None;
        }
        let runtime = Runtime::new().unwrap();
        let machine = {
            let _entered = runtime.enter();
            Machine::new(Registry::complete())
        };
        let run = machine.folder.path().join("run");
        let site = Site {
            state: machine.folder.path().join("state/work"),
            program: env!("CARGO_BIN_EXE_aios-work").into(),
        };
        let _entered = runtime.enter();
        let work = aios_daemon::socket::listen(&run.join("work.sock")).unwrap();
        let init = aios_daemon::socket::listen(&run.join("init.sock")).unwrap();
        let service = Service::new(site, Callers::played(|| Principal::Daemon("tools".into())));
        let work_server = WorkServer::new(service).max_decoding_message_size(MESSAGE_MAX);
        runtime.spawn(
            Server::builder()
                .add_service(work_server)
                .serve_with_incoming(work),
        );
        let init_server = InitServer::new(InitDouble::default());
        runtime.spawn(
            Server::builder()
                .add_service(init_server)
                .serve_with_incoming(init),
        );
        drop(_entered);
        Some(Self { machine, runtime })
    }

    /// The path of something in the data folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.machine.path(name).into()
    }

    /// Calls a tool through the whole pipeline.
    pub fn act(&self, tool: &str, arguments: Value) -> Result<Answer, ToolError> {
        self.machine.act(tool, arguments)
    }

    /// The same, when it must succeed.
    pub fn done(&self, tool: &str, arguments: Value) -> Answer {
        let answer = self.act(tool, arguments.clone());
        answer.unwrap_or_else(|error| panic!("{tool} {arguments}: {error}"))
    }

    /// What a call would change.
    pub fn preview(&self, tool: &str, arguments: Value) -> Result<Preview, ToolError> {
        let root = self.machine.folder.path().canonicalize().unwrap();
        let surroundings = Surroundings {
            run_dir: root.join("run"),
            state_dir: root.join("state"),
            owner: (0, 0),
            runtime: self.runtime.handle().clone(),
            parts: Vec::new(),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let context = Context::new(Arc::new(surroundings), "preview", deadline);
        let tool = Registry::complete().find(tool).unwrap();
        tool.prepare(arguments, &context)?.call.preview(&context)
    }

    /// Is nothing left of what ran in sandboxes?
    pub fn is_tidy(&self) -> bool {
        let left = self.machine.folder.path().join("state/work/sandbox");
        !left.exists()
            || left.read_dir().unwrap().all(|one| {
                // Of what changed nothing, the folders stay until the next run of the same call.
                one.unwrap()
                    .path()
                    .join("upper")
                    .read_dir()
                    .unwrap()
                    .next()
                    .is_none()
            })
    }
}

/// Every path below a folder, with what is there.
pub fn tree(folder: &Path) -> Vec<String> {
    let mut find = Command::new("find");
    let listed = find
        .arg(folder)
        .args(["-printf", "%P %y %m %U:%G %s %l\n"])
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    for file in lines.clone() {
        let Some((path, _)) = file.split_once(" f ") else {
            continue;
        };
        let content = std::fs::read(folder.join(path)).unwrap();
        lines.push(format!("{path}: {content:?}"));
    }
    lines
}
