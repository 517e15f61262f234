//! What is done by itself at its time: with the real tools, and with doubles where time or chance matters.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aios_contracts::v1::emergency_server::EmergencyServer;
use aios_contracts::v1::tools_server::ToolsServer;
use aios_contracts::v1::*;
use aios_daemon::identity::Principal;
use aios_daemon::manifest::AgentManifest;
use aios_daemon::{Callers, Places};
use aios_goals::Call;
use aios_orchestrator::config::Limits;
use aios_orchestrator::goals::Wish;
use aios_tools::grants::Grants;
use aios_tools::grpc::Service as Tools;
use aios_tools::pipeline::Pipeline;
use aios_tools::registry::Registry;
use aios_tools::tasks::Tasks;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tonic::transport::Server;

use crate::node::{Node, Process};

const STORAGE: &str = "storage";
const TASK: &str = "task";

fn limits() -> Limits {
    Limits {
        patience: Duration::from_secs(5),
        schedules: Duration::from_millis(50),
        ..Limits::default()
    }
}

fn manifest(name: &str, capabilities: &[String]) -> AgentManifest {
    AgentManifest {
        name: name.into(),
        description: String::new(),
        tools: Vec::new(),
        capabilities: capabilities.to_vec(),
        service: toml::Table::new(),
    }
}

/// A node with the real tools; each agent is known by a socket of its own.
async fn with_real_tools() -> (Node, Arc<Pipeline>) {
    let node = Node::without_tools();
    let root = node.folder.path().canonicalize().unwrap().join("machine");
    std::fs::create_dir_all(root.join("data")).unwrap();
    let mut config = aios_tools::config::Config::load(Places::below(&root));
    config.fullness = Arc::new(|| None);
    let files = format!("fs:*:{}*", root.join("data").display());
    let grants = Grants::from_manifests(&[
        manifest(STORAGE, &[files]),
        manifest(TASK, &["schedule:*:*".to_owned()]),
    ]);
    let registry = Registry::complete();
    let pipeline = Pipeline::open(&config, registry, grants.unwrap(), Handle::current()).unwrap();
    let (pipeline, tasks) = (Arc::new(pipeline), Arc::<Tasks>::default());
    let serve = |socket: &str, caller: Principal| {
        let callers = Callers::played(move || caller.clone());
        let tools = Tools::new(pipeline.clone(), callers, tasks.clone());
        let server = Server::builder()
            .add_service(ToolsServer::new(tools))
            .add_service(EmergencyServer::new(node.emergency.clone()));
        tokio::spawn(server.serve_with_incoming(node.listen(socket)));
    };
    serve("tools.sock", Principal::Daemon("orchestrator".into()));
    for agent in [STORAGE, TASK] {
        serve(
            &format!("tools-{agent}.sock"),
            Principal::Agent(agent.into()),
        );
    }
    node.start_agents().await;
    (node, pipeline)
}

/// Gives a call as a goal of an operator; what came of it.
async fn called(process: &Process, tool: &str, arguments: Value) -> Goal {
    let wish = Wish {
        call: Some(Call {
            tool: tool.into(),
            arguments_json: arguments.to_string(),
        }),
        by: "CN=alice serial 0a".into(),
        ..Wish::default()
    };
    let goal = process.goals.submit(wish).await.unwrap();
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    goal
}

/// The one schedule, once it is as `is_so` says.
async fn once(pipeline: &Pipeline, is_so: impl Fn(&aios_tools::schedule::list::Shown) -> bool) {
    let mut last = String::new();
    for _ in 0..500 {
        let listed = pipeline.schedules().schedules;
        let (_, shown) = listed.first().unwrap();
        if is_so(shown) {
            return;
        }
        last = format!("{shown:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{last}");
}

fn order(path: &std::path::Path, when: &str) -> Value {
    json!({
        "order": {"tool": "fs.write", "arguments": {"path": path, "content": "tick"}}, "when": when
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_due_schedule_has_a_real_tool_called_also_after_a_restart() {
    let (node, pipeline) = with_real_tools().await;
    let process = node.start_with(limits());
    let data = node
        .folder
        .path()
        .canonicalize()
        .unwrap()
        .join("machine/data");
    let goal = called(
        &process,
        "schedule.create",
        order(&data.join("a"), "in 1 second"),
    )
    .await;
    assert!(goal.answer.contains("fs.write"), "{}", goal.answer);
    once(&pipeline, |shown| {
        shown.state == "done" && shown.last.is_some()
    })
    .await;
    assert_eq!(std::fs::read_to_string(data.join("a")).unwrap(), "tick");
    let listed = pipeline.schedules().schedules;
    let (schedule, shown) = listed.first().unwrap();
    assert_eq!(schedule.by, "CN=alice serial 0a");
    let last = shown.last.clone().unwrap();
    assert!(
        last.succeeded && last.text.contains("is written"),
        "{last:?}"
    );
    let run = process.goal(&last.goal_id).await;
    assert_eq!(run.role(), Role::Operator, "as whoever ordered it");
    assert_eq!(run.submitted_by, "CN=alice serial 0a");

    drop(process);
    std::fs::remove_file(data.join("a")).unwrap();
    let id = schedule.id.clone();
    let process = node.start_with(limits());
    called(&process, "schedule.run_now", json!({"schedule": id})).await;
    while !data.join("a").exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    once(&pipeline, |shown| shown.state == "done").await;
    let ledger = pipeline.ledger();
    let entries = ledger.entries(0..ledger.len()).unwrap();
    let count = |kind: &str| entries.iter().filter(|entry| entry.tool == kind).count();
    assert_eq!((count("schedule.run"), count("schedule.ended")), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_would_do_something_else_is_suspended_and_makes_the_node_degraded() {
    let (node, pipeline) = with_real_tools().await;
    let process = node.start_with(limits());
    let data = node
        .folder
        .path()
        .canonicalize()
        .unwrap()
        .join("machine/data");
    let (link, one, other) = (data.join("link"), data.join("one"), data.join("other"));
    for file in [&one, &other] {
        std::fs::write(file, "").unwrap();
    }
    std::os::unix::fs::symlink(&one, &link).unwrap();
    called(&process, "schedule.create", order(&link, "daily 02:00")).await;
    let id = pipeline.schedules().schedules[0].0.id.clone();
    std::fs::remove_file(&link).unwrap();
    std::os::unix::fs::symlink(&other, &link).unwrap();
    called(&process, "schedule.run_now", json!({"schedule": id})).await;
    once(&pipeline, |shown| shown.state == "suspended").await;
    for file in [&one, &other] {
        assert_eq!(
            std::fs::read_to_string(file).unwrap(),
            "",
            "nothing was done"
        );
    }
    let viewer = Some(node.authority.client(&["viewer"]));
    let mut viewer = process.client(&node.authority, viewer).await;
    let mut said = Vec::new();
    for _ in 0..100 {
        let status = viewer.get_status(GetStatusRequest {}).await.unwrap();
        said = status.into_inner().degraded;
        if said.iter().any(|line| line.contains("path is now")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{said:?}");
}

fn due(goal_id: &str, by: &str) -> DueRun {
    DueRun {
        schedule: "0123abcd".into(),
        goal_id: goal_id.into(),
        goal: "check disk usage".into(),
        by: by.into(),
        role: Role::Admin.into(),
        ..DueRun::default()
    }
}

async fn ended(node: &Node) -> EndScheduleRunRequest {
    for _ in 0..500 {
        if let Some(ended) = node.tools.ended.lock().unwrap().pop() {
            return ended;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no run has ended");
}

#[tokio::test]
async fn a_run_is_one_goal_in_the_name_of_whoever_ordered_it() {
    let node = Node::new().await;
    let id = "0190b6a0-0000-7000-8000-00000000000a";
    node.tools.hold.store(true, Ordering::SeqCst);
    let run = DueRun {
        goal: "make /srv/a and wait".into(),
        ..due(id, "CN=ann serial 0b")
    };
    node.tools.due.lock().unwrap().push(run);
    let process = node.start_with(limits());
    let is_watched = || {
        let takes = node.tools.takes.lock().unwrap();
        takes.iter().any(|take| take.goal_ids == [id])
    };
    while !is_watched() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // The orchestrator dies, and the next one goes on with the same goal.
    drop(process);
    node.tools.takes.lock().unwrap().clear();
    let process = node.start_with(limits());
    while !is_watched() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    node.tools.hold.store(false, Ordering::SeqCst);
    let told = ended(&node).await;
    assert_eq!((told.goal_id.as_str(), told.succeeded), (id, true));
    let goal = process.goal(id).await;
    let who = (goal.submitted_by.as_str(), goal.role());
    assert_eq!(who, ("CN=ann serial 0b", Role::Admin));
    assert_eq!(told.text, goal.answer);
    let goals = node.memory.goals.lock().unwrap().len();
    assert_eq!(goals, 1, "given once, however often it was asked for");
}

#[tokio::test]
async fn while_the_stop_holds_what_is_due_is_not_begun() {
    let node = Node::new().await;
    let process = node.start_with(limits());
    let operator = Some(node.authority.client(&["operator"]));
    let mut operator = process.client(&node.authority, operator).await;
    operator
        .emergency_stop(EmergencyRequest::default())
        .await
        .unwrap();
    node.tools.takes.lock().unwrap().clear();
    node.tools
        .due
        .lock()
        .unwrap()
        .push(due("g", "CN=ann serial 0b"));
    while node.tools.takes.lock().unwrap().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let takes = node.tools.takes.lock().unwrap().clone();
    assert!(takes.last().unwrap().stopped);
    assert!(node.memory.goals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_somebody_ordered_whose_certificate_was_taken_back_is_not_done() {
    let node = Node::new().await;
    let process = node.start_with(limits());
    let admin = Some(node.authority.client(&["admin"]));
    let mut admin = process.client(&node.authority, admin).await;
    let pem = node.authority.revocations(1, &[0xb]);
    admin
        .revoke_certificates(RevokeCertificatesRequest { pem })
        .await
        .unwrap();
    node.tools
        .due
        .lock()
        .unwrap()
        .push(due("g", "CN=ann serial 00:0B"));
    let told = ended(&node).await;
    assert!(
        !told.succeeded && told.suspend.contains("was taken back"),
        "{told:?}"
    );
    assert!(node.memory.goals.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_viewer_sees_schedules_without_arguments() {
    let node = Node::new().await;
    let process = node.start();
    for (role, expected) in [("viewer", ""), ("operator", "{\"secret\":1}")] {
        let identity = Some(node.authority.client(&[role]));
        let mut client = process.client(&node.authority, identity).await;
        let all = client
            .list_schedules(ListSchedulesRequest::default())
            .await
            .unwrap();
        let all = all.into_inner().schedules;
        assert_eq!(
            all[0].call.as_ref().unwrap().arguments_json,
            expected,
            "{role}"
        );
    }
}
