//! The machine stops before anything but the journal has reached the disk.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::path::Path;

use aios_contracts::v1::UndoRequest;
use aios_tools::registry::Registry;
use common::{Machine, done, snapshot};
use serde_json::json;

/// Puts back all state but the journal as it was in `before`.
fn lose_all_but_the_journal(state: &Path, before: &Path) {
    let journal = std::fs::read(state.join("tools/journal")).unwrap();
    std::fs::remove_dir_all(state).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-a")
        .args([before, state])
        .status();
    assert!(copied.unwrap().success());
    std::fs::write(state.join("tools/journal"), journal).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_is_known_after_a_power_cut_and_can_be_undone() {
    let mut machine = Machine::new(Registry::complete());
    let state = machine.folder.path().join("state");
    let early = snapshot(&state);
    let (kept, gone) = (machine.path("kept"), machine.path("gone"));
    std::fs::write(&kept, "before").unwrap();
    std::fs::write(&gone, "before").unwrap();
    let mut storage = machine.storage();
    let mut ids = Vec::new();
    for (call, file) in [("1", &kept), ("2", &gone)] {
        let arguments = json!({"path": file, "content": "after"});
        let written = done(&mut storage, call, "fs.write", arguments).await;
        ids.push(written.unwrap().execution_id);
    }
    let undo = |id: &str| UndoRequest {
        execution_id: id.into(),
        role: aios_contracts::v1::Role::Operator.into(),
        ..UndoRequest::default()
    };
    machine.orchestrator().undo(undo(&ids[1])).await.unwrap();
    let said = machine.audit();
    drop(storage);

    // As a power cut would leave it: nothing of the process's end is on the disk.
    let late = snapshot(&state);
    let machine_ended = machine.restart(Registry::empty()).await;
    let folder = {
        let Machine {
            folder, pipeline, ..
        } = machine_ended;
        drop(pipeline);
        folder
    };
    lose_all_but_the_journal(&state, early.path());
    std::fs::copy(
        late.path().join("tools/journal"),
        state.join("tools/journal"),
    )
    .unwrap();
    let mut machine = Machine::at(folder, Registry::complete());
    machine.pipeline.settle_all();

    assert_eq!(machine.audit(), said);
    let expected = aios_ledger::Expected::default();
    assert!(machine.pipeline.ledger().verify(&expected).intact);
    let mut storage = machine.storage();
    let arguments = json!({"path": kept, "content": "after"});
    let retried = done(&mut storage, "1", "fs.write", arguments)
        .await
        .unwrap();
    assert!(retried.replayed && retried.execution_id == ids[0]);
    let mut orchestrator = machine.orchestrator();
    orchestrator.undo(undo(&ids[0])).await.unwrap();
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "before");
    let again = orchestrator.undo(undo(&ids[1])).await.unwrap_err();
    assert!(again.message().contains("already undone"), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_filled_over_and_over_and_nothing_is_forgotten() {
    let mut machine = Machine::new(Registry::complete());
    let file = machine.path("x");
    let content = |number: u32| format!("{number} {}", "x".repeat(60_000));
    std::fs::write(&file, content(0)).unwrap();
    let mut storage = machine.storage();
    let mut ids = vec![String::new()];
    const MANY: u32 = 250;
    for number in 1..=MANY {
        let arguments = json!({"path": file, "content": content(number)});
        let call = number.to_string();
        let written = done(&mut storage, &call, "fs.write", arguments).await;
        ids.push(written.unwrap().execution_id);
    }
    drop(storage);
    let disk = snapshot(machine.folder.path());
    let journal = disk.path().join("state/tools/journal");
    assert_eq!(journal.metadata().unwrap().len(), 8 * 1024 * 1024);
    assert_eq!(machine.audit().len(), 2 * MANY as usize);

    let machine = machine.restart(Registry::complete()).await;
    assert_eq!(machine.audit().len(), 2 * MANY as usize);
    let pipeline = std::sync::Arc::clone(&machine.pipeline);
    let undone = tokio::task::spawn_blocking(move || {
        for number in (1..=MANY).rev() {
            let request = aios_tools::pipeline::Undo {
                execution_id: ids[number as usize].clone(),
                ..aios_tools::pipeline::Undo::default()
            };
            let root = aios_daemon::identity::Principal::Root;
            pipeline.undo(&root, &request).unwrap();
            let now = std::fs::read_to_string(&file).unwrap();
            assert!(now == content(number - 1), "{number}");
        }
    });
    undone.await.unwrap();
}
