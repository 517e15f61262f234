//! Who is let in on the management port, and what they may do there.

use std::time::Duration;

use aios_contracts::v1::*;
use tonic::Code;

use crate::node::Node;
use crate::pki::Authority;

#[tokio::test]
async fn an_operator_gives_a_goal_and_watches_it_to_its_end() {
    let node = Node::new().await;
    let process = node.start();
    let identity = node.authority.client(&["operator"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    let request = SubmitGoalRequest {
        text: "check disk usage".into(),
        ..SubmitGoalRequest::default()
    };
    let goal = client.submit_goal(request).await.unwrap().into_inner();
    assert!(
        goal.submitted_by.contains("CN=alice"),
        "{}",
        goal.submitted_by
    );
    assert!(
        goal.submitted_by.contains("serial"),
        "{}",
        goal.submitted_by
    );
    let id = GetGoalRequest {
        id: goal.id.clone(),
    };
    let mut changes = client.watch_goal(id.clone()).await.unwrap().into_inner();
    let mut last = goal;
    while let Some(change) = changes.message().await.unwrap() {
        last = change;
    }
    assert_eq!(last.state(), GoalState::Succeeded, "{}", last.reason);
    assert_eq!(client.get_goal(id).await.unwrap().into_inner(), last);

    let undo = UndoRequest {
        execution_id: last.tasks[0].executions[0].id.clone(),
        on_behalf_of: "CN=somebody else".into(),
        role: Role::Admin.into(),
        ..UndoRequest::default()
    };
    let undone = client.undo(undo).await.unwrap().into_inner();
    // What the certificate says, whatever the client said.
    let by = &undone.summary;
    assert!(by.starts_with("undone for CN=alice"), "{by}");
    assert!(by.ends_with(", ROLE_OPERATOR"), "{by}");
    let status = client
        .get_status(GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!((status.agents_connected, status.agents_total), (3, 3));
    let asked = node.init.started.lock().unwrap().clone();
    assert!(
        asked.is_empty(),
        "agents that are there are not started: {asked:?}"
    );
    assert!(status.you.ends_with("(operator)"), "{}", status.you);
    let logs = client.logs(LogsRequest::default()).await.unwrap();
    let line = logs.into_inner().message().await.unwrap().unwrap();
    assert_eq!(line.text, "a line");
}

#[tokio::test]
async fn whoever_has_no_good_certificate_is_refused_and_on_record() {
    let node = Node::new().await;
    let process = node.start();
    let other = Authority::new("test authority");
    let cases = [
        ("no certificate", None, "no certificate"),
        (
            "another authority's",
            Some(other.client(&["admin"])),
            "handshake failed",
        ),
        (
            "an expired one",
            Some(node.authority.expired_client()),
            "xpired",
        ),
        (
            "a server's",
            Some(node.authority.server_as_client()),
            "handshake failed",
        ),
        (
            "one that does not say what it is for",
            Some(node.authority.client_for_anything()),
            "not for clients",
        ),
    ];
    for (name, identity, reason) in cases {
        node.tools.records.lock().unwrap().clear();
        let mut client = process.client(&node.authority, identity).await;
        let refused = client.get_status(GetStatusRequest {}).await;
        assert!(refused.is_err(), "{name} was let in");
        let record = node.record("client.refused").await;
        assert!(
            record.subject.starts_with("127.0.0.1:"),
            "{}",
            record.subject
        );
        assert!(record.detail.contains(reason), "{name}: {}", record.detail);
    }
}

#[tokio::test]
async fn a_connection_ends_with_its_certificate() {
    let node = Node::new().await;
    let process = node.start();
    let identity = node.authority.client_for(Duration::from_secs(2));
    let mut client = process.client(&node.authority, Some(identity)).await;
    node.tools
        .hold
        .store(true, std::sync::atomic::Ordering::SeqCst);
    let goal = process.submit("make /srv/a and wait").await;
    let watched = GetGoalRequest { id: goal.id };
    let mut changes = client.watch_goal(watched).await.unwrap().into_inner();
    let ended = async { while let Ok(Some(_)) = changes.message().await {} };
    let ended = tokio::time::timeout(Duration::from_secs(5), ended).await;
    assert!(ended.is_ok(), "what it watches is not given to it any more");
    for _ in 0..3 {
        // The first may still find the former connection, the next ones make another.
        assert!(client.get_status(GetStatusRequest {}).await.is_err());
    }
    let record = node.record("client.refused").await;
    assert!(record.detail.contains("xpired"), "{}", record.detail);
}

#[tokio::test]
async fn what_is_not_tls_is_refused_and_others_are_served_meanwhile() {
    use tokio::io::AsyncWriteExt;
    let node = Node::new().await;
    let process = node.start();
    let address = process.address().await;
    let silent = tokio::net::TcpStream::connect(address).await.unwrap();
    let mut noisy = tokio::net::TcpStream::connect(address).await.unwrap();
    noisy.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let record = node.record("client.refused").await;
    assert!(
        record.detail.contains("handshake failed"),
        "{}",
        record.detail
    );
    let identity = node.authority.client(&["viewer"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    client.get_status(GetStatusRequest {}).await.unwrap();
    drop(silent);
}

#[tokio::test]
async fn a_role_that_is_not_enough_or_not_clear_is_denied_and_on_record() {
    let node = Node::new().await;
    let process = node.start();
    let cases: [(&[&str], Code); 4] = [
        (&["operator"], Code::PermissionDenied),
        (&[], Code::PermissionDenied),
        (&["superuser"], Code::PermissionDenied),
        (&["admin"], Code::Ok),
    ];
    for (units, expected) in cases {
        node.tools.records.lock().unwrap().clear();
        let identity = node.authority.client(units);
        let mut client = process.client(&node.authority, Some(identity)).await;
        let request = PowerRequest {
            action: PowerAction::Reboot.into(),
            reason: "test".into(),
        };
        let code = client
            .power(request)
            .await
            .map_or_else(|s| s.code(), |_| Code::Ok);
        assert_eq!(code, expected, "{units:?}");
        let kind = if code == Code::Ok {
            "power"
        } else {
            "client.denied"
        };
        assert!(node.record(kind).await.subject.contains("CN=alice"));
    }
    assert_eq!(node.init.power.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn oversized_and_wrong_requests_are_refused_clearly_and_on_record() {
    let node = Node::new().await;
    let process = node.start();
    let identity = node.authority.client(&["operator"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    for (text, expected) in [
        ("x".repeat(2 << 20), Code::OutOfRange),
        ("x".repeat(3000), Code::InvalidArgument),
        (String::new(), Code::InvalidArgument),
    ] {
        node.tools.records.lock().unwrap().clear();
        let request = SubmitGoalRequest {
            text,
            ..SubmitGoalRequest::default()
        };
        let refused = client.submit_goal(request).await.unwrap_err();
        assert_eq!(refused.code(), expected, "{}", refused.message());
        let record = node.record("request.refused").await;
        assert!(record.detail.contains("SubmitGoal"), "{}", record.detail);
    }
    assert!(
        node.memory.goals.lock().unwrap().is_empty(),
        "nothing was changed"
    );
    let none = client
        .get_goal(GetGoalRequest {
            id: "nothing".into(),
        })
        .await
        .unwrap_err();
    assert_eq!(none.code(), Code::NotFound);
}

#[tokio::test]
async fn without_certificates_there_is_no_api_until_they_come() {
    let node = Node::new().await;
    let pki = node.folder.path().join("etc/pki");
    std::fs::remove_dir_all(&pki).unwrap();
    let process = node.start();
    let goal = process.submit("check disk usage").await;
    assert_eq!(
        process.ended(&goal.id).await.state(),
        GoalState::Succeeded,
        "goals work without"
    );
    node.authority.install(&pki);
    let identity = node.authority.client(&["viewer"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    client.get_status(GetStatusRequest {}).await.unwrap();
}
