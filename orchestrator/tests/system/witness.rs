//! The ledger is known in a second place: with real ledgers, of which older copies are put in place.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aios_contracts::v1::*;
use aios_ledger::{Entry, Ledger};
use aios_orchestrator::config::Limits;
use tonic::Code;

use crate::node::{Node, Process};

/// A ledger's folder and its key, and which process of aios-tools has it open.
struct Disk {
    folder: tempfile::TempDir,
    starts: AtomicU32,
}

impl Disk {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            starts: AtomicU32::new(0),
        }
    }

    fn ledger(&self) -> PathBuf {
        self.folder.path().join("ledger")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// Starts aios-tools with what is on the disk.
    fn open(&self, node: &Node) -> Arc<Ledger> {
        let ledger = Arc::new(Ledger::open(&self.ledger(), &self.key()).unwrap());
        let process = self.starts.fetch_add(1, Ordering::SeqCst).to_string();
        let of = Arc::clone(&ledger);
        let head = move |request: &AuditHeadRequest| AuditHead {
            process: process.clone(),
            ..aios_tools::head::head(&of, request, &|| true).unwrap()
        };
        *node.tools.head.lock().unwrap() = Some(Box::new(head));
        ledger
    }

    /// Ends aios-tools.
    fn close(&self, node: &Node, ledger: Arc<Ledger>) {
        *node.tools.head.lock().unwrap() = None;
        assert_eq!(Arc::strong_count(&ledger), 1);
    }
}

fn append(ledger: &Ledger, count: usize) {
    for number in 0..count {
        let entry = Entry {
            reason: format!("entry {number} of {count}"), // another past has other entries
            ..Entry::default()
        };
        ledger.append(&entry).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for name in aios_ledger::Export::NAMES {
        std::fs::copy(from.join(name), to.join(name)).unwrap();
    }
}

fn start(node: &Node) -> Process {
    node.start_with(Limits {
        patience: Duration::from_secs(5),
        ledger: Duration::from_millis(20),
        ..Limits::default()
    })
}

/// Returns when the note says so many entries.
async fn noted(node: &Node, size: u64) {
    let file = node.folder.path().join("state/ledger.toml");
    for _ in 0..500 {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        if text.contains(&format!("size = {size}\n")) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{size} entries are not noted");
}

async fn told(node: &Node, process: &Process) -> Option<String> {
    let identity = node.authority.client(&["viewer"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    let request = ListDegradedRequest {};
    let modes = client
        .list_degraded(request)
        .await
        .unwrap()
        .into_inner()
        .modes;
    let mut modes = modes.into_iter();
    let mode = modes.find(|mode| mode.id == "ledger-replaced").unwrap();
    mode.present.then_some(mode.detail)
}

async fn is_told(node: &Node, process: &Process, expected: &str) {
    let record = node.record("ledger.replaced").await;
    assert!(record.detail.contains(expected), "{}", record.detail);
    let told = told(node, process).await.unwrap_or_default();
    assert!(told.contains(expected), "it is degraded: {told:?}");
}

#[tokio::test]
async fn an_older_copy_of_the_ledger_is_noticed_until_an_admin_accepts_it() {
    let node = Node::new().await;
    let disk = Disk::new();
    let ledger = disk.open(&node);
    append(&ledger, 20);
    let copied = disk.folder.path().join("copy");
    copy(&disk.ledger(), &copied);
    append(&ledger, 5);
    let process = start(&node);
    noted(&node, 25).await;
    append(&ledger, 5);
    noted(&node, 30).await;
    // It goes on over restarts of both.
    disk.close(&node, ledger);
    let ledger = disk.open(&node);
    append(&ledger, 1);
    drop(process);
    let process = start(&node);
    noted(&node, 31).await;
    assert_eq!(told(&node, &process).await, None);

    disk.close(&node, ledger);
    copy(&copied, &disk.ledger());
    let ledger = disk.open(&node);
    is_told(&node, &process, "it has 20 entries; 31 were known").await;
    // It stays: also when there are more entries than were known, and after a restart.
    append(&ledger, 40);
    drop(process);
    let process = start(&node);
    assert!(told(&node, &process).await.is_some());

    let identity = node.authority.client(&["operator"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    let denied = client.accept_audit(AcceptAuditRequest {}).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    let identity = node.authority.client(&["admin"]);
    let mut client = process.client(&node.authority, Some(identity)).await;
    let head = client.accept_audit(AcceptAuditRequest {}).await.unwrap();
    assert_eq!(head.into_inner().size, 60);
    let record = node.record("ledger.accepted").await;
    assert!(record.subject.contains("CN=alice"), "{}", record.subject);
    assert_eq!(told(&node, &process).await, None);
    let again = client.accept_audit(AcceptAuditRequest {}).await;
    assert_eq!(again.unwrap_err().code(), Code::FailedPrecondition);
    append(&ledger, 1);
    noted(&node, 61).await;
}

#[tokio::test]
async fn a_removed_ledger_and_a_longer_one_of_another_past_are_noticed() {
    for (remove_key, expected) in [(true, "another key"), (false, "first 20 entries")] {
        let node = Node::new().await;
        let disk = Disk::new();
        let ledger = disk.open(&node);
        append(&ledger, 20);
        let process = start(&node);
        noted(&node, 20).await;
        disk.close(&node, ledger);
        std::fs::remove_dir_all(disk.ledger()).unwrap();
        if remove_key {
            std::fs::remove_file(disk.key()).unwrap();
        }
        // All of the new past is there before the ledger is looked at again.
        let ledger = Ledger::open(&disk.ledger(), &disk.key()).unwrap();
        append(&ledger, 50);
        drop(ledger);
        disk.open(&node);
        is_told(&node, &process, expected).await;
    }
}
