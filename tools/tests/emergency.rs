//! The emergency stop, with calls under way.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aios_contracts::v1::EmergencyRequest;
use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::emergency_server::EmergencyServer;
use aios_daemon::Callers;
use aios_daemon::identity::Principal;
use aios_tool::argument::Nothing;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Declaration, Effect};
use aios_tool::tool::{Change, Tool, change};
use aios_tools::emergency;
use aios_tools::registry::Registry;
use common::{Machine, agent, done};
use serde_json::json;
use tonic::Code;
use tonic::transport::{Channel, Server};

/// In which all must be over.
const SECOND: Duration = Duration::from_secs(1);

/// Effects of [`Ticks`]; one test uses it.
static EFFECTS: AtomicUsize = AtomicUsize::new(0);

fn effects() -> usize {
    EFFECTS.load(Ordering::SeqCst)
}

/// Has an effect every 20 ms as long as it has time, as a tool with a long loop does.
struct Ticks;

impl Tool for Ticks {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.ticks", "Ticks.")
            .needing("test", "ticks", "*")
            .timeout_ms(20_000)
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        "ticked".into()
    }
}

impl Change for Ticks {
    fn effect() -> Effect {
        Effect::of("nothing is promised", &["test"])
    }

    fn preview(_: &Nothing, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }

    #[allow(clippy::disallowed_methods)] // its thread is its own
    fn act(_: &Nothing, context: &Context) -> Result<Nothing, ToolError> {
        if context.is_resumed() {
            EFFECTS.fetch_add(1, Ordering::SeqCst);
            return Ok(Nothing {});
        }
        while context.remaining() > Duration::ZERO {
            EFFECTS.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(ToolError::Deadline("no time is left".into()))
    }

    fn verify(_: &Nothing, _: &Nothing, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

/// Looks at nothing but its own sleep.
struct Stubborn;

impl Tool for Stubborn {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.stubborn", "Sleeps.")
            .needing("test", "stubborn", "*")
            .timeout_ms(20_000)
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        "slept".into()
    }
}

impl Change for Stubborn {
    fn effect() -> Effect {
        Effect::of("nothing is promised", &["test"])
    }

    fn preview(_: &Nothing, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }

    #[allow(clippy::disallowed_methods)] // its thread is its own
    fn act(_: &Nothing, _: &Context) -> Result<Nothing, ToolError> {
        std::thread::sleep(Duration::from_millis(1500));
        Ok(Nothing {})
    }

    fn verify(_: &Nothing, _: &Nothing, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

/// Waits for another daemon, which never answers.
struct Waits;

impl Tool for Waits {
    type Input = Nothing;
    type Output = Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.waits", "Waits.")
            .needing("test", "waits", "*")
            .timeout_ms(20_000)
    }

    fn summarize(_: &Nothing, _: &Nothing) -> String {
        "waited".into()
    }
}

impl Change for Waits {
    fn effect() -> Effect {
        Effect::of("nothing is promised", &["test"])
    }

    fn preview(_: &Nothing, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }

    fn act(_: &Nothing, context: &Context) -> Result<Nothing, ToolError> {
        context.block_on(std::future::pending::<Result<Nothing, ToolError>>())
    }

    fn verify(_: &Nothing, _: &Nothing, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

fn registry() -> Registry {
    Registry::complete()
        .with(change::<Ticks>())
        .with(change::<Stubborn>())
}

/// The emergency service for this caller; how often it ended "the process".
async fn emergency(
    machine: &Machine,
    caller: Principal,
) -> (EmergencyClient<Channel>, Arc<AtomicUsize>) {
    let aborted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&aborted);
    let abort = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    let callers = Callers::played(move || caller.clone());
    let service = emergency::Service::new(Arc::clone(&machine.pipeline), callers, Arc::new(abort));
    let socket = machine
        .folder
        .path()
        .join(format!("emergency-{:p}.sock", &service));
    let listener = aios_daemon::socket::listen(&socket).unwrap();
    tokio::spawn(
        Server::builder()
            .add_service(EmergencyServer::new(service))
            .serve_with_incoming(listener),
    );
    let channel = aios_daemon::socket::channel(&socket).unwrap();
    (EmergencyClient::new(channel), aborted)
}

fn order(reason: &str) -> EmergencyRequest {
    EmergencyRequest {
        reason: reason.into(),
        on_behalf_of: "CN=ann serial 1".into(),
        ..EmergencyRequest::default()
    }
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_what_is_under_way_and_nothing_is_done_until_the_resume() {
    let mut machine = Machine::new(registry());
    let mut storage = machine.storage();
    let path = machine.path("");
    let (mut stop, aborted) = emergency(&machine, Principal::Daemon("orchestrator".into())).await;

    let calling = {
        let mut storage = storage.clone();
        tokio::spawn(async move { done(&mut storage, "g/0/0", "test.ticks", json!({})).await })
    };
    until("it ticks", || effects() > 2).await;
    let began = Instant::now();
    let state = stop.stop(order("wrong disk")).await.unwrap().into_inner();
    assert!(state.stopped && state.remarks.is_empty(), "{state:?}");
    assert_eq!(
        (state.by.as_str(), state.reason.as_str()),
        ("CN=ann serial 1", "wrong disk")
    );
    let refused = calling.await.unwrap().unwrap_err();
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("wrong disk"),
        "{}",
        refused.message()
    );

    let then = effects();
    let again = done(&mut storage, "g/0/0", "test.ticks", json!({})).await;
    assert_eq!(again.unwrap_err().code(), Code::FailedPrecondition);
    let read = done(&mut storage, "r", "fs.stat", json!({ "path": path })).await;
    assert_eq!(
        read.unwrap_err().code(),
        Code::FailedPrecondition,
        "agents do not look either"
    );
    tokio::time::sleep(SECOND).await;
    assert_eq!(effects(), then, "nothing is done after the stop");
    assert_eq!(
        aborted.load(Ordering::SeqCst),
        0,
        "what ends by itself ends alone"
    );
    let mut root = machine.connect(Principal::Root);
    let by_hand = done(&mut root, "by-hand", "fs.stat", json!({ "path": path })).await;
    assert!(
        by_hand.is_ok(),
        "a person at the recovery shell may: {by_hand:?}"
    );

    drop((storage, root, stop));
    let snapshot = common::snapshot(machine.folder.path());
    let mut machine = Machine::at(snapshot, registry());
    machine.pipeline.settle_all();
    let mut storage = machine.storage();
    let still = done(&mut storage, "g/0/0", "test.ticks", json!({})).await;
    assert_eq!(
        still.unwrap_err().code(),
        Code::FailedPrecondition,
        "it outlives a power cut"
    );

    let (mut stop, _) = emergency(&machine, Principal::Daemon("orchestrator".into())).await;
    assert!(
        !stop
            .resume(order("mended"))
            .await
            .unwrap()
            .into_inner()
            .stopped
    );
    let resumed = done(&mut storage, "g/0/0", "test.ticks", json!({}))
        .await
        .unwrap();
    assert!(!resumed.replayed);
    assert_eq!(effects(), then + 1, "it went on as after a crash");
    let replayed = done(&mut storage, "g/0/0", "test.ticks", json!({}))
        .await
        .unwrap();
    assert!(replayed.replayed);
    assert_eq!(effects(), then + 1, "no effect twice");

    let ledger = machine.pipeline.ledger();
    let entries = ledger.entries(0..ledger.len()).unwrap();
    let on_record = |kind: &str, reason: &str| {
        entries.iter().any(|entry| {
            (entry.tool.as_str(), entry.reason.as_str()) == (kind, reason)
                && entry.on_behalf_of == "CN=ann serial 1"
        })
    };
    assert!(on_record("emergency.stop", "wrong disk"));
    assert!(on_record("emergency.resume", "mended"));
}

/// As the daemon runs: one thread serves everybody.
#[tokio::test]
async fn a_disk_that_hangs_keeps_no_act_going_and_no_stop_is_answered_before_it_is_written() {
    let mut machine = Machine::new(
        Registry::complete()
            .with(change::<Stubborn>())
            .with(change::<Waits>()),
    );
    let mut storage = machine.storage();
    let (mut stop, _) = emergency(&machine, Principal::Root).await;
    // A write that does not return until the disk mends.
    let (mends, mended) = std::sync::mpsc::channel();
    let hangs = Arc::new(AtomicUsize::new(0));
    let (file, hanging) = (Arc::clone(machine.pipeline.emergency()), Arc::clone(&hangs));
    let disk = tokio::spawn(async move {
        let write = move |_: &Path| {
            hanging.store(1, Ordering::SeqCst);
            Ok(mended.recv_timeout(Duration::from_secs(20)).is_ok())
        };
        file.change(write).await
    });
    until("the disk hangs", || hangs.load(Ordering::SeqCst) == 1).await;
    let calling =
        tokio::spawn(async move { done(&mut storage, "w", "test.waits", json!({})).await });
    let pipeline = Arc::clone(&machine.pipeline);
    until("it waits", || pipeline.agents_under_way() == 1).await;
    let stopping = tokio::spawn(async move { stop.stop(order("disk")).await });
    let refused = calling.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stopping.is_finished(), "it is not on the disk yet");
    mends.send(()).unwrap();
    let state = stopping.await.unwrap().unwrap().into_inner();
    assert!(state.stopped, "{state:?}");
    let in_time = disk.await.unwrap().unwrap();
    assert!(in_time, "nobody was served while the disk hung");
    let file = machine.folder.path().join("state/tools/emergency.toml");
    let written = std::fs::read_to_string(file).unwrap();
    assert!(written.contains("disk"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_does_not_end_ends_with_the_process_within_the_second() {
    let mut machine = Machine::new(registry());
    let mut storage = machine.storage();
    let (mut stop, aborted) = emergency(&machine, Principal::Root).await;
    let calling =
        tokio::spawn(async move { done(&mut storage, "s", "test.stubborn", json!({})).await });
    until("it is under way", || {
        machine.pipeline.agents_under_way() == 1
    })
    .await;
    let began = Instant::now();
    let state = stop.stop(order("")).await.unwrap().into_inner();
    assert_eq!(state.remarks.len(), 1, "{state:?}");
    assert!(calling.await.unwrap().is_err());
    until("the process ends", || aborted.load(Ordering::SeqCst) == 1).await;
    assert!(began.elapsed() < SECOND, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_and_other_daemons_neither_stop_nor_resume() {
    let machine = Machine::new(registry());
    for caller in [
        agent("storage"),
        Principal::Daemon("memory".into()),
        Principal::Other(1000),
    ] {
        let (mut client, _) = emergency(&machine, caller).await;
        for answer in [client.stop(order("")).await, client.resume(order("")).await] {
            assert_eq!(answer.unwrap_err().code(), Code::PermissionDenied);
        }
    }
    assert_eq!(machine.pipeline.emergency().stopped(), None);
}
