//! The daemon's service over a real socket: who may call, streams, one update at a time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use aios_contracts::v1::update_client::UpdateClient;
use aios_contracts::v1::update_server::UpdateServer;
use aios_contracts::v1::{GetSlotsRequest, InstallRequest, InstallStage, RollbackRequest, Slots};
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_daemon::idle::Activity;
use aios_update::install::Site;
use aios_update::place::NoSlots;
use aios_update::service::Service;
use support::Node;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

struct Daemon {
    client: UpdateClient<Channel>,
    activity: Activity,
}

fn daemon(socket: PathBuf, site: Result<Site, NoSlots>, caller: Principal) -> Daemon {
    let service = Service::new(site, Callers::played(move || caller.clone()));
    let activity = service.activity();
    let listener = UnixListenerStream::new(tokio::net::UnixListener::bind(&socket).unwrap());
    let server = tonic::transport::Server::builder().add_service(UpdateServer::new(service));
    tokio::spawn(server.serve_with_incoming(listener));
    let client = UpdateClient::new(aios_daemon::socket::channel(&socket).unwrap());
    Daemon { client, activity }
}

fn orchestrators(node: &Node) -> Daemon {
    let caller = Principal::Daemon("orchestrator".into());
    daemon(node.folder.path().join("s"), Ok(node.site.clone()), caller)
}

/// Sends a bundle as `aiosctl` does, and follows it to its end.
async fn install(mut client: UpdateClient<Channel>, bytes: Vec<u8>) -> Result<Slots, Status> {
    let size = bytes.len() as u64;
    let (pieces, stream) = mpsc::channel(4);
    tokio::spawn(async move {
        for piece in bytes.chunks(256 * 1024) {
            let request = InstallRequest {
                size,
                data: piece.to_vec(),
            };
            if pieces.send(request).await.is_err() {
                return;
            }
        }
    });
    let mut progress = client
        .install(ReceiverStream::new(stream))
        .await?
        .into_inner();
    let mut stages = Vec::new();
    while let Some(message) = progress.message().await? {
        stages.push(message.stage());
        if let Some(slots) = message.slots {
            assert!(stages.contains(&InstallStage::Receiving), "{stages:?}");
            return Ok(slots);
        }
    }
    panic!("no end: {stages:?}")
}

#[tokio::test]
async fn a_stream_is_installed_and_a_bad_one_refused_with_its_reason() {
    let node = Node::new();
    let mut daemon = orchestrators(&node);
    let mut bad = node.bundle(101, |_| {});
    bad[600] ^= 1;
    let refused = install(daemon.client.clone(), bad).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    let old = install(daemon.client.clone(), node.bundle(1, |_| {}))
        .await
        .unwrap_err();
    assert_eq!(old.code(), Code::FailedPrecondition, "{old}");
    assert!(old.message().contains("older than 100"), "{old}");
    let slots = install(daemon.client.clone(), node.bundle(101, |_| {}))
        .await
        .unwrap();
    assert_eq!((slots.running.as_str(), slots.first.as_str()), ("a", "b"));
    let back = daemon
        .client
        .rollback(RollbackRequest {})
        .await
        .unwrap_err();
    assert!(back.message().contains("was never marked good"), "{back}");
}

#[tokio::test]
async fn one_update_at_a_time_and_one_that_stops_coming_is_no_update() {
    let node = Node::new();
    let mut daemon = orchestrators(&node);
    let bytes = node.bundle(101, |_| {});
    let (pieces, stream) = mpsc::channel(4);
    let first = InstallRequest {
        size: bytes.len() as u64,
        data: bytes[..100_000].to_vec(),
    };
    pieces.send(first).await.unwrap();
    let mut progress = daemon
        .client
        .install(ReceiverStream::new(stream))
        .await
        .unwrap()
        .into_inner();
    assert!(progress.message().await.unwrap().is_some());
    assert_eq!(daemon.activity.idle(), Duration::ZERO);
    let second = install(daemon.client.clone(), bytes.clone())
        .await
        .unwrap_err();
    assert!(
        second
            .message()
            .contains("another update is being installed"),
        "{second}"
    );
    let slots = daemon
        .client
        .get_slots(GetSlotsRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(slots.first, "a", "slots can be looked at meanwhile");
    drop(pieces);
    let cut = loop {
        match progress.message().await {
            Err(status) => break status,
            Ok(message) => assert!(message.is_some(), "ended without a word"),
        }
    };
    assert!(cut.message().contains("cut short"), "{cut}");
    assert!(node.nothing_is_staged());
    install(daemon.client.clone(), bytes).await.unwrap();
}

#[tokio::test]
async fn strangers_are_refused_and_a_way_without_slots_says_so() {
    let node = Node::new();
    let path = |name: &str| node.folder.path().join(name);
    let orchestrator = || Principal::Daemon("orchestrator".into());
    let check = async |daemon: Daemon, code, expected: &str| {
        let refused = daemon
            .client
            .clone()
            .get_slots(Request::new(GetSlotsRequest {}))
            .await
            .unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(expected), "{refused}");
    };
    let site = || Ok(node.site.clone());
    for caller in [
        Principal::Agent("system".into()),
        Principal::Daemon("tools".into()),
        Principal::Other(1000),
    ] {
        let text = format!("{caller} may not");
        check(
            daemon(path(&caller.to_string()), site(), caller),
            Code::PermissionDenied,
            &text,
        )
        .await;
    }
    let none = daemon(path("none"), Err(NoSlots::NotHere), orchestrator());
    check(
        none,
        Code::FailedPrecondition,
        "this way of running has no slots",
    )
    .await;
}
