//! A real ledger, exported over the wire and verified by the real executable,
//! while the appliance claims that all is well.

#![allow(clippy::unwrap_used)] // a test

mod support;

use std::path::{Path, PathBuf};

use aios_ledger::{Entry, Ledger};
use support::{Double, Machine, serve};

/// Appends entries to the ledger of a machine, which is made when there is none.
fn append(folder: &Path, count: usize) {
    let ledger = Ledger::open(folder, &folder.with_extension("key")).unwrap();
    for number in 0..count {
        let reason = format!("entry {number} of this time");
        let entry = Entry {
            kind: "record".into(),
            reason,
            ..Default::default()
        };
        ledger.append(&entry).unwrap();
    }
}

/// A machine with a ledger of 20 entries, which an appliance serves.
async fn audited() -> (Machine, PathBuf) {
    let machine = Machine::new();
    let folder = machine.path("appliance/ledger");
    std::fs::create_dir_all(&folder).unwrap();
    append(&folder, 20);
    let double = Double {
        ledger: Some(folder.clone()),
        ..Double::default()
    };
    let address = serve(&machine.provisioning(), double).await.to_string();
    machine.succeeds(&["config", "set", "endpoint", &address]);
    (machine, folder)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in aios_ledger::Export::NAMES {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

async fn verify(machine: &Machine, more: &[&str], code: i32, expected: &str) {
    let arguments = [&["audit", "verify"], more].concat();
    let (got, text, errors) = machine.run_async(&arguments).await;
    assert_eq!(got, code, "{text}{errors}");
    assert!(text.contains(expected), "{text}{errors}");
}

#[tokio::test]
async fn an_intact_ledger_is_verified_and_may_grow() {
    let (machine, folder) = audited().await;
    verify(&machine, &[], 0, "ledger     intact\n").await;
    append(&folder, 5);
    verify(&machine, &["--json"], 0, "\"intact\": true").await;
    let left = std::fs::read_dir(machine.path("")).unwrap().flatten();
    let left = left.filter(|file| file.file_name().to_string_lossy().starts_with("audit-"));
    assert_eq!(left.count(), 0, "the copies are removed");
}

#[tokio::test]
async fn a_flipped_field_is_found_whatever_the_appliance_says() {
    let (machine, folder) = audited().await;
    let log = folder.join("log");
    let mut bytes = std::fs::read(&log).unwrap();
    let at = bytes
        .windows(8)
        .position(|window| window == b"entry 7 ")
        .unwrap();
    bytes[at + 6] = b'8';
    std::fs::write(&log, bytes).unwrap();
    verify(&machine, &[], 1, "NOT INTACT").await;
}

#[tokio::test]
async fn a_tail_that_was_cut_well_is_found_by_what_is_remembered() {
    let (machine, folder) = audited().await;
    let older = machine.path("older");
    copy(&folder, &older);
    append(&folder, 3);
    verify(&machine, &[], 0, "intact").await;
    // An old backup put back is whole and signed, and yet entries are gone.
    copy(&older, &folder);
    verify(&machine, &[], 1, "the tail is cut").await;
    // Being lied to once does not make it forget.
    verify(&machine, &[], 1, "the tail is cut").await;
}

#[tokio::test]
async fn a_ledger_that_was_written_anew_is_found_until_told_to_forget() {
    let (machine, folder) = audited().await;
    verify(&machine, &[], 0, "intact").await;
    let anew = machine.path("anew/ledger");
    std::fs::create_dir_all(&anew).unwrap();
    append(&anew, 30);
    copy(&anew, &folder);
    verify(&machine, &[], 1, "another key").await;
    verify(&machine, &[], 1, "--forget").await;
    verify(&machine, &["--forget"], 0, "intact").await;
    verify(&machine, &[], 0, "intact").await;
}

#[tokio::test]
async fn an_exported_copy_is_verified_without_the_appliance() {
    let (machine, folder) = audited().await;
    let copy = machine.path("copy");
    let copy_path = copy.to_str().unwrap();
    let (code, _, errors) = machine.run_async(&["audit", "export", copy_path]).await;
    assert_eq!(code, 0, "{errors}");
    let same =
        |name: &str| std::fs::read(copy.join(name)).ok() == std::fs::read(folder.join(name)).ok();
    assert!(aios_ledger::Export::NAMES.iter().all(|name| same(name)));
    verify(&machine, &["--dir", copy_path], 0, "entries    20\n").await;
    verify(
        &machine,
        &["--dir", copy_path, "--public-key", &"00".repeat(32)],
        1,
        "another key",
    )
    .await;
    let (code, _, errors) = machine.run_async(&["audit", "export", copy_path]).await;
    assert_eq!(code, 2, "an export never overwrites: {errors}");
}
