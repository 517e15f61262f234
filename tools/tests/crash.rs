//! The machine stops between intent and completion: what the disk held at that instant is taken as
//! the disk of a new process.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use aios_tools::context::Context;
use aios_tools::error::ToolError;
use aios_tools::fs::write;
use aios_tools::registry::Registry;
use aios_tools::spec::Spec;
use aios_tools::tool::{Interrupted, Tool};
use aios_tools::undo::Capture;
use common::{Machine, done, snapshot};
use serde_json::json;

/// Where an act stops, and how it is told to go on.
static STOPS: Mutex<Option<(SyncSender<()>, Receiver<()>)>> = Mutex::new(None);

fn stop() {
    if let Some((reached, go_on)) = STOPS.lock().unwrap().as_ref() {
        reached.send(()).unwrap();
        go_on.recv().unwrap();
    }
}

/// `fs.write`, but it stops before and after its effect.
struct StoppingWrite;

impl Tool for StoppingWrite {
    type Input = write::Input;
    type Output = write::Output;
    const SPEC: Spec = write::Act::SPEC;

    fn resolve(input: &mut write::Input, context: &Context) -> Result<(), ToolError> {
        write::Act::resolve(input, context)
    }
    fn capture(
        input: &write::Input,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        write::Act::capture(input, capture, context)
    }
    fn act(input: &write::Input, context: &Context) -> Result<write::Output, ToolError> {
        stop();
        let output = write::Act::act(input, context);
        stop();
        output
    }
    fn verify(input: &write::Input, out: &write::Output, context: &Context) -> Result<(), String> {
        write::Act::verify(input, out, context)
    }
    fn summarize(input: &write::Input, output: &write::Output) -> String {
        write::Act::summarize(input, output)
    }
    fn found_done(
        input: &write::Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<write::Output>, ToolError> {
        write::Act::found_done(input, interrupted, context)
    }
}

/// The paths in a snapshot are those of the original machine: the test moves it into place.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_call_has_its_effect_exactly_once() {
    let (reached_sender, reached) = sync_channel(0);
    let (go_on, go_on_receiver) = sync_channel(0);
    let mut machine = Machine::new(Registry::complete().with::<StoppingWrite>());
    let file = machine.path("x");
    std::fs::write(&file, "before").unwrap();
    let root = machine.folder.path().to_owned();
    let arguments = json!({"path": file, "content": "after"});
    let mut storage = machine.storage();
    *STOPS.lock().unwrap() = Some((reached_sender, go_on_receiver));
    let mine = arguments.clone();
    let calling = tokio::spawn(async move { done(&mut storage, "1", "fs.write", mine).await });
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

    // Stopped after the effect: it is found done, and a retry does nothing.
    let mut machine = become_disk(machine, &after).await;
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
    let mut machine = become_disk(machine, &before).await;
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

/// A new process on the disk as it was in the snapshot.
async fn become_disk(machine: Machine, disk: &tempfile::TempDir) -> Machine {
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
    let machine = Machine::at(folder, Registry::complete());
    machine.pipeline.settle_all();
    machine
}

async fn undo(machine: &mut Machine, execution: &str) {
    let mut orchestrator = machine.orchestrator();
    let request = aios_proto::v1::UndoRequest {
        execution_id: execution.into(),
        ..Default::default()
    };
    orchestrator.undo(request).await.unwrap();
}
