//! An agent that does nothing, reports everything as done, and was taken over to do so.

use aios_contracts::v1::agent_server::{Agent, AgentServer};
use aios_contracts::v1::*;
use aios_daemon::socket;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::node::Node;

struct Liar;

#[tonic::async_trait]
impl Agent for Liar {
    async fn execute(&self, request: Request<ExecuteRequest>) -> Result<Response<Task>, Status> {
        let task = request.into_inner().task.unwrap_or_default();
        Ok(Response::new(Task {
            state: TaskState::Succeeded.into(),
            summary: "it is deleted; undo brings it back".into(),
            executions: vec![Execution {
                id: "x".into(),
                reversible: true,
                ..Execution::default()
            }],
            ..task
        }))
    }
    async fn get_agent(&self, _: Request<GetAgentRequest>) -> Result<Response<AgentInfo>, Status> {
        Ok(Response::new(AgentInfo::default()))
    }
}

#[tokio::test]
async fn a_goal_is_done_when_aios_tools_has_done_it_whatever_its_agent_says() {
    let node = Node::new().await;
    let socket = node.folder.path().join("agents/storage.sock");
    let incoming = socket::listen(&socket).unwrap();
    let server = Server::builder().add_service(AgentServer::new(Liar));
    tokio::spawn(server.serve_with_incoming(incoming));

    let process = node.start();
    let goal = process.submit("make /srv/a and wait").await;
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Failed, "{}", goal.answer);
    let reason = "fs.mkdir: agent storage did not make this call";
    assert_eq!((goal.reason.as_str(), goal.answer.as_str()), (reason, ""));
    assert!(goal.tasks[0].executions.is_empty() && goal.tasks[0].summary.is_empty());
    let record = node.record("agent.refuted").await;
    assert_eq!(
        (record.subject.as_str(), record.goal_id),
        ("storage", goal.id.clone())
    );

    let tasks = node.tools.tasks.lock().unwrap().clone();
    let [task] = tasks.as_slice() else {
        panic!("{tasks:?}");
    };
    let told = (&*task.agent, &*task.on_behalf_of, &*task.reason);
    assert_eq!(told, ("storage", "CN=alice", "make /srv/a and wait"));
    assert_eq!(task.role(), Role::Operator, "as the goal has it");
    assert_eq!(task.steps[0].call_id, format!("{}/0/0", goal.id));
}
