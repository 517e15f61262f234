//! What strangers and viewers can hold open, and that an operator gets in meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aios_contracts::v1::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

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
