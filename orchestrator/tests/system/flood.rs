//! What strangers and viewers can hold open, and that an operator gets in meanwhile.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aios_contracts::v1::*;
use aios_orchestrator::api::turns::OF_LARGE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tonic::body::Body;
use tonic::codegen::http;
use tower::{Service as _, ServiceExt as _};

use crate::node::{Node, Process};

/// The first bytes of a handshake: a record of 512 bytes, which does not come.
const HALF_A_HELLO: &[u8] = &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Opens a connection, says this much, and waits; again when it is closed.
async fn hold(address: SocketAddr, says: &'static [u8]) {
    loop {
        if let Ok(mut stream) = TcpStream::connect(address).await {
            drop(stream.write_all(says).await);
            drop(stream.read_u8().await);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The longest time that an operator with a new connection waits for its emergency stop.
async fn slowest_stop(node: &Node, process: &Process) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let identity = Some(node.authority.client(&["operator"]));
        let began = Instant::now();
        let mut operator = process.client(&node.authority, identity).await;
        let stop = operator.emergency_stop(EmergencyRequest::default());
        let answer = tokio::time::timeout(Duration::from_secs(10), stop).await;
        assert!(answer.unwrap().unwrap().into_inner().stopped);
        slowest = slowest.max(began.elapsed());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_who_hold_their_sockets_open_keep_nobody_from_the_emergency_stop() {
    let node = Node::new().await;
    let process = node.start();
    let address = process.address().await;
    let mut flood = JoinSet::new();
    for number in 0..400 {
        let says: &[u8] = if number % 4 == 0 { HALF_A_HELLO } else { &[] };
        flood.spawn(hold(address, says));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let slowest = slowest_stop(&node, &process).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_viewer_with_idle_connections_keeps_nobody_out_and_loses_none_at_work() {
    let node = Node::new().await;
    let process = node.start();
    let identity = node.authority.client(&["viewer"]);
    let mut first = process
        .client(&node.authority, Some(identity.clone()))
        .await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let goal = process.submit("make /srv/a and wait").await;
    let watched = GetGoalRequest { id: goal.id };
    let mut changes = first.watch_goal(watched).await.unwrap().into_inner();
    let mut held = Vec::new();
    for _ in 0..300 {
        let mut viewer = process
            .client(&node.authority, Some(identity.clone()))
            .await;
        viewer
            .get_goal(GetGoalRequest::default())
            .await
            .unwrap_err();
        held.push(viewer);
    }
    let slowest = slowest_stop(&node, &process).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let moment = Duration::from_millis(500);
    while let Ok(change) = tokio::time::timeout(moment, changes.message()).await {
        assert!(change.unwrap().is_some(), "the goal is not finished");
    }
}

/// Connections that a certificate may have.
const CONNECTIONS: usize = 8;

/// A `GetGoalRequest` for the goal `large`, as it is on the wire.
const ASKS_FOR_LARGE: &str = "\0\0\0\0\u{7}\n\u{5}large";

/// Resident memory of this process, in bytes, by proc(5).
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_a_viewer_does_not_take_fill_no_memory() {
    let node = Node::new().await;
    let process = node.start();
    let output = "x".repeat(3 * 1024 * 1024);
    let execution = Execution {
        output_json: serde_json::Value::from(output).to_string(),
        ..Execution::default()
    };
    node.memory.goals.lock().unwrap().push(Goal {
        id: "large".into(),
        state: GoalState::Succeeded.into(),
        tasks: vec![Task {
            executions: vec![execution],
            ..Task::default()
        }],
        ..Goal::default()
    });
    let eve = node.authority.client(&["viewer"]);
    let mut first = process.client(&node.authority, Some(eve.clone())).await;
    let id = GetGoalRequest { id: "large".into() };
    let goal = first.get_goal(id).await.unwrap().into_inner();
    assert!(goal.tasks[0].executions[0].output_json.len() > 3_000_000);

    let before = resident();
    let begun = Arc::new(AtomicUsize::new(0));
    let mut held = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let channel = process.channel(&node.authority, Some(eve.clone())).await;
        for _ in 0..64 {
            let (mut channel, begun) = (channel.clone(), Arc::clone(&begun));
            held.spawn(async move {
                let request = http::Request::post("http://aios/aios.v1.Management/GetGoal")
                    .header("content-type", "application/grpc")
                    .header("te", "trailers")
                    .body(Body::new(ASKS_FOR_LARGE.to_owned()))
                    .unwrap();
                channel.ready().await.unwrap();
                // The answer begins, and nobody reads what it says.
                let unread = channel.call(request).await.unwrap();
                // A refusal says so in its first headers.
                if !unread.headers().contains_key("grpc-status") {
                    begun.fetch_add(1, Ordering::Relaxed);
                }
                std::future::pending::<()>().await;
            });
        }
    }
    let mut most = 0;
    for _ in 0..60 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        most = most.max(resident().saturating_sub(before));
    }
    let slowest = slowest_stop(&node, &process).await;
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    let begun = begun.load(Ordering::Relaxed);
    assert!(begun <= OF_LARGE, "{begun} answers were begun");
    // The allocator keeps some of what was freed; all 512 answers would be 1,536 MiB.
    let most = most / (1024 * 1024);
    println!("{most} MiB more at most");
    assert!(most < 96, "{most} MiB more");
}
