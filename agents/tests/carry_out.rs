//! An agent and the tools it calls, each on a socket: retries, failures, who may ask.

#![allow(clippy::unwrap_used)] // a test that cannot set itself up should stop

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aios_agents::service::Agent;
use aios_agents::work::Worker;
use aios_contracts::v1::agent_client::AgentClient;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_contracts::v1::*;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_daemon::manifest::AgentManifest;
use aios_daemon::{retry, socket};
use aios_testkit::doubles::ToolsDouble;
use tonic::Code;
use tonic::transport::Server;

fn serve_tools(folder: &Path, tools: ToolsDouble) {
    let incoming = socket::listen(&folder.join("tools.sock")).unwrap();
    let server = Server::builder().add_service(ToolsServer::new(tools));
    tokio::spawn(server.serve_with_incoming(incoming));
}

fn start_agent(folder: &Path, caller: Principal) -> AgentClient<tonic::transport::Channel> {
    let path = folder.join("agent.sock");
    let channel = socket::channel(&folder.join("tools.sock")).unwrap();
    let manifest = AgentManifest {
        name: "storage".into(),
        description: "Files.".into(),
        tools: vec!["fs.*".into(), "skill.*".into()],
        capabilities: vec![],
        service: Default::default(),
    };
    let worker = Worker::new(channel).with_patience(Duration::from_secs(5));
    let agent = Agent::new(
        manifest,
        path.clone(),
        worker,
        Callers::played(move || caller.clone()),
    );
    tokio::spawn(agent.serve(std::future::pending()));
    AgentClient::new(socket::channel(&path).unwrap())
}

fn request(act: &str, steps: &[(&str, &str)]) -> ExecuteRequest {
    let step = |(place, (tool, arguments)): (usize, &(&str, &str))| SkillStep {
        call_id: format!("goal/0/{place}"),
        tool: (*tool).into(),
        arguments_json: (*arguments).into(),
    };
    ExecuteRequest {
        task: Some(Task {
            goal_id: "goal".into(),
            act: act.into(),
            ..Task::default()
        }),
        steps: steps.iter().enumerate().map(step).collect(),
    }
}

async fn ready(agent: &mut AgentClient<tonic::transport::Channel>) -> AgentInfo {
    let ask = || {
        let mut agent = agent.clone();
        async move { agent.get_agent(GetAgentRequest {}).await }
    };
    let answer = aios_daemon::retry::persistently(Duration::from_secs(5), ask).await;
    answer.unwrap().into_inner()
}

#[tokio::test]
async fn a_task_waits_for_tools_that_restart_and_a_repeated_one_has_no_second_effect() {
    let folder = tempfile::tempdir().unwrap();
    let mut agent = start_agent(folder.path(), Principal::Daemon("orchestrator".into()));
    ready(&mut agent).await;
    let tools = ToolsDouble::default();
    let late = {
        let (folder, tools) = (folder.path().to_owned(), tools.clone());
        async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            serve_tools(&folder, tools);
        }
    };
    tokio::spawn(late);

    let task = request("skill.page", &[("fs.mkdir", "{}"), ("fs.write", "{}")]);
    let done = agent.execute(task.clone()).await.unwrap().into_inner();
    assert_eq!(done.state(), TaskState::Succeeded, "{}", done.error);
    assert_eq!(done.summary, "fs.mkdir {}; fs.write {}");
    assert_eq!(done.executions.len(), 2);

    agent.execute(task).await.unwrap();
    let effects = tools.effects.lock().unwrap();
    assert_eq!(effects.len(), 2, "the same call ids");
    assert!(effects.contains_key("goal/0/1"));
}

#[tokio::test]
async fn the_first_failing_step_ends_the_task_and_nothing_after_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let tools = ToolsDouble::default();
    serve_tools(folder.path(), tools.clone());
    let mut agent = start_agent(folder.path(), Principal::Root);
    ready(&mut agent).await;

    let steps = [
        ("fs.mkdir", "{}"),
        ("fs.write", "\"/full/page\""),
        ("fs.stat", "{}"),
    ];
    let done = agent.execute(request("skill.page", &steps)).await;
    let done = done.unwrap().into_inner();
    assert_eq!(done.state(), TaskState::Failed);
    assert_eq!(done.error, "step 2 of 3, fs.write: no space left on /full");
    assert_eq!(done.executions.len(), 1, "what was done stays on record");
    assert_eq!(tools.calls.load(Ordering::SeqCst), 2);
    let info = ready(&mut agent).await;
    assert_eq!(
        (info.tasks_done, info.tasks_failed, info.doing.as_str()),
        (0, 1, "")
    );
}

#[tokio::test]
async fn a_stranger_and_another_domain_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    serve_tools(folder.path(), ToolsDouble::default());
    let mut agent = start_agent(folder.path(), Principal::Daemon("orchestrator".into()));
    ready(&mut agent).await;
    let refused = agent
        .execute(request("net.routes", &[("net.routes", "{}")]))
        .await;
    let refused = refused.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert!(refused.message().contains("fs.*"), "{}", refused.message());

    let other = tempfile::tempdir().unwrap();
    let mut agent = start_agent(other.path(), Principal::Agent("network".into()));
    while tokio::net::UnixStream::connect(other.path().join("agent.sock"))
        .await
        .is_err()
    {
        tokio::task::yield_now().await;
    }
    let refused = agent
        .execute(request("fs.read", &[("fs.read", "{}")]))
        .await;
    let refused = refused.unwrap_err();
    assert!(retry::is_transient(&refused), "turned away: {refused}");
}
