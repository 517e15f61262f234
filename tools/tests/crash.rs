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
    fn complete(input: &mut T::Input) {
        T::complete(input);
    }
    fn relate(input: &mut T::Input, context: &Context) -> Result<(), ToolError> {
        T::relate(input, context)
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

/// Takes a line out of a file, by its number; as `firewall.remove` does.
struct Unline;

aios_tool::arguments! {
    struct UnlineInput {
        /// The file.
        path: aios_tool::argument::WritePath,
        /// Number of the line, from 1.
        number: Option<aios_tool::argument::Whole<1, 9>>,
        /// Or the line.
        line: Option<aios_tool::argument::Text>,
    }
}

fn lines(path: &str) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

impl Tool for Unline {
    type Input = UnlineInput;
    type Output = aios_tool::argument::Nothing;

    fn declaration() -> Declaration {
        let declaration = Declaration::of("test.unline", "Takes a line out.").timeout_ms(5_000);
        declaration.kernel(aios_tool::file::WRITING)
    }
    fn relate(input: &mut UnlineInput, _: &Context) -> Result<(), ToolError> {
        if let Some(number) = input.number.take() {
            let line = lines(input.path.as_str()).get(number.count() - 1).cloned();
            let line = line.ok_or_else(|| ToolError::Precondition("no such line".into()))?;
            input.line = Some(aios_tool::argument::Text::of(line));
        }
        Ok(())
    }
    fn summarize(input: &UnlineInput, _: &Self::Output) -> String {
        format!("{} is gone", input.line.as_ref().unwrap().as_str())
    }
}

impl Change for Unline {
    fn effect() -> Effect {
        Effect::of("the line is gone", &["remove"])
    }
    fn preview(_: &UnlineInput, _: &Context) -> Result<Preview, ToolError> {
        Ok(Preview::default())
    }
    fn act(input: &UnlineInput, _: &Context) -> Result<Self::Output, ToolError> {
        let mut left = lines(input.path.as_str());
        let line = input.line.as_ref().unwrap().as_str();
        left.retain(|one| one != line);
        std::fs::write(input.path.as_str(), left.join("\n")).unwrap();
        Ok(aios_tool::argument::Nothing {})
    }
    fn verify(_: &UnlineInput, _: &Self::Output, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
    fn found_done(
        input: &UnlineInput,
        _: &Interrupted<'_>,
        _: &Context,
    ) -> Result<Option<Self::Output>, ToolError> {
        let line = input.line.as_ref().unwrap().as_str();
        let left = lines(input.path.as_str());
        let gone = !left.iter().any(|one| one == line);
        Ok(gone.then_some(aios_tool::argument::Nothing {}))
    }
}

/// The second line is another one after the call, and there may be none.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_number_meant_it_means_when_the_call_is_repeated() {
    let _alone = ALONE.lock().await;
    let registry = || Registry::complete().with(change::<Unline>());
    let stopping = Registry::complete().with(change::<Stopping<Unline>>());
    let mut machine = Machine::new(stopping);
    let file = machine.path("x");
    std::fs::write(&file, "a\nb\nc").unwrap();
    let arguments = json!({"path": file, "number": 2});
    let (finished, before, after) = stopped(&mut machine, "test.unline", &arguments).await;
    assert_eq!(lines(&file), ["a", "c"]);

    // Stopped after the effect, and nobody settled it yet: the retry does.
    let mut machine = become_disk(machine, &after, Registry::complete()).await;
    machine = machine.restart(registry()).await;
    let mut storage = machine.storage();
    let retried = done(&mut storage, "1", "test.unline", arguments.clone())
        .await
        .unwrap();
    assert_eq!(retried.execution_id, finished.execution_id);
    assert!(
        retried.replayed && retried.summary == "b is gone",
        "{retried:?}"
    );
    assert_eq!(lines(&file), ["a", "c"]);
    std::fs::write(&file, "a").unwrap();
    let again = done(&mut storage, "1", "test.unline", arguments.clone())
        .await
        .unwrap();
    assert!(
        again.replayed,
        "there is no second line, and it is answered all the same"
    );
    let other = done(&mut storage, "2", "test.unline", arguments.clone()).await;
    assert!(other.unwrap_err().message().contains("no such line"));
    drop(storage);

    // Stopped before the effect, and then another line came before it.
    let mut machine = become_disk(machine, &before, registry()).await;
    std::fs::write(&file, "new\na\nb\nc").unwrap();
    let mut storage = machine.storage();
    done(&mut storage, "1", "test.unline", arguments.clone())
        .await
        .unwrap();
    assert_eq!(lines(&file), ["new", "a", "c"]);
    drop(storage);

    // The same, and then the lines before it went: there is no second one.
    let mut machine = become_disk(machine, &before, registry()).await;
    std::fs::write(&file, "b").unwrap();
    let mut storage = machine.storage();
    done(&mut storage, "1", "test.unline", arguments)
        .await
        .unwrap();
    assert!(lines(&file).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_process_has_half_done_nobody_changes_before_it_is_settled() {
    let _alone = ALONE.lock().await;
    let mut machine = Machine::new(Registry::complete().with(change::<Stopping<write::Act>>()));
    let file = machine.path("x");
    std::fs::write(&file, "before").unwrap();
    let arguments = json!({"path": file, "content": "after"});
    let (_, before, _) = stopped(&mut machine, "fs.write", &arguments).await;
    let mut machine = become_disk(machine, &before, Registry::complete()).await;
    let left = machine.pipeline.left_open();
    assert_eq!(left.len(), 1);
    let mut storage = machine.storage();
    let new = json!({"path": file, "content": "new"});
    let writing =
        tokio::spawn(async move { done(&mut storage, "2", "fs.write", new).await.unwrap() });
    let aside = json!({"path": machine.path("y"), "content": "y"});
    done(&mut machine.storage(), "3", "fs.write", aside)
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    let pipeline = std::sync::Arc::clone(&machine.pipeline);
    tokio::task::spawn_blocking(move || pipeline.settle_left(left))
        .await
        .unwrap();
    writing.await.unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
}

/// Changes two files as one change set.
struct Two;

aios_tool::arguments! {
    struct TwoInput {
        /// A folder.
        path: aios_tool::argument::WritePath,
    }
}

impl Tool for Two {
    type Input = TwoInput;
    type Output = aios_tool::argument::Nothing;

    fn declaration() -> Declaration {
        Declaration::of("test.two", "Writes two.").kernel(aios_tool::file::WRITING)
    }
    fn summarize(_: &TwoInput, _: &Self::Output) -> String {
        "both are written".into()
    }
}

impl aios_tool::edit::Edit for Two {
    fn effect() -> Effect {
        let effect = Effect::of("both are written", &["write"]);
        effect.undone_by(aios_tool::spec::Undo::ChangeSet)
    }
    fn plan(input: &TwoInput, _: &Context) -> Result<aios_tool::edit::Plan, ToolError> {
        let path = input.path.as_str();
        let plan = aios_tool::edit::Plan::new();
        plan.content(&format!("{path}1"), "new", 0o644)?
            .content(&format!("{path}2"), "new", 0o644)
    }
    fn output(
        _: &TwoInput,
        _: &[aios_tool::undo::Entry],
        _: &Context,
    ) -> Result<Self::Output, ToolError> {
        stop();
        Ok(aios_tool::argument::Nothing {})
    }
    fn apply(_: &TwoInput, _: &Context) -> Result<(), ToolError> {
        stop();
        Ok(())
    }
}

/// Others changed what it had made: it can neither be taken back nor be found done, whoever looks when.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_nobody_can_take_back_any_more_ends() {
    let _alone = ALONE.lock().await;
    let registry = || Registry::complete().with(aios_tool::tool::edit::<Two>());
    let mut machine = Machine::new(registry());
    let file = machine.path("x");
    for end in ["1", "2"] {
        std::fs::write(format!("{file}{end}"), "old").unwrap();
    }
    let arguments = json!({"path": file});
    let (_, made, _) = stopped(&mut machine, "test.two", &arguments).await;
    std::fs::write(made.path().join("data/x1"), "somebody's").unwrap();
    let mut machine = become_disk(machine, &made, registry()).await;
    let last = machine.audit().pop().unwrap();
    assert!(last.1.contains("a part of it may be left"), "{last:?}");
    assert!(last.1.ends_with("after a restart"), "{last:?}");
    assert_eq!(machine.under_way(), 0);
    let mut storage = machine.storage();
    let retried = done(&mut storage, "1", "test.two", arguments)
        .await
        .unwrap_err();
    assert!(
        retried.message().contains("x1 was changed since"),
        "{retried}"
    );
    assert_eq!(
        std::fs::read_to_string(format!("{file}1")).unwrap(),
        "somebody's"
    );
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
    let calling = tokio::spawn(async move {
        let done = done(&mut storage, "1", tool, mine).await;
        if let Err(error) = &done {
            eprintln!("{tool} did not stop: {error}");
        }
        done
    });
    let (before, after) = tokio::task::spawn_blocking(move || {
        let wait = || reached.recv_timeout(std::time::Duration::from_secs(20));
        wait().unwrap();
        let before = snapshot(&root);
        go_on.send(()).unwrap();
        wait().unwrap();
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
