//! Calls over a Unix socket, by played callers.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::time::{Duration, Instant};

use aios_contracts::v1::{
    CallOutcome, CallRequest, DescribeToolRequest, ExportAuditRequest, ListToolsRequest,
    RecordRequest, RegisterTaskRequest, Role, SettleTaskRequest, SkillStep, UndoRequest,
    VerifyAuditRequest,
};
use aios_daemon::identity::Principal;
use aios_tool::argument::Nothing;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Declaration, Effect};
use aios_tool::tool::{Change, Look, Tool, change, look};
use aios_tools::registry::Registry;
use common::{Machine, agent, call, done, newest};
use serde_json::json;
use tonic::Code;

/// Sleeps longer than it may.
struct Sleep;

impl Tool for Sleep {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.sleep", "Sleeps.")
            .needing("test", "sleep", "*")
            .timeout_ms(300)
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        "slept".into()
    }
}

impl Change for Sleep {
    fn effect() -> Effect {
        Effect::of("nothing is promised", &["test"])
    }

    fn preview(_: &Nothing, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }

    #[allow(clippy::disallowed_methods)] // its thread is its own
    fn act(_: &Nothing, _: &Context) -> Result<Nothing, ToolError> {
        std::thread::sleep(Duration::from_millis(1200));
        Ok(Nothing {})
    }

    fn verify(_: &Nothing, _: &Nothing, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

/// Needs a part that answers only the second time.
struct Absent;

impl Tool for Absent {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.absent", "Needs a part.").needing("test", "absent", "*")
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        "answered".into()
    }
}

impl Change for Absent {
    fn effect() -> Effect {
        Effect::of("nothing is promised", &["test"])
    }

    fn preview(_: &Nothing, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }

    fn act(_: &Nothing, context: &Context) -> Result<Nothing, ToolError> {
        match context.is_resumed() {
            true => Ok(Nothing {}),
            false => Err(ToolError::Unavailable("nobody answers".into())),
        }
    }

    fn verify(_: &Nothing, _: &Nothing, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

/// Crashes.
struct Crash;

impl Tool for Crash {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.crash", "Crashes.").needing("test", "crash", "*")
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        String::new()
    }
}

impl Look for Crash {
    fn look(_: &Nothing, _: &Context) -> Result<Nothing, ToolError> {
        panic!("a bug")
    }
}

fn registry() -> Registry {
    Registry::complete()
        .with(change::<Sleep>())
        .with(change::<Absent>())
        .with(look::<Crash>())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_said_recorded_and_not_done() {
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    let secret = machine.folder.path().join("secret");
    std::fs::write(&secret, "s").unwrap();
    std::os::unix::fs::symlink(&secret, machine.path("link")).unwrap();
    let link = machine.path("link");
    let state = machine.folder.path().join("state/tools/x");
    let large = "y".repeat(3 * 1024 * 1024);
    let cases = [
        ("fs.wriet", json!({}), Code::NotFound, "fs.write"),
        (
            "fs.write",
            json!({"path": file}),
            Code::InvalidArgument,
            "content: is missing",
        ),
        (
            "fs.write",
            json!({"path": file, "content": 5}),
            Code::InvalidArgument,
            "content: must be",
        ),
        (
            "fs.write",
            json!({"path": file, "content": "", "mode": 1}),
            Code::InvalidArgument,
            "mode:",
        ),
        (
            "fs.write",
            json!({"path": "x", "content": ""}),
            Code::InvalidArgument,
            "absolute",
        ),
        (
            "fs.write",
            json!([]),
            Code::InvalidArgument,
            "must be an object",
        ),
        (
            "fs.write",
            json!({"path": file, "content": large}),
            Code::InvalidArgument,
            "at most",
        ),
        (
            "fs.write",
            json!({"path": "/etc/x", "content": ""}),
            Code::PermissionDenied,
            "fs:write:/etc/x",
        ),
        (
            "fs.write",
            json!({"path": format!("{file}/../../up"), "content": ""}),
            Code::PermissionDenied,
            "up",
        ),
        (
            "fs.write",
            json!({"path": link, "content": ""}),
            Code::PermissionDenied,
            "secret",
        ),
        (
            "fs.read",
            json!({"path": link}),
            Code::PermissionDenied,
            "secret",
        ),
        (
            "fs.write",
            json!({"path": state, "content": ""}),
            Code::PermissionDenied,
            "protected",
        ),
        (
            "fs.delete",
            json!({"path": "/usr"}),
            Code::PermissionDenied,
            "protected",
        ),
        (
            "fs.write",
            json!({"path": format!("{file}/y/z"), "content": ""}),
            Code::FailedPrecondition,
            "does not exist",
        ),
    ];
    let mut storage = machine.storage();
    for (number, (tool, arguments, code, part)) in cases.into_iter().enumerate() {
        let before = machine.pipeline.ledger().len();
        let id = format!("c{number}");
        let status = done(&mut storage, &id, tool, arguments).await.unwrap_err();
        assert_eq!(status.code(), code, "{number} {tool}: {status}");
        assert!(status.message().contains(part), "{number} {tool}: {status}");
        let entries = machine
            .pipeline
            .ledger()
            .entries(before..before + 1)
            .unwrap();
        assert_eq!(entries[0].kind, "refusal", "{number} {tool}");
        assert_eq!(entries[0].actor, "agent:storage");
        assert_eq!(entries[0].call_id, id);
    }
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "s");
    let mut missing_id = call("", "fs.write", json!({"path": file, "content": ""}));
    let status = storage.call(missing_id.clone()).await.unwrap_err();
    assert!(status.message().starts_with("call_id"), "{status}");
    missing_id.arguments_json = "{".into();
    missing_id.call_id = "x".into();
    let status = storage.call(missing_id).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    assert_eq!(machine.under_way(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_caller_may_only_what_it_is_for() {
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    std::fs::write(&file, "text").unwrap();
    let read = || call("r", "fs.read", json!({"path": file}));
    let mut orchestrator = machine.orchestrator();
    let mut monitor = machine.connect(agent("monitor"));
    let mut control = machine.connect(Principal::Daemon("control".into()));
    let mut stranger = machine.connect(Principal::Other(1000));
    let denied = |status: tonic::Status| assert_eq!(status.code(), Code::PermissionDenied);

    assert!(monitor.call(read()).await.is_ok());
    denied(orchestrator.call(read()).await.unwrap_err());
    denied(control.call(read()).await.unwrap_err());
    denied(stranger.call(read()).await.unwrap_err());
    denied(stranger.list_tools(ListToolsRequest {}).await.unwrap_err());
    denied(monitor.undo(UndoRequest::default()).await.unwrap_err());
    denied(monitor.list_audit(newest(1)).await.unwrap_err());
    denied(
        control
            .verify_audit(VerifyAuditRequest {})
            .await
            .unwrap_err(),
    );
    denied(stranger.record(RecordRequest::default()).await.unwrap_err());
    denied(monitor.record(RecordRequest::default()).await.unwrap_err());
    let register = RegisterTaskRequest::default();
    denied(monitor.register_task(register).await.unwrap_err());
    assert!(control.record(RecordRequest::default()).await.is_ok());
    let tools = monitor
        .list_tools(ListToolsRequest {})
        .await
        .unwrap()
        .into_inner()
        .tools;
    assert!(
        tools
            .iter()
            .any(|tool| tool.name == "fs.write" && tool.reversible)
    );
    let unknown = DescribeToolRequest {
        name: "fs.raed".into(),
    };
    let status = monitor.describe_tool(unknown).await.unwrap_err();
    assert!(status.message().contains("fs.read"), "{status}");

    let entries = orchestrator
        .list_audit(newest(0))
        .await
        .unwrap()
        .into_inner()
        .entries;
    let refusals = entries
        .iter()
        .filter(|entry| entry.kind == "refusal")
        .count();
    assert_eq!(refusals, 10, "{entries:#?}");
    assert!(
        entries.windows(2).all(|pair| pair[0].index > pair[1].index),
        "the newest first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_does_what_the_orchestrator_said_for_whom_it_said_and_its_word_is_not_needed() {
    let mut machine = Machine::new(registry());
    let mut orchestrator = machine.orchestrator();
    let mut storage = machine.storage().unplanned();
    let step = |number: u32, name: &str| SkillStep {
        call_id: format!("g/0/{number}"),
        tool: "fs.write".into(),
        arguments_json: json!({"path": machine.path(name), "content": "x"}).to_string(),
    };
    let steps = vec![step(0, "a"), step(1, "b")];
    let made = |step: &SkillStep, on_behalf_of: &str| CallRequest {
        call_id: step.call_id.clone(),
        tool: step.tool.clone(),
        arguments_json: step.arguments_json.clone(),
        on_behalf_of: on_behalf_of.into(),
        ..CallRequest::default()
    };
    let denied = |status: tonic::Status| assert_eq!(status.code(), Code::PermissionDenied);

    denied(storage.call(made(&steps[0], "")).await.unwrap_err());
    let task = RegisterTaskRequest {
        agent: "storage".into(),
        goal_id: "g".into(),
        reason: "write x".into(),
        on_behalf_of: "CN=ann".into(),
        role: Role::Operator.into(),
        steps: steps.clone(),
        ..RegisterTaskRequest::default()
    };
    orchestrator.register_task(task).await.unwrap();
    denied(storage.call(made(&steps[0], "CN=admin")).await.unwrap_err());
    denied(storage.call(made(&steps[1], "")).await.unwrap_err());
    assert_eq!(std::fs::read_dir(machine.path("")).unwrap().count(), 0);
    let done = storage
        .call(made(&steps[0], ""))
        .await
        .unwrap()
        .into_inner();

    let call_ids = steps.iter().map(|step| step.call_id.clone()).collect();
    let settle = SettleTaskRequest { call_ids };
    let settled = orchestrator.settle_task(settle.clone()).await.unwrap();
    let outcomes = settled.into_inner().outcomes;
    assert_eq!(outcomes[0].succeeded.as_ref(), Some(&done));
    assert_eq!(outcomes[1], CallOutcome::default(), "it was not made");
    denied(storage.call(made(&steps[0], "")).await.unwrap_err());
    let unknown = orchestrator.settle_task(settle).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);

    let entries = orchestrator.list_audit(newest(0)).await.unwrap();
    let entries = entries.into_inner().entries;
    let of = |kind: &str| {
        entries
            .iter()
            .filter(|entry| entry.kind == kind)
            .collect::<Vec<_>>()
    };
    assert_eq!(of("refusal").len(), 4, "{entries:#?}");
    for entry in of("intent").iter().chain(&of("completion")) {
        let told = (&*entry.on_behalf_of, &*entry.goal_id, &*entry.reason);
        assert_eq!(told, ("CN=ann", "g", "write x"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_may_not_order_no_agent_does_for_them() {
    let signal = aios_tool::tool::change::<aios_tools::process::signal::Signal>();
    let mut machine = Machine::new(registry().with(signal));
    let mut orchestrator = machine.orchestrator();
    let mut storage = machine.storage().unplanned();
    let arguments = json!({"pid": 4_194_304, "signal": "STOP"}).to_string();
    for (role, expected) in [
        (
            Role::Unspecified,
            "needs the role admin, which CN=ann has not",
        ),
        (Role::Operator, "needs the role admin, which CN=ann has not"),
        (Role::Admin, "process:signal"), // comes as far as the capability, which storage has not
    ] {
        let step = SkillStep {
            call_id: "g/0/0".into(),
            tool: "process.signal".into(),
            arguments_json: arguments.clone(),
        };
        let task = RegisterTaskRequest {
            agent: "storage".into(),
            on_behalf_of: "CN=ann".into(),
            role: role.into(),
            steps: vec![step],
            ..RegisterTaskRequest::default()
        };
        orchestrator.register_task(task).await.unwrap();
        let call = CallRequest {
            call_id: "g/0/0".into(),
            tool: "process.signal".into(),
            arguments_json: arguments.clone(),
            ..CallRequest::default()
        };
        let denied = storage.call(call).await.unwrap_err();
        assert_eq!(denied.code(), Code::PermissionDenied);
        assert!(denied.message().contains(expected), "{denied}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_id_is_done_once_also_after_a_restart() {
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    let arguments = json!({"path": file, "content": "a\n"});
    let mut storage = machine.storage();
    let first = done(&mut storage, "1", "fs.append", arguments.clone())
        .await
        .unwrap();
    assert!(!first.replayed && first.reversible);
    let again = done(&mut storage, "1", "fs.append", arguments.clone())
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.execution_id, first.execution_id);
    let other = json!({"path": file, "content": "b\n"});
    let status = done(&mut storage, "1", "fs.append", other)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    drop(storage);

    let mut machine = machine.restart(registry()).await;
    let mut storage = machine.storage();
    let again = done(&mut storage, "1", "fs.append", arguments.clone())
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(again.output_json, first.output_json);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\n");
    let second = done(&mut storage, "2", "fs.append", arguments)
        .await
        .unwrap();
    assert!(!second.replayed);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "a\na\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_recorded_and_replayed_too() {
    let mut machine = Machine::new(registry());
    let folder = machine.path("folder");
    std::fs::create_dir(&folder).unwrap();
    let mut storage = machine.storage();
    let arguments = json!({"path": machine.path("none"), "lines": 1});
    let status = done(&mut storage, "1", "fs.read", arguments)
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
    assert!(status.message().contains("does not exist"), "{status}");
    let crashed = done(&mut storage, "2", "test.crash", json!({}))
        .await
        .unwrap_err();
    assert_eq!(crashed.code(), Code::Internal, "{crashed}");
    let audit = machine.audit();
    assert!(
        audit
            .iter()
            .any(|(kind, out)| kind == "completion" && out.contains("crashed"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_works_once_after_a_restart_and_not_over_later_changes() {
    let mut machine = Machine::new(registry());
    let (file, kept) = (machine.path("x"), machine.path("kept"));
    std::fs::write(&kept, "before").unwrap();
    let mut storage = machine.storage();
    let made = done(
        &mut storage,
        "1",
        "fs.write",
        json!({"path": file, "content": "new"}),
    )
    .await;
    let made = made.unwrap();
    assert_eq!(made.summary, format!("{file} is written (3 B, new)"));
    let over = done(
        &mut storage,
        "2",
        "fs.write",
        json!({"path": kept, "content": "after"}),
    )
    .await;
    let over = over.unwrap();
    drop(storage);

    let mut machine = machine.restart(registry()).await;
    let mut orchestrator = machine.orchestrator();
    let undo = |id: &str| UndoRequest {
        execution_id: id.into(),
        role: aios_contracts::v1::Role::Operator.into(),
        ..Default::default()
    };
    let undone = orchestrator.undo(undo(&made.execution_id)).await;
    let said = format!("undone: {file} is gone again");
    assert_eq!(undone.unwrap().into_inner().summary, said);
    assert!(!std::path::Path::new(&file).exists());
    let twice = orchestrator
        .undo(undo(&made.execution_id))
        .await
        .unwrap_err();
    assert_eq!(twice.code(), Code::FailedPrecondition);
    assert!(twice.message().contains("already undone"), "{twice}");

    std::fs::write(&kept, "somebody's").unwrap();
    let changed = orchestrator
        .undo(undo(&over.execution_id))
        .await
        .unwrap_err();
    assert_eq!(changed.code(), Code::FailedPrecondition);
    assert!(changed.message().contains("changed since"), "{changed}");
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "somebody's");
    std::fs::write(&kept, "after").unwrap();
    orchestrator.undo(undo(&over.execution_id)).await.unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "before");

    for unknown in [
        "",
        "../../etc/passwd",
        "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    ] {
        let status = orchestrator.undo(undo(unknown)).await.unwrap_err();
        assert_eq!(status.code(), Code::NotFound, "{unknown}: {status}");
    }
    let verified = orchestrator
        .verify_audit(VerifyAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    assert!(verified.intact, "{}", verified.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_hangs_costs_only_its_caller() {
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    std::fs::write(&file, "text").unwrap();
    let mut storage = machine.storage();
    let mut monitor = machine.connect(agent("monitor"));
    let hanging =
        tokio::spawn(async move { done(&mut storage, "1", "test.sleep", json!({})).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    let started = Instant::now();
    done(&mut monitor, "2", "fs.read", json!({"path": file}))
        .await
        .unwrap();
    assert!(
        started.elapsed() < Duration::from_millis(150),
        "{:?}",
        started.elapsed()
    );
    let status = hanging.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(
        machine
            .audit()
            .iter()
            .any(|(_, outcome)| outcome.contains("longer than 300 ms"))
    );
    // It is under way until it ends: a restart would settle it, nobody else gets its keys.
    assert_eq!(machine.under_way(), 1);
    let mut storage = machine.storage();
    let status = done(&mut storage, "1", "test.sleep", json!({}))
        .await
        .unwrap_err();
    assert!(status.message().contains("does not end"), "{status}");
    // How it ended in the end is recorded, and is what a retry is told.
    let late = |machine: &Machine| machine.audit().iter().any(|(_, o)| o == "succeeded, late");
    let waited = Instant::now();
    while !late(&machine) {
        assert!(
            waited.elapsed() < Duration::from_secs(10),
            "{:?}",
            machine.audit()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let retried = done(&mut storage, "1", "test.sleep", json!({}))
        .await
        .unwrap();
    assert!(retried.replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_part_did_not_answer_may_be_tried_again() {
    let mut machine = Machine::new(registry());
    let mut storage = machine.storage();
    let status = done(&mut storage, "1", "test.absent", json!({}))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let last = machine.audit().pop().unwrap();
    assert_eq!(last.1, "failed: nobody answers (open)");
    let retried = done(&mut storage, "1", "test.absent", json!({}))
        .await
        .unwrap();
    assert!(!retried.replayed);
    let again = done(&mut storage, "1", "test.absent", json!({}))
        .await
        .unwrap();
    assert!(again.replayed);
    assert_eq!(machine.under_way(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exported_ledger_is_verified_elsewhere() {
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    let mut storage = machine.storage();
    done(
        &mut storage,
        "1",
        "fs.write",
        json!({"path": file, "content": "x"}),
    )
    .await
    .unwrap();
    let mut orchestrator = machine.orchestrator();
    let mut stream = orchestrator
        .export_audit(ExportAuditRequest {})
        .await
        .unwrap()
        .into_inner();
    let copy = tempfile::tempdir().unwrap();
    while let Some(piece) = stream.message().await.unwrap() {
        use std::io::Write;
        let path = copy.path().join(piece.path);
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .unwrap();
        file.write_all(&piece.data).unwrap();
    }
    let expected = aios_ledger::Expected {
        public_key: Some(machine.pipeline.ledger().public_key()),
        ..Default::default()
    };
    let report = aios_ledger::verify(copy.path(), &expected);
    assert!(report.intact, "{}", report.detail);
    assert_eq!(report.entries, machine.pipeline.ledger().len());
    let names: Vec<_> = std::fs::read_dir(copy.path()).unwrap().collect();
    assert_eq!(names.len(), 2, "no key is exported");
}
