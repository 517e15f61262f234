//! The emergency stop, with a goal under way.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use aios_contracts::v1::*;
use aios_goals::End;
use aios_orchestrator::goals::Wish;
use tonic::Code;

use crate::node::Node;

fn order(reason: &str) -> EmergencyRequest {
    EmergencyRequest {
        reason: reason.into(),
        ..EmergencyRequest::default()
    }
}

async fn effects(node: &Node, count: usize) {
    while node.tools.effects.lock().unwrap().len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_stop_suspends_goals_within_a_second_and_over_a_restart_and_they_go_on_at_the_resume() {
    let node = Node::new().await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let process = node.start();
    let operator = Some(node.authority.client(&["operator"]));
    let mut operator = process.client(&node.authority, operator).await;
    let goal = process.submit("make /srv/a and wait").await;
    effects(&node, 2).await;

    let began = Instant::now();
    let state = operator.emergency_stop(order("wrong disk")).await.unwrap();
    let state = state.into_inner();
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    assert!(state.stopped && state.remarks.is_empty(), "{state:?}");
    assert_eq!(state.goals_suspended, 1);
    let kills = node.init.kills.load(Ordering::SeqCst);
    assert_eq!(kills, 1, "all agents by one order");
    assert!(
        node.emergency.stop.lock().unwrap().is_some(),
        "aios-tools was told"
    );

    // Whatever the tool does now, the goal does not go on.
    node.tools.hold.store(false, Ordering::SeqCst);
    let wish = Wish {
        text: "check disk usage".into(),
        ..Wish::default()
    };
    let refused = process.goals.submit(wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("wrong disk"),
        "{}",
        refused.message()
    );
    let agent = ServiceRequest {
        name: "agent-task".into(),
    };
    let admin = Some(node.authority.client(&["admin"]));
    let mut admin = process.client(&node.authority, admin).await;
    let refused = admin.start_service(agent).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "agents stay down");
    let status = operator
        .get_status(GetStatusRequest {})
        .await
        .unwrap()
        .into_inner();
    assert_eq!(status.state, "manual");
    assert!(status.emergency.unwrap().by.contains("CN=alice"));
    let resumed = operator.emergency_resume(order("")).await.unwrap_err();
    assert_eq!(
        resumed.code(),
        Code::PermissionDenied,
        "only an admin resumes"
    );
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(process.goal(&goal.id).await.state(), GoalState::Running);

    drop(process); // SIGKILL; and tools has lost its file
    node.emergency.stop.lock().unwrap().take();
    let process = node.start();
    let admin = Some(node.authority.client(&["admin"]));
    let mut admin = process.client(&node.authority, admin).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(process.goal(&goal.id).await.state(), GoalState::Running);
    assert_eq!(node.tools.effects.lock().unwrap().len(), 2);
    assert!(
        node.emergency.stop.lock().unwrap().is_some(),
        "aios-tools was told again"
    );

    assert!(
        !admin
            .emergency_resume(order("mended"))
            .await
            .unwrap()
            .into_inner()
            .stopped
    );
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(
        node.tools.effects.lock().unwrap().len(),
        2,
        "no effect twice"
    );
    assert!(node.emergency.stop.lock().unwrap().is_none());
}

#[tokio::test]
async fn a_suspended_goal_can_be_cancelled_at_once_or_with_the_resume() {
    let node = Node::new().await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let process = node.start();
    let admin = Some(node.authority.client(&["admin"]));
    let mut admin = process.client(&node.authority, admin).await;
    let one = process.submit("make /srv/a and wait").await;
    let two = process.submit("make /srv/a and wait").await;
    effects(&node, 4).await;
    admin.emergency_stop(order("")).await.unwrap();
    let cancelled = process.goals.cancel(&one.id, "CN=bob").await.unwrap();
    assert!(matches!(cancelled.end(), Some(End::Cancelled { .. })));
    let request = EmergencyRequest {
        cancel_goals: true,
        ..order("")
    };
    admin.emergency_resume(request).await.unwrap();
    let two = process.ended(&two.id).await;
    assert_eq!(two.state(), GoalState::Cancelled);
    assert!(two.reason.contains("CN=alice"), "{}", two.reason);
}

#[tokio::test]
async fn a_stop_that_only_the_tools_know_holds_for_the_orchestrator() {
    let node = Node::new().await;
    *node.emergency.stop.lock().unwrap() = Some(order(""));
    let process = node.start();
    for _ in 0..500 {
        let wish = Wish {
            text: "check disk usage".into(),
            ..Wish::default()
        };
        if process.goals.submit(wish).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("goals are taken");
}
