//! State that an earlier version left on the data disk is read by the present one: goals, ledger,
//! memories, configuration and identity; what that version did to files is taken back.
//!
//! The specimen and what its own version said of it are in `specimen/`; its README says how both
//! were made.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics when a promise is broken"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::{Decision, ListDecisionsRequest, RecallRequest, Recollection};
use aios_qemu::{Ctl, Way, credentials};
use serde_json::{Value, json};
use support::{Appliance, POWER_OFF_LIMIT, eventually, rows};

/// What the earlier version answered about its state.
const EXPECTED: &str = include_str!("specimen/expected.json");

/// How long it may take until a person is asked, or a goal hears the answer.
const ASKED: Duration = Duration::from_secs(60);

/// By so much may the similarity of a memory to a question differ: sums of floating-point numbers.
const SIMILARITY_TOLERANCE: f64 = 0.01;

#[test]
fn state_of_an_earlier_version_is_read_and_what_it_did_is_taken_back() {
    let expected: Value = serde_json::from_str(EXPECTED).unwrap();
    // Not provisioned again: the identity, too, is what the earlier version kept.
    let mut appliance = Appliance::boot_after(
        Way::Container,
        |options| options.provisioned = false,
        |artefacts, options| {
            unpack(&options.folder);
            find_credentials(&artefacts.aiosctl, &options.folder);
        },
    );
    assert_eq!(appliance.boot.degraded, "");
    ledger_is_verified(&appliance, &expected);
    goals_are_listed(&appliance, &expected);
    memories_are_recalled(&appliance, &expected);
    configuration_is_in_force(&appliance, &expected);
    assert_files(&appliance, &expected["files"], "as they were left");
    what_was_undone_is_not_undone_again(&appliance, &expected);
    what_was_done_is_undone(&appliance, &expected);
    appliance.succeeds("write \"a new day\" to /srv/notes/new.txt");
    let written = std::fs::read(inside(&appliance, "/srv/notes/new.txt"));
    assert_eq!(written.unwrap(), b"a new day");
    ledger_is_verified(&appliance, &expected);
    assert!(
        appliance.machine.power_off(POWER_OFF_LIMIT).unwrap(),
        "the power-off was not clean"
    );
}

/// As root, so that owners and modes are what they were; times to the nanosecond.
fn unpack(folder: &Path) {
    let archive = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/specimen/state.tar.gz");
    let status = Command::new("tar")
        .args(["--extract", "--gzip", "--numeric-owner", "--same-owner"])
        .arg("--same-permissions")
        .arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(folder)
        .status()
        .expect("tar starts");
    assert!(status.success(), "tar: {status}");
}

/// The operator's configuration names its certificates by the folder that they were in.
fn find_credentials(aiosctl: &Path, folder: &Path) {
    let path = |name: &str| folder.join("operator/pki").join(name).display().to_string();
    let (ca, certificate, key) = (
        path("ca.crt"),
        path("operators/admin.crt"),
        path("operators/admin.key"),
    );
    let set = ["config", "set", "credentials", "--ca", &ca];
    let set = [&set[..], &["--certificate", &certificate, "--key", &key]].concat();
    Ctl::new(aiosctl, &credentials::config(folder))
        .run(&set)
        .unwrap();
}

/// By the checkpoint that the earlier `aiosctl` remembered, and entry by entry.
fn ledger_is_verified(appliance: &Appliance, expected: &Value) {
    let ctl = appliance.machine.ctl();
    let remembered = appliance.folder().join("operator/verified");
    assert_eq!(std::fs::read_dir(remembered).unwrap().count(), 1);
    let verdict = ctl.run(&["audit", "verify"]).unwrap();
    assert_eq!(verdict["intact"], true, "{verdict:#}");
    let old = rows(expected, "audit");
    let entries = verdict["entries"].as_u64().unwrap();
    assert!(entries >= old.len() as u64, "{entries} of {}", old.len());

    let list = ctl.run(&["audit", "list", "--limit", "10000"]).unwrap();
    let list = rows(&list, "entries");
    assert!(list.len() >= old.len(), "{} of {}", list.len(), old.len());
    for (found, expected) in list.iter().zip(&old) {
        assert_includes(found, expected, "audit");
    }
}

/// With all that was done for them.
fn goals_are_listed(appliance: &Appliance, expected: &Value) {
    let list = appliance
        .machine
        .ctl()
        .run(&["goal", "list", "--limit", "1000"]);
    let found: BTreeMap<String, Value> = rows(&list.unwrap(), "goals")
        .into_iter()
        .map(|goal| (goal["id"].as_str().unwrap().to_owned(), goal))
        .collect();
    let old = rows(expected, "goals");
    assert_eq!(found.len(), old.len(), "{found:#?}");
    for goal in old {
        let id = goal["id"].as_str().unwrap();
        let found = found.get(id).unwrap_or_else(|| panic!("no {goal:#}"));
        assert_includes(found, &goal, id);
    }
}

fn memories_are_recalled(appliance: &Appliance, expected: &Value) {
    let decided = decisions(appliance);
    for (found, expected) in decided.iter().zip(rows(expected, "decisions")) {
        let found = json!({
            "id": found.id, "goal_id": found.goal_id, "task_index": found.task_index,
            "time_ms": found.time_ms, "chosen": found.chosen, "reason": found.reason,
        });
        assert_eq!(found, expected);
    }
    assert_eq!(decided.len(), rows(expected, "decisions").len());
    for question in rows(expected, "memories") {
        let memories = recall(appliance, &question);
        let old = rows(&question, "memories");
        assert_eq!(memories.len(), old.len(), "{question:#}: {memories:#?}");
        for (found, mut old) in memories.iter().zip(old) {
            let similarity = old["similarity"].take().as_f64().unwrap();
            let near = (found.similarity - similarity).abs() < SIMILARITY_TOLERANCE;
            assert!(near, "{similarity}: {found:#?}");
            let found = json!({
                "id": found.id, "kind": found.kind, "text": found.text,
                "reference": found.reference, "time_ms": found.time_ms, "similarity": null,
            });
            assert_eq!(found, old);
        }
    }
    // The words were known: no model had to plan.
    let again = appliance.succeeds("is port 9090 open?");
    assert_eq!(again["level"], "reactive", "{again:#}");
}

/// `aiosctl` does not ask the memory; root may, on its socket.
fn memory(appliance: &Appliance) -> MemoryClient<tonic::transport::Channel> {
    let socket = inside(appliance, "/run/aios/memory.sock");
    MemoryClient::new(aios_daemon::socket::channel(&socket).unwrap())
}

fn wait_for<T>(answer: impl Future<Output = Result<T, tonic::Status>>) -> Result<T, tonic::Status> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(answer)
}

fn decisions(appliance: &Appliance) -> Vec<Decision> {
    let request = ListDecisionsRequest {
        goal_id: String::new(),
        limit: 200,
    };
    let answer = wait_for(async { memory(appliance).list_decisions(request).await });
    answer.unwrap().into_inner().decisions
}

fn recall(appliance: &Appliance, question: &Value) -> Vec<Recollection> {
    let word = |name: &str| question[name].as_str().unwrap().to_owned();
    let answer = wait_for(async {
        let request = RecallRequest {
            query: word("query"),
            limit: 2,
            kind: word("kind"),
        };
        memory(appliance).recall(request).await
    });
    answer.unwrap().into_inner().memories
}

/// The same text, still accepted, and obeyed.
fn configuration_is_in_force(appliance: &Appliance, expected: &Value) {
    let ctl = appliance.machine.ctl();
    let text = ctl.run(&["config", "get"]).unwrap()["toml"].clone();
    assert_eq!(text, expected["config"]);
    let file = appliance.folder().join("again.toml");
    std::fs::write(&file, text.as_str().unwrap()).unwrap();
    let dry = ctl.run(&["config", "apply", file.to_str().unwrap(), "--dry-run"]);
    assert!(rows(&dry.unwrap(), "restarts").is_empty());
    // Its limit for what runs without a person holds: one is asked, and says no.
    let order = ["goal", "run", "--no-wait", "delete /srv/notes/keep.txt"];
    let goal = ctl.run(&order).unwrap();
    let asked = eventually(ASKED, || {
        let asked = rows(&ctl.run(&["approvals"])?, "approvals").pop();
        asked.ok_or_else(|| anyhow::anyhow!("nobody is asked"))
    });
    let asked = asked.unwrap();
    let why = asked["why"].as_str().unwrap();
    assert!(why.contains("run up to medium"), "{why}");
    let deny = ["approvals", "deny", asked["id"].as_str().unwrap()];
    ctl.run(&deny).unwrap();
    let show = ["goal", "show", goal["id"].as_str().unwrap()];
    eventually(ASKED, || {
        let goal = ctl.run(&show)?;
        anyhow::ensure!(goal["state"] == "failed", "{goal:#}");
        Ok(())
    })
    .unwrap();
    let status = ctl.run(&["status"]).unwrap();
    assert_eq!(status["node"], expected["node"], "{status:#}");
    assert_eq!(status["emergency"]["stopped"], false, "{status:#}");
}

fn what_was_undone_is_not_undone_again(appliance: &Appliance, expected: &Value) {
    for execution in rows(expected, "undone") {
        let undo = appliance
            .machine
            .ctl()
            .run(&["undo", execution.as_str().unwrap()]);
        let refused = undo.unwrap_err().to_string();
        assert!(refused.contains("already undone"), "{refused}");
    }
}

/// Byte for byte, with owner, mode and time.
fn what_was_done_is_undone(appliance: &Appliance, expected: &Value) {
    for done in rows(expected, "undo") {
        let what = done["what"].as_str().unwrap();
        assert_files(appliance, &done["after"], what);
        let undo = ["undo", "--goal", done["goal"].as_str().unwrap()];
        appliance.machine.ctl().run(&undo).unwrap();
        assert_files(appliance, &done["before"], &format!("{what}, undone"));
    }
}

/// A path of the appliance's root, as this machine reaches it.
fn inside(appliance: &Appliance, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{path}", appliance.machine.pid()))
}

fn assert_files(appliance: &Appliance, expected: &Value, what: &str) {
    for (path, expected) in expected.as_object().unwrap() {
        let found = file(&inside(appliance, path));
        assert_eq!(&found, expected, "{what}: {path}");
    }
}

/// What is at a path itself: content or target, owner, mode and time of change; null for nothing.
fn file(path: &Path) -> Value {
    let Ok(meta) = path.symlink_metadata() else {
        return Value::Null;
    };
    let mut state = json!({
        "mode": format!("{:o}", meta.mode()), "uid": meta.uid(), "gid": meta.gid(),
    });
    if meta.is_symlink() {
        state["target"] = std::fs::read_link(path).unwrap().to_str().unwrap().into();
    } else if meta.is_file() {
        let hex = |bytes: Vec<u8>| -> String { bytes.iter().map(|b| format!("{b:02x}")).collect() };
        state["bytes"] = hex(std::fs::read(path).unwrap()).into();
        state["mtime"] = json!([meta.mtime(), meta.mtime_nsec()]);
    }
    state
}

/// Everything that the earlier version said is said again; more may be.
fn assert_includes(found: &Value, expected: &Value, place: &str) {
    match expected {
        Value::Object(fields) => {
            for (name, expected) in fields {
                assert_includes(&found[name], expected, &format!("{place}.{name}"));
            }
        }
        Value::Array(items) => {
            let found = found.as_array().map_or(&[][..], Vec::as_slice);
            assert_eq!(found.len(), items.len(), "{place}");
            for (nth, (found, expected)) in found.iter().zip(items).enumerate() {
                assert_includes(found, expected, &format!("{place}.{nth}"));
            }
        }
        _ => assert_eq!(found, expected, "{place}"),
    }
}
