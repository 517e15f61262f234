//! Giving back the room that executions keep for undo.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::time::{Duration, SystemTime};

use aios_contracts::v1::ReclaimStorageRequest;
use aios_daemon::identity::Principal;
use aios_testkit::disk::Disk;
use aios_tools::pipeline::Reclaim;
use aios_tools::registry::Registry;
use aios_tools::retention;
use common::{Machine, agent};
use serde_json::json;
use tempfile::TempDir;
use tonic::Code;

const MIB: u64 = 1 << 20;

fn all() -> Reclaim {
    Reclaim {
        actor: "orchestrator".into(),
        on_behalf_of: "CN=ann".into(),
        ..Reclaim::default()
    }
}

fn free(machine: &Machine) -> u64 {
    let found = rustix::fs::statvfs(machine.folder.path()).unwrap();
    found.f_bavail * found.f_frsize
}

/// A file of 8 MiB is deleted and one of 4 MiB replaced on a disk that is full then.
#[tokio::test(flavor = "multi_thread")]
async fn reclaiming_frees_a_full_disk_and_says_honestly_what_cannot_be_undone() {
    let Some(disk) = Disk::as_data_partition(64) else {
        return;
    };
    let folder = TempDir::new_in(disk.path()).unwrap();
    std::fs::create_dir(folder.path().join("data")).unwrap();
    let machine = Machine::at(folder, Registry::complete());
    let (gone, replaced) = (machine.path("gone"), machine.path("replaced"));
    std::fs::write(&gone, vec![1; 8 << 20]).unwrap();
    std::fs::write(&replaced, vec![2; 1 << 20]).unwrap();
    let deleted = machine.act("fs.delete", json!({"path": gone})).unwrap();
    let written = json!({"path": replaced, "content": "new"});
    let written = machine.act("fs.write", written).unwrap();
    let made = json!({"path": machine.path("made")});
    let made = machine.act("fs.mkdir", made).unwrap();
    disk.fill();

    let young = Reclaim {
        older_than: Duration::from_secs(3600),
        ..all()
    };
    assert!(
        machine
            .pipeline
            .reclaim(&young)
            .unwrap()
            .executions
            .is_empty()
    );
    let before = (free(&machine), machine.pipeline.ledger().len());
    let tried = Reclaim {
        dry_run: true,
        ..all()
    };
    let told = machine.pipeline.reclaim(&tried).unwrap();
    let tools: Vec<_> = told
        .executions
        .iter()
        .map(|one| one.tool.as_str())
        .collect();
    assert_eq!(tools, ["fs.delete", "fs.write"]);
    assert!((9 * MIB..10 * MIB).contains(&told.bytes()), "{told:?}");
    let after = (free(&machine), machine.pipeline.ledger().len());
    assert_eq!(before, after, "a dry run changes nothing");

    let dropped = machine.pipeline.reclaim(&all()).unwrap();
    assert_eq!(dropped, told);
    assert!(free(&machine) >= 9 * MIB, "{}", free(&machine));
    assert_eq!(machine.pipeline.ledger().len(), before.1 + 1, "one entry");
    let entry = machine.pipeline.ledger().newest().next().unwrap().unwrap();
    assert_eq!(
        (entry.tool.as_str(), entry.on_behalf_of.as_str()),
        ("storage.reclaim", "CN=ann")
    );
    assert!(entry.outcome.contains("2 executions"), "{}", entry.outcome);
    for execution in [&deleted, &written] {
        let refused = machine.undo(execution).unwrap_err().to_string();
        assert!(
            refused.contains("reclaimed on") && refused.contains("by CN=ann"),
            "{refused}"
        );
    }
    assert_eq!(std::fs::read_to_string(&replaced).unwrap(), "new");
    assert!(
        machine
            .pipeline
            .reclaim(&all())
            .unwrap()
            .executions
            .is_empty(),
        "nothing is left"
    );

    let machine = machine.restart(Registry::complete()).await;
    let refused = machine.undo(&deleted).unwrap_err().to_string();
    assert!(refused.contains("reclaimed on"), "{refused}");
    machine.undo(&made).unwrap(); // kept nothing, and can be undone as before
}

/// What is older than the policy allows goes by itself; what is younger stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_drops_what_is_too_old_and_says_so() {
    let machine = Machine::new(Registry::complete());
    let deleted = ["old", "young"].map(|name| {
        let path = machine.path(name);
        std::fs::write(&path, name).unwrap();
        machine.act("fs.delete", json!({"path": path})).unwrap()
    });
    machine.pipeline.empty_journal();
    let outcome = format!("state/tools/outcomes/{}.json", deleted[0].execution_id);
    let outcome = std::fs::File::open(machine.folder.path().join(outcome)).unwrap();
    let days = |days: u64| SystemTime::now() - Duration::from_secs(days * 86_400);
    outcome.set_modified(days(31)).unwrap();
    let before = machine.pipeline.ledger().len();
    let pipeline = std::sync::Arc::clone(&machine.pipeline);
    let applied = std::thread::spawn(move || retention::apply(&pipeline, 30));
    applied.join().unwrap();
    let refused = machine.undo(&deleted[0]).unwrap_err().to_string();
    assert!(refused.contains("undo_keep_days"), "{refused}");
    machine.undo(&deleted[1]).unwrap();
    let entries = machine
        .pipeline
        .ledger()
        .entries(before..before + 1)
        .unwrap();
    assert_eq!(entries[0].tool, "storage.reclaim");
    assert!(
        entries[0].outcome.contains("1 execution"),
        "{}",
        entries[0].outcome
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn only_root_and_the_orchestrator_reclaim() {
    let mut machine = Machine::new(Registry::complete());
    let path = machine.path("x");
    std::fs::write(&path, "x").unwrap();
    machine.act("fs.delete", json!({"path": path})).unwrap();
    let request = ReclaimStorageRequest::default();
    for caller in [agent("storage"), Principal::Daemon("control".into())] {
        let mut client = machine.connect(caller).unplanned();
        let refused = client.reclaim_storage(request.clone()).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let mut client = machine.orchestrator();
    let answer = client.reclaim_storage(request).await.unwrap().into_inner();
    assert_eq!(
        (answer.executions, answer.dropped.len()),
        (1, 1),
        "{answer:?}"
    );
}
