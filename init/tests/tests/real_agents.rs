//! The eight agents as they ship: their manifests, their program, their sandbox. All that they need in
//! their life is in what they may do: start, take a task, call tools, end.

// The tests sleep; there is no executor to block. Helpers of tests fail by panicking.
#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use aios_contracts::v1;
use aios_contracts::v1::agent_client::AgentClient;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_testkit::doubles::ToolsDouble;
use support::{Boot, read_log};
use tonic::transport::Server;

/// The agents' names, and a tool that each takes.
fn agents() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios/agents");
    let all = aios_daemon::manifest::read_all(&folder).unwrap();
    let one = |manifest: &aios_daemon::manifest::AgentManifest| {
        (manifest.name.clone(), manifest.tools[0].replace('*', "any"))
    };
    all.iter().map(one).collect()
}

/// Tools that answer everybody, where PID 1's namespace looks for them.
fn serve_tools(boot: &Boot) {
    let path = boot.seen("/run/aios/tools.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let incoming = tokio_stream::wrappers::UnixListenerStream::new(listener);
    let tools = ToolsServer::new(ToolsDouble::default());
    let server = Server::builder().add_service(tools);
    tokio::spawn(server.serve_with_incoming(incoming));
}

async fn one_life(boot: &Boot, name: &str, tool: &str) {
    let mut init = InitClient::new(aios_daemon::socket::channel(&boot.socket()).unwrap());
    let service = || v1::ServiceRequest {
        name: format!("agent-{name}"),
    };
    let log = || read_log(boot, &format!("agent-{name}"));
    let started = init.start_service(service()).await;
    let started = started.unwrap_or_else(|error| panic!("{name}: {error}\n{}", log()));
    assert_eq!(started.into_inner().state(), v1::ServiceState::Ready);
    let path = boot.seen(&format!("/run/aios/agents/{name}.sock"));
    let mut agent = AgentClient::new(aios_daemon::socket::channel(&path).unwrap());
    let request = v1::ExecuteRequest {
        task: Some(v1::Task {
            goal_id: "goal".into(),
            act: tool.into(),
            ..v1::Task::default()
        }),
        steps: vec![v1::SkillStep {
            call_id: "goal/0/0".into(),
            tool: tool.into(),
            arguments_json: "{}".into(),
        }],
    };
    let limit = Duration::from_secs(10);
    let done = tokio::time::timeout(limit, agent.execute(request)).await;
    let done = done.unwrap().unwrap().into_inner();
    assert_eq!(
        done.state(),
        v1::TaskState::Succeeded,
        "{name}: {}\n{}",
        done.error,
        log()
    );
    let stopped = init.stop_service(service()).await.unwrap().into_inner();
    assert_eq!(stopped.last_exit, "exited with 0", "{name}\n{}", log());
    assert!(!log().contains("not permitted"), "{name}\n{}", log());
    assert!(
        !log().contains("runs without a system call"),
        "{name}\n{}",
        log()
    );
}

#[test]
fn every_agent_has_what_it_needs_for_a_whole_life() {
    let Some(boot) = Boot::start_with_real_agents() else {
        return;
    };
    boot.wait_for_line("aios: READY after");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        serve_tools(&boot);
        let agents = agents();
        assert_eq!(agents.len(), 8);
        for (name, tool) in &agents {
            one_life(&boot, name, tool).await;
        }
    });
}
