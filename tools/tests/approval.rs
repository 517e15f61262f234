//! Changes for which a person is asked: what is shown, what becomes of the answer.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::sync::Arc;

use aios_config::{Approval, Autonomy};
use aios_contracts::v1::{CallRequest, CallResponse};
use aios_daemon::identity::Principal;
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tools::approval::book::Order;
use aios_tools::approval::{Asked, Decision};
use aios_tools::pipeline::{Trial, now_ms};
use aios_tools::registry::Registry;
use common::{Client, Machine};
use serde_json::json;
use tonic::{Code, Status};

fn manual() -> Machine {
    Machine::with(Registry::complete(), |config| {
        config.approval = Approval {
            autonomy: Autonomy::Manual,
            ..Approval::default()
        };
    })
}

async fn write(client: &mut Client, id: &str, path: &str) -> Result<CallResponse, Status> {
    let request = CallRequest {
        call_id: id.into(),
        tool: "fs.write".into(),
        arguments_json: json!({"path": path, "content": "after\n"}).to_string(),
        ..CallRequest::default()
    };
    client.call(request).await.map(tonic::Response::into_inner)
}

fn order(asked: &Asked, allowed: bool) -> Order {
    Order {
        id: asked.id.clone(),
        digest: asked.digest(),
        always: false,
        decision: Decision {
            allowed,
            by: "CN=ann".into(),
            reason: "seen".into(),
            at_ms: now_ms(),
        },
        role: Role::Operator,
    }
}

async fn decide(machine: &Machine, order: Order) -> Result<Asked, ToolError> {
    let pipeline = Arc::clone(&machine.pipeline);
    let orchestrator = Principal::Daemon("orchestrator".into());
    tokio::task::spawn_blocking(move || pipeline.decide(&orchestrator, &order))
        .await
        .unwrap()
}

fn waiting(machine: &Machine) -> Asked {
    machine.pipeline.book().all().pop().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_changed_before_a_person_has_seen_what_would_be() {
    let mut machine = manual();
    let file = machine.path("x");
    std::fs::write(&file, "before\n").unwrap();
    let mut storage = machine.storage();

    let status = write(&mut storage, "1", &file).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(
        status.message().contains("aiosctl approvals show"),
        "{status}"
    );
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before\n");
    let asked = waiting(&machine);
    let foreseen = &asked.preview.changes[0];
    assert_eq!(foreseen.object, file);
    assert!(
        foreseen.diff.contains("-before\n+after\n"),
        "{}",
        foreseen.diff
    );

    // Who asks again is not asked about twice, and a look is not asked about at all.
    write(&mut storage, "1", &file).await.unwrap_err();
    assert_eq!(machine.pipeline.book().all().len(), 1);

    decide(&machine, order(&asked, true)).await.unwrap();
    let done = write(&mut storage, "1", &file).await.unwrap();
    assert!(done.reversible);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "after\n");
    assert!(machine.pipeline.book().all().is_empty(), "it is used up");
    let again = write(&mut storage, "1", &file).await.unwrap();
    assert!(again.replayed);
    let kinds: Vec<String> = machine.audit().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["approval", "approval", "intent", "completion"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_for_what_was_shown_and_for_that_call() {
    let mut machine = manual();
    let (file, other) = (machine.path("x"), machine.path("y"));
    let mut storage = machine.storage();
    write(&mut storage, "1", &file).await.unwrap_err();
    let shown = waiting(&machine);
    decide(&machine, order(&shown, true)).await.unwrap();

    let status = write(&mut storage, "2", &other).await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    // Somebody makes the file meanwhile: it would be replaced, and not made.
    std::fs::write(&file, "theirs\n").unwrap();
    let status = write(&mut storage, "1", &file).await.unwrap_err();
    assert!(status.message().contains("changed since"), "{status}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "theirs\n");
    let asked = machine.pipeline.book().find(&shown.id).unwrap();
    assert!(asked.decision.is_none() && asked.digest() != shown.digest());
    let stale = decide(&machine, order(&shown, true)).await.unwrap_err();
    assert!(matches!(stale, ToolError::Precondition(_)), "{stale}");
    decide(&machine, order(&asked, true)).await.unwrap();
    write(&mut storage, "1", &file).await.unwrap();
}

/// The size and the time of a file say nothing about what is in it.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_is_about_what_was_there_when_it_was_shown() {
    let mut machine = manual();
    let (source, at) = (machine.path("x"), |name: &str| machine.path(name));
    let cases = [
        (
            "fs.copy",
            json!({"source": source, "destination": at("copy")}),
        ),
        (
            "fs.archive",
            json!({"source": source, "destination": at("x.tar")}),
        ),
        (
            "fs.move",
            json!({"source": source, "destination": at("moved")}),
        ),
        ("fs.delete", json!({"path": at("moved")})),
    ];
    std::fs::create_dir(&source).unwrap();
    let storage = machine.storage();
    for (tool, arguments) in cases {
        let file = match tool {
            "fs.delete" => machine.path("moved/a"),
            _ => machine.path("x/a"),
        };
        std::fs::write(&file, "one").unwrap();
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        let request = CallRequest {
            call_id: tool.into(),
            tool: tool.into(),
            arguments_json: arguments.to_string(),
            ..CallRequest::default()
        };
        let call = || {
            let mut storage = storage.clone();
            let request = request.clone();
            async move { storage.call(request).await }
        };
        call().await.unwrap_err();
        decide(&machine, order(&waiting(&machine), true))
            .await
            .unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await; // a tick of the kernel's clock
        std::fs::write(&file, "two").unwrap();
        let written = std::fs::File::options().write(true).open(&file).unwrap();
        written.set_modified(time).unwrap();
        let again = call().await.unwrap_err();
        assert!(
            again.message().contains("was changed since"),
            "{tool}: {again}"
        );
        decide(&machine, order(&waiting(&machine), true))
            .await
            .unwrap();
        call().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_denied_is_not_done_also_after_a_restart() {
    let mut machine = manual();
    let file = machine.path("x");
    let mut storage = machine.storage();
    write(&mut storage, "1", &file).await.unwrap_err();
    decide(&machine, order(&waiting(&machine), false))
        .await
        .unwrap();
    let status = write(&mut storage, "1", &file).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert!(status.message().contains("CN=ann: seen"), "{status}");
    drop(storage);
    // The configuration of this process lets everything run.
    let mut machine = machine.restart(Registry::complete()).await;
    let mut storage = machine.storage();
    let status = write(&mut storage, "1", &file).await.unwrap_err();
    assert!(status.message().contains("CN=ann: seen"), "{status}");
    write(&mut storage, "2", &file).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_for_always_lets_the_same_thing_run_until_it_is_taken_back() {
    let mut machine = manual();
    let file = machine.path("x");
    let mut storage = machine.storage();
    write(&mut storage, "1", &file).await.unwrap_err();
    let always = Order {
        always: true,
        ..order(&waiting(&machine), true)
    };
    decide(&machine, always).await.unwrap();
    write(&mut storage, "1", &file).await.unwrap();
    write(&mut storage, "2", &file).await.unwrap();
    let rule = machine.pipeline.book().rules()[0].to_string();
    let pipeline = Arc::clone(&machine.pipeline);
    tokio::task::spawn_blocking(move || pipeline.forget_rule(&Principal::Root, &rule, "CN=ann"))
        .await
        .unwrap()
        .unwrap();
    write(&mut storage, "3", &file).await.unwrap_err();
}

/// Every tool that changes files says what it would do, and does nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_preview_changes_nothing_and_is_the_same_twice() {
    let machine = Machine::new(Registry::complete());
    let path = |name: &str| machine.path(name);
    std::fs::write(path("x"), "old\n").unwrap();
    std::fs::create_dir(path("d")).unwrap();
    std::fs::write(path("d/y"), "y").unwrap();
    let cases = [
        ("fs.write", json!({"path": path("x"), "content": "new\n"})),
        ("fs.append", json!({"path": path("x"), "content": "more\n"})),
        (
            "fs.copy",
            json!({"source": path("d"), "destination": path("e")}),
        ),
        (
            "fs.move",
            json!({"source": path("d"), "destination": path("f")}),
        ),
        ("fs.delete", json!({"path": path("d")})),
        ("fs.mkdir", json!({"path": path("a/b")})),
        (
            "fs.symlink",
            json!({"path": path("l"), "target": path("x")}),
        ),
    ];
    let before = tree(&machine);
    for (tool, arguments) in cases {
        let trial = Trial {
            tool: tool.into(),
            arguments_json: arguments.to_string(),
            on_behalf_of: "CN=ann".into(),
            role: Some(Role::Operator),
        };
        let pipeline = Arc::clone(&machine.pipeline);
        let agent = Principal::Agent("storage".into());
        let (one, two) = tokio::task::spawn_blocking(move || {
            let preview = || pipeline.preview(&agent, &trial).unwrap().0;
            (preview(), preview())
        })
        .await
        .unwrap();
        assert!(!one.changes.is_empty(), "{tool}");
        assert_eq!(one.digest(), two.digest(), "{tool}");
    }
    assert_eq!(tree(&machine), before);
}

/// A capability that is not in the agent's manifest is lent by a person's word, and taken back by undo.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lent_is_asked_about_holds_across_a_restart_and_ends_with_its_undo() {
    let mut machine = Machine::new(Registry::complete());
    let outside = machine.folder.path().canonicalize().unwrap().join("x");
    let outside = outside.to_str().unwrap();
    let refused = write(&mut machine.storage(), "1", outside)
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");

    let lend = CallRequest {
        call_id: "lend".into(),
        tool: "sec.grant".into(),
        arguments_json: json!({"agent": "storage", "capability": format!("fs:write:{outside}")})
            .to_string(),
        ..CallRequest::default()
    };
    let mut security = machine.connect(common::agent("security"));
    security.call(lend.clone()).await.unwrap_err();
    let asked = waiting(&machine);
    let by_operator = decide(&machine, order(&asked, true)).await.unwrap_err();
    assert!(matches!(by_operator, ToolError::Denied(_)), "{by_operator}");
    let by_admin = Order {
        role: Role::Admin,
        ..order(&asked, true)
    };
    decide(&machine, by_admin).await.unwrap();
    let lent = security.call(lend).await.unwrap().into_inner();
    drop(security);

    let mut machine = machine.restart(Registry::complete()).await;
    write(&mut machine.storage(), "2", outside).await.unwrap();
    let pipeline = Arc::clone(&machine.pipeline);
    let undo = aios_tools::pipeline::Undo {
        execution_id: lent.execution_id,
        ..Default::default()
    };
    tokio::task::spawn_blocking(move || pipeline.undo(&Principal::Root, &undo))
        .await
        .unwrap()
        .unwrap();
    write(&mut machine.storage(), "3", outside)
        .await
        .unwrap_err();
}

/// Every path of the machine's data, with what is in files.
fn tree(machine: &Machine) -> Vec<(String, Option<String>)> {
    let mut left = vec![std::path::PathBuf::from(machine.path(""))];
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(
                std::fs::read_dir(&path)
                    .unwrap()
                    .map(|one| one.unwrap().path()),
            );
        }
        let content = std::fs::read_to_string(&path).ok();
        found.push((path.display().to_string(), content));
    }
    found.sort();
    found
}
