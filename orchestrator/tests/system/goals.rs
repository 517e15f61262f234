//! Goals from words to effects.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aios_contracts::v1::*;
use aios_goals::{Call, End};
use aios_orchestrator::config::Limits;
use aios_orchestrator::goals::Wish;
use tonic::Code;

use crate::node::Node;

#[tokio::test]
async fn a_goal_is_planned_done_and_answered_and_the_second_time_known() {
    let node = Node::new().await;
    let process = node.start();
    let goal = process.submit("check disk usage").await;
    assert!(
        node.memory.goal(&goal.id).is_some(),
        "durable when submitted"
    );
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(goal.answer, "monitor.disk {}");
    assert_eq!(goal.level(), Level::Operational);
    assert_eq!(goal.tasks[0].agent, "system");
    assert_eq!(
        node.memory.goal(&goal.id).unwrap(),
        goal,
        "the memory has the same"
    );
    let waits = node.memory.writes.load(Ordering::SeqCst);
    assert_eq!(waits, 3, "taken, before the task is dispatched, at its end");
    let decisions = node.memory.decisions.lock().unwrap().clone();
    assert_eq!(decisions.len(), 2);
    assert_eq!(decisions[0].chosen, "monitor.disk");
    assert!(
        decisions[0]
            .reason
            .contains("tactical and strategic: not there")
    );

    let again = process.submit("Check  disk usage.").await;
    let again = process.ended(&again.id).await;
    assert_eq!(again.state(), GoalState::Succeeded);
    assert_eq!(again.level(), Level::Reactive);
}

#[tokio::test]
async fn a_skill_is_one_task_of_several_calls() {
    let node = Node::new().await;
    let process = node.start();
    let goal = process.submit("put hi into a page in /srv/w").await;
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(goal.tasks.len(), 1);
    assert_eq!(goal.tasks[0].agent, "task");
    let effects = node.tools.effects.lock().unwrap();
    assert_eq!(effects[&format!("{}/0/0", goal.id)].tool, "fs.mkdir");
    assert_eq!(effects[&format!("{}/0/1", goal.id)].tool, "fs.write");
}

#[tokio::test]
async fn what_fails_or_is_beyond_ends_as_failed_with_a_reason_and_is_on_record() {
    let node = Node::new().await;
    let process = node.start();
    let goal = process.submit("sing me a song").await;
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Failed);
    assert!(
        goal.reason.starts_with("this is beyond what I can do"),
        "{}",
        goal.reason
    );
    assert!(goal.tasks.is_empty());
    assert_eq!(node.record("goal.failed").await.goal_id, goal.id);

    let call = |tool: &str, arguments: &str| Wish {
        call: Some(Call {
            tool: tool.into(),
            arguments_json: arguments.into(),
        }),
        ..Wish::default()
    };
    for (tool, arguments, reason) in [
        (
            "fs.write",
            r#"{"path":"/full/a","content":"x"}"#,
            "fs.write: no space left on /full",
        ),
        (
            "fs.write",
            r#"{"path":"/srv/a","content":5}"#,
            "fs.write: content: must be a string",
        ),
        (
            "fs.format",
            "{}",
            "this appliance has no tool fs.format yet",
        ),
    ] {
        let goal = process.goals.submit(call(tool, arguments)).await.unwrap();
        let goal = process.ended(&goal.id).await;
        assert_eq!(goal.state(), GoalState::Failed);
        assert!(goal.reason.starts_with(reason), "{}", goal.reason);
        assert_eq!(goal.answer, "");
    }
    assert!(node.tools.effects.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_goal_that_restarts_the_memory_survives_it() {
    let node = Node::new().await;
    let process = node.start();
    let goal = process.submit("restart the memory service").await;
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(goal.tasks[0].arguments_json, r#"{"service":"memory"}"#);
    assert_eq!(node.tools.effects.lock().unwrap().len(), 1);
    assert_eq!(
        node.memory.goal(&goal.id).unwrap().state(),
        GoalState::Succeeded
    );
}

#[tokio::test]
async fn after_the_orchestrator_was_killed_a_goal_goes_on_and_no_effect_happens_twice() {
    let node = Node::new().await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let process = node.start();
    let goal = process.submit("make /srv/a and wait").await;
    while node.tools.effects.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(process);
    let stored = node.memory.goal(&goal.id).unwrap();
    assert_eq!(stored.state(), GoalState::Running);
    assert_eq!(stored.tasks[0].state(), TaskState::Succeeded);
    assert_eq!(
        stored.tasks[1].state(),
        TaskState::Running,
        "written before it was dispatched"
    );

    node.tools.hold.store(false, Ordering::SeqCst);
    let process = node.start();
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(goal.answer, "fs.mkdir {\"path\":\"/srv/a\"}\ntest.wait {}");
    assert_eq!(
        node.tools.effects.lock().unwrap().len(),
        2,
        "one effect per call id"
    );
}

#[tokio::test]
async fn a_goal_that_is_cancelled_or_late_ends_at_once_with_its_tasks() {
    let node = Node::new().await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let process = node.start_with(Limits {
        goal: Duration::from_secs(2),
        ..Limits::default()
    });
    let cancelled = process.submit("make /srv/a and wait").await;
    while node.tools.effects.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let goal = process.goals.cancel(&cancelled.id, "CN=bob").await.unwrap();
    let reason = "cancelled by CN=bob (done before: fs.mkdir {\"path\":\"/srv/a\"})";
    let reason = reason.to_owned();
    assert_eq!(goal.end(), Some(&End::Cancelled { reason }));
    assert_eq!(goal.tasks[1].state, aios_goals::TaskState::Cancelled);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let twice = process
        .goals
        .cancel(&cancelled.id, "CN=bob")
        .await
        .unwrap_err();
    assert_eq!(twice.code(), Code::FailedPrecondition);
    let stored = node.memory.goal(&cancelled.id).unwrap();
    assert_eq!(stored.state(), GoalState::Cancelled);
    assert_eq!(stored.tasks[1].state(), TaskState::Cancelled);

    let late = process.submit("make /srv/a and wait").await;
    let late = process.ended(&late.id).await;
    assert_eq!(late.state(), GoalState::Failed);
    assert!(
        late.reason.starts_with("not finished within 2 seconds"),
        "{}",
        late.reason
    );
}

#[tokio::test]
async fn a_repeated_request_is_one_goal() {
    let node = Node::new().await;
    let process = node.start();
    let wish = Wish {
        text: "check disk usage".into(),
        request_id: "r1".into(),
        by: "CN=alice".into(),
        ..Wish::default()
    };
    let (first, second) = tokio::join!(
        process.goals.submit(wish.clone()),
        process.goals.submit(wish.clone())
    );
    let id = first.unwrap().id;
    assert_eq!(second.unwrap().id, id);
    process.ended(&id).await;
    assert!(process.goals.submit(wish).await.unwrap().has_succeeded());
    assert_eq!(node.tools.effects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn goals_run_side_by_side_and_too_many_are_refused() {
    let node = Node::new().await;
    node.tools.hold.store(true, Ordering::SeqCst);
    let process = node.start_with(Limits {
        unfinished: 2,
        ..Limits::default()
    });
    let slow = process.submit("make /srv/a and wait").await;
    let quick = process.submit("check disk usage").await;
    assert_eq!(process.ended(&quick.id).await.state(), GoalState::Succeeded);
    process.submit("make /srv/a and wait").await;
    let wish = Wish {
        text: "check disk usage".into(),
        ..Wish::default()
    };
    tokio::time::sleep(Duration::from_millis(50)).await;
    let refused = process.goals.submit(wish).await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    node.tools.hold.store(false, Ordering::SeqCst);
    assert_eq!(process.ended(&slow.id).await.state(), GoalState::Succeeded);
}

#[tokio::test]
async fn while_the_memory_is_stopped_goals_end_with_that_reason_within_seconds() {
    let node = Node::new().await;
    let process = node.start();
    node.tools.hold.store(true, Ordering::SeqCst);
    let waiting = process.submit("make /srv/a and wait").await;
    while node.tools.effects.lock().unwrap().len() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    *node.init.down.lock().unwrap() = "memory".into();
    node.memory.away.store(true, Ordering::SeqCst);
    node.tools.hold.store(false, Ordering::SeqCst);

    let started = std::time::Instant::now();
    let refused = process.goals.submit(Wish {
        text: "check disk usage".into(),
        by: "CN=alice".into(),
        ..Wish::default()
    });
    let refused = refused.await.unwrap_err();
    assert!(
        refused.message().contains("memory service is stopped"),
        "{refused}"
    );
    let ended = process.ended(&waiting.id).await;
    assert_eq!(ended.state(), GoalState::Failed);
    assert!(
        ended.reason.contains("memory service is stopped"),
        "{}",
        ended.reason
    );
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );

    *node.init.down.lock().unwrap() = String::new();
    node.memory.away.store(false, Ordering::SeqCst);
    let stored = || {
        node.memory
            .goal(&waiting.id)
            .is_some_and(|goal| goal.state() == GoalState::Failed)
    };
    while !stored() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn making(path: &str) -> Wish {
    Wish {
        call: Some(Call {
            tool: "fs.mkdir".into(),
            arguments_json: serde_json::json!({ "path": path }).to_string(),
        }),
        ..Wish::default()
    }
}

#[tokio::test]
async fn a_goal_waits_for_a_person_across_a_restart_and_does_what_was_allowed_once() {
    let node = Node::new().await;
    let process = node.start();
    let goal = process.goals.submit(making("/asked/a")).await.unwrap();
    let asked = format!("{}/0/0", goal.id);
    let is_waiting = || async {
        let stored = node.memory.goal(&goal.id);
        stored.is_some_and(|goal| goal.tasks.iter().any(|task| task.waits_for == asked))
    };
    while !is_waiting().await {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let shown = process.goals.get(&goal.id).await.unwrap();
    assert_eq!(shown.tasks[0].state, aios_goals::TaskState::Waiting);
    drop(process);

    let process = node.start();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(node.tools.effects.lock().unwrap().is_empty());
    node.tools.decide(&asked, true);
    let goal = process.ended(&goal.id).await;
    assert_eq!(goal.state(), GoalState::Succeeded, "{}", goal.reason);
    assert_eq!(node.tools.effects.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_goal_that_waits_costs_no_turn_and_no_time_and_can_be_called_off() {
    let node = Node::new().await;
    let process = node.start_with(Limits {
        goal: Duration::from_secs(2),
        at_once: 1,
        ..Limits::default()
    });
    let first = process.goals.submit(making("/asked/a")).await.unwrap();
    let second = process.goals.submit(making("/asked/b")).await.unwrap();
    let other = process.goals.submit(making("/srv/c")).await.unwrap();
    let other = process.ended(&other.id).await;
    assert_eq!(other.state(), GoalState::Succeeded, "{}", other.reason);
    tokio::time::sleep(Duration::from_millis(2300)).await;

    node.tools.decide(&format!("{}/0/0", first.id), false);
    let first = process.ended(&first.id).await;
    assert_eq!(first.state(), GoalState::Failed);
    assert!(first.reason.contains("denied"), "{}", first.reason);
    let goal = process.goals.cancel(&second.id, "CN=bob").await.unwrap();
    assert!(
        matches!(goal.end(), Some(End::Cancelled { .. })),
        "{goal:?}"
    );
    assert_eq!(node.tools.effects.lock().unwrap().len(), 1);
    let withdrawn = node
        .tools
        .approvals
        .borrow()
        .iter()
        .any(|one| one.id.starts_with(&second.id) && one.state() == ApprovalState::Denied);
    assert!(withdrawn, "nobody is asked about a goal that has ended");
}
