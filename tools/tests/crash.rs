//! The machine stops between intent and completion: what the disk held at that instant is taken as
//! the disk of a new process.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use aios_contracts::v1::CallResponse;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tool::spec::{Declaration, Effect};
use aios_tool::tool::{Change, Interrupted, Tool, change};
use aios_tool::undo::Capture;
use aios_tools::fs::{append, write};
use aios_tools::registry::Registry;
use common::{Machine, done, snapshot};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Where an act stops, and how it is told to go on.
static STOPS: Mutex<Option<(SyncSender<()>, Receiver<()>)>> = Mutex::new(None);

/// One test at a time stops acts.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn stop() {
    if let Some((reached, go_on)) = STOPS.lock().unwrap().as_ref() {
        reached.send(()).unwrap();
        go_on.recv().unwrap();
    }
}

/// A tool, but it stops before and after its effect.
struct Stopping<T>(PhantomData<fn() -> T>);

impl<T: Tool> Tool for Stopping<T> {
    type Input = T::Input;
    type Output = T::Output;

    fn declaration() -> Declaration {
        T::declaration()
    }
    fn summarize(input: &T::Input, output: &T::Output) -> String {
        T::summarize(input, output)
    }
}

impl<T: Change> Change for Stopping<T> {
    fn effect() -> Effect {
        T::effect()
    }
    fn preview(input: &T::Input, context: &Context) -> Result<Preview, ToolError> {
        T::preview(input, context)
    }
    fn capture(
        input: &T::Input,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        T::capture(input, capture, context)
    }
    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
        stop();
        let output = T::act(input, context);
        stop();
        output
    }
    fn verify(input: &T::Input, out: &T::Output, context: &Context) -> Result<(), ToolError> {
        T::verify(input, out, context)
    }
    fn found_done(
        input: &T::Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<T::Output>, ToolError> {
        T::found_done(input, interrupted, context)
    }
}

/// The paths in a snapshot are those of the original machine: the test moves it into place.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_call_has_its_effect_exactly_once() {
    let _alone = ALONE.lock().await;
    let mut machine = Machine::new(Registry::complete().with(change::<Stopping<write::Act>>()));
    let file = machine.path("x");
    std::fs::write(&file, "before").unwrap();
    let arguments = json!({"path": file, "content": "after"});
    let (finished, before, after) = stopped(&mut machine, "fs.write", &arguments).await;

    // Stopped after the effect: it is found done, and a retry does nothing.
    let mut machine = become_disk(machine, &after, Registry::complete()).await;
    let last = machine.audit().pop().unwrap();
    assert_eq!(last.0, "completion");
    assert_eq!(last.1, "succeeded, found done after a restart");
    std::fs::write(&file, "later").unwrap();
    let mut storage = machine.storage();
    let retried = done(&mut storage, "1", "fs.write", arguments.clone())
        .await
        .unwrap();
    assert!(retried.replayed && retried.execution_id == finished.execution_id);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "later");
    std::fs::write(&file, "after").unwrap();
    drop(storage);
    undo(&mut machine, &retried.execution_id).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");

    // Stopped before the effect: recorded as interrupted, a retry does it with the first capture.
    let mut machine = become_disk(machine, &before, Registry::complete()).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    let last = machine.audit().pop().unwrap();
    assert!(last.1.contains("interrupted by a restart"), "{last:?}");
    let mut storage = machine.storage();
    let retried = done(&mut storage, "1", "fs.write", arguments)
        .await
        .unwrap();
    assert!(!retried.replayed && retried.reversible);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
    drop(storage);
    undo(&mut machine, &retried.execution_id).await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_crash_does_not_repeat_the_effect() {
    let _alone = ALONE.lock().await;
    let registry = || Registry::complete().with(change::<Stopping<append::Act>>());
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    std::fs::write(&file, "before\n").unwrap();
    let arguments = json!({"path": file, "content": "added\n"});
    let (_, before, _) = stopped(&mut machine, "fs.append", &arguments).await;

    let mut machine = become_disk(machine, &before, registry()).await;
    assert!(machine.audit().pop().unwrap().1.contains("interrupted"));
    let (first, _, after) = stopped(&mut machine, "fs.append", &arguments).await;
    assert!(!first.replayed);

    let mut machine = become_disk(machine, &after, Registry::complete()).await;
    let last = machine.audit().pop().unwrap();
    assert_eq!(last.1, "succeeded, found done after a restart");
    let mut storage = machine.storage();
    let retried = done(&mut storage, "1", "fs.append", arguments)
        .await
        .unwrap();
    assert!(retried.replayed);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before\nadded\n");
    drop(storage);

    // Restarts without a retry add nothing to the ledger.
    let machine = become_disk(machine, &before, Registry::complete()).await;
    let entries = machine.audit().len();
    let machine = machine.restart(Registry::complete()).await;
    assert_eq!(machine.audit().len(), entries);
}

/// Calls a stopping tool: the answer, and the disks before and after the effect.
async fn stopped(
    machine: &mut Machine,
    tool: &'static str,
    arguments: &Value,
) -> (CallResponse, TempDir, TempDir) {
    let (reached_sender, reached) = sync_channel(0);
    let (go_on, go_on_receiver) = sync_channel(0);
    let root = machine.folder.path().to_owned();
    let mut storage = machine.storage();
    *STOPS.lock().unwrap() = Some((reached_sender, go_on_receiver));
    let mine = arguments.clone();
    let calling = tokio::spawn(async move { done(&mut storage, "1", tool, mine).await });
    let (before, after) = tokio::task::spawn_blocking(move || {
        reached.recv().unwrap();
        let before = snapshot(&root);
        go_on.send(()).unwrap();
        reached.recv().unwrap();
        let after = snapshot(&root);
        go_on.send(()).unwrap();
        (before, after)
    })
    .await
    .unwrap();
    let finished = calling.await.unwrap().unwrap();
    *STOPS.lock().unwrap() = None;
    (finished, before, after)
}

/// A new process on the disk as it was in the snapshot.
async fn become_disk(machine: Machine, disk: &TempDir, registry: Registry) -> Machine {
    let root = machine.folder.path().to_owned();
    let machine = machine.restart(Registry::empty()).await; // lets go of the ledger
    let folder = {
        let Machine {
            folder, pipeline, ..
        } = machine;
        drop(pipeline);
        folder
    };
    for entry in std::fs::read_dir(&root).unwrap() {
        std::fs::remove_dir_all(entry.unwrap().path()).unwrap();
    }
    let copy = snapshot(disk.path());
    for entry in std::fs::read_dir(copy.path()).unwrap() {
        let entry = entry.unwrap();
        std::fs::rename(entry.path(), root.join(entry.file_name())).unwrap();
    }
    let machine = Machine::at(folder, registry);
    machine.pipeline.settle_all();
    machine
}

async fn undo(machine: &mut Machine, execution: &str) {
    let mut orchestrator = machine.orchestrator();
    let request = aios_contracts::v1::UndoRequest {
        execution_id: execution.into(),
        role: aios_contracts::v1::Role::Operator.into(),
        ..Default::default()
    };
    orchestrator.undo(request).await.unwrap();
}
