//! Certificates that the authority has taken back.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aios_contracts::v1::management_client::ManagementClient;
use aios_contracts::v1::*;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::node::{Node, Process};

/// The serial numbers of these tests' operators.
const EVE: u64 = 0xe0e0_0001;
const ANN: u64 = 0xa0a0_0001;

async fn client(node: &Node, process: &Process, role: &str, serial: u64) -> Client {
    let identity = node.authority.client_with_serial(&[role], serial);
    process.client(&node.authority, Some(identity)).await
}

type Client = ManagementClient<Channel>;

async fn revoke(client: &mut Client, pem: String) -> Result<RevokedCertificates, Status> {
    let request = RevokeCertificatesRequest { pem };
    Ok(client.revoke_certificates(request).await?.into_inner())
}

async fn status(client: &mut Client) -> Result<SystemStatus, Status> {
    let answer = client.get_status(GetStatusRequest {}).await;
    answer.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn a_certificate_that_is_taken_back_opens_nothing_and_keeps_nothing_open() {
    let node = Node::new().await;
    let process = node.start();
    let mut ann = client(&node, &process, "admin", ANN).await;
    let mut eve = client(&node, &process, "operator", EVE).await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let goal = process.submit("make /srv/a and wait").await;
    let watched = GetGoalRequest { id: goal.id };
    let mut changes = eve.watch_goal(watched).await.unwrap().into_inner();

    let list = node.authority.revocations(1, &[EVE]);
    let revoked = revoke(&mut ann, list.clone()).await.unwrap();
    assert_eq!(revoked.lists[0].serials, ["e0e00001"]);
    assert!(node.record("pki.revoke").await.detail.contains("list 1"));
    let refused = status(&mut eve).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
    assert!(refused.message().contains("revoked"), "{refused}");
    let record = node.record("client.denied").await;
    assert!(record.detail.contains("revoked"), "{}", record.detail);

    let ended = async { while let Ok(Some(_)) = changes.message().await {} };
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(
        ended.is_ok(),
        "what she watches is not given to her any more"
    );
    assert!(
        node.record("client.refused")
            .await
            .detail
            .contains("closed")
    );
    node.tools.records.lock().unwrap().clear();
    let mut again = client(&node, &process, "operator", EVE).await;
    status(&mut again).await.unwrap_err();
    let record = node.record("client.refused").await;
    assert!(record.detail.contains("Revoked"), "{}", record.detail);
    status(&mut ann).await.unwrap();

    drop(process);
    let process = node.start();
    let mut eve = client(&node, &process, "operator", EVE).await;
    status(&mut eve).await.unwrap_err();
    let mut ann = client(&node, &process, "admin", ANN).await;
    let request = GetRevokedRequest {};
    let kept = ann.get_revoked(request).await.unwrap().into_inner();
    assert_eq!(kept, revoked);
    // The same list again changes nothing.
    assert_eq!(revoke(&mut ann, list).await.unwrap(), revoked);
}

#[tokio::test]
async fn a_list_that_is_older_foreign_damaged_or_no_admins_is_refused() {
    let node = Node::new().await;
    let process = node.start();
    let mut ann = client(&node, &process, "admin", ANN).await;
    let list = |number: u64, serials: &[u64]| node.authority.revocations(number, serials);
    revoke(&mut ann, list(5, &[EVE])).await.unwrap();
    // Of the same name, so that only the signature tells.
    let other = crate::pki::Authority::new("test authority");
    let stranger = crate::pki::Authority::new("another authority");
    let mut damaged = list(6, &[]);
    let middle = damaged.len() / 2;
    let with = if damaged.as_bytes()[middle] == b'A' {
        "B"
    } else {
        "A"
    };
    damaged.replace_range(middle..=middle, with);
    for (pem, code, expected) in [
        (
            list(4, &[]),
            Code::FailedPrecondition,
            "number 5 is in force",
        ),
        (
            list(5, &[]),
            Code::FailedPrecondition,
            "number 5 is in force",
        ),
        (
            other.revocations(6, &[ANN]),
            Code::InvalidArgument,
            "signature",
        ),
        (
            stranger.revocations(6, &[ANN]),
            Code::InvalidArgument,
            "not this node's",
        ),
        (damaged, Code::InvalidArgument, "not a list"),
        ("nothing".to_owned(), Code::InvalidArgument, "not a list"),
        (
            list(6, &[]) + &list(7, &[]),
            Code::InvalidArgument,
            "one block",
        ),
    ] {
        let refused = revoke(&mut ann, pem).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(expected), "{refused}");
    }
    let mut bob = client(&node, &process, "operator", 7).await;
    let denied = revoke(&mut bob, list(9, &[ANN])).await.unwrap_err();
    assert_eq!(denied.code(), Code::PermissionDenied);
    let mut eve = client(&node, &process, "admin", EVE).await;
    status(&mut eve).await.unwrap_err();
    // An admin's own certificate: the answer arrives, and it was the last one.
    revoke(&mut ann, list(10, &[ANN])).await.unwrap();
    status(&mut ann).await.unwrap_err();
    // The authority gives it back, by a higher number.
    let mut joe = client(&node, &process, "admin", 8).await;
    revoke(&mut joe, list(11, &[])).await.unwrap();
    let mut eve = client(&node, &process, "admin", EVE).await;
    status(&mut eve).await.unwrap();
}

#[tokio::test]
async fn a_list_that_is_damaged_on_the_disk_is_told() {
    let node = Node::new().await;
    let kept = node.folder.path().join("state/revoked.pem");
    std::fs::create_dir_all(kept.parent().unwrap()).unwrap();
    let damaged = node.authority.revocations(1, &[EVE]).replace("=", "");
    std::fs::write(&kept, &damaged[..damaged.len() - 40]).unwrap();
    let process = node.start();
    let mut ann = client(&node, &process, "admin", ANN).await;
    let told = status(&mut ann).await.unwrap().degraded;
    let is_told = |told: &[String]| {
        told.iter()
            .any(|line| line.contains("revoked certificates"))
    };
    assert!(is_told(&told), "{told:?}");
    let list = node.authority.revocations(1, &[EVE]);
    revoke(&mut ann, list).await.unwrap();
    assert!(!is_told(&status(&mut ann).await.unwrap().degraded));
}
