//! A full disk: the ledger goes on as long as its reserve lasts.

use aios_ledger::{Entry, Expected, Ledger, RESERVE, verify};
use aios_testkit::disk::Disk;

fn entry(number: u32) -> Entry {
    Entry {
        kind: "record".into(),
        actor: "orchestrator".into(),
        reason: format!("{number} {}", "r".repeat(500)),
        ..Entry::default()
    }
}

/// Entries that the reserve has room for at the least.
const ENTRIES: u32 = 2000;

#[test]
fn on_a_full_disk_entries_are_taken_as_long_as_the_reserve_lasts() {
    for disk in [Disk::in_memory(32 * 1024), Disk::as_data_partition(48)] {
        let Some(disk) = disk else { return };
        let (folder, key) = (disk.path().join("ledger"), disk.path().join("key"));
        let ledger = Ledger::open(&folder, &key).unwrap();
        ledger.append(&entry(0)).unwrap();
        assert!(ledger.reserve_left().unwrap() >= RESERVE - 4096);
        disk.fill_wholly();
        for number in 0..ENTRIES / 2 {
            ledger.append(&entry(number)).unwrap();
        }
        // A restart keeps what is left of it.
        drop(ledger);
        let ledger = Ledger::open(&folder, &key).unwrap();
        disk.fill_wholly();
        for number in 0..ENTRIES / 2 {
            ledger.append_soon(&entry(number)).unwrap();
        }
        ledger.sync().unwrap();
        let refused = (0..100_000).find_map(|number| ledger.append_soon(&entry(number)).err());
        let refused = refused.unwrap().to_string();
        assert!(refused.contains("cannot write"), "{refused}");
        assert!(ledger.reserve_left().unwrap() < RESERVE / 2);

        disk.empty();
        ledger.renew_reserve();
        assert!(ledger.reserve_left().unwrap() >= RESERVE);
        ledger.append(&entry(0)).unwrap();
        let entries = ledger.len();
        drop(ledger);
        let report = verify(&folder, &Expected::default());
        assert!(report.intact, "{}", report.detail);
        assert_eq!(report.entries, entries);
    }
}

#[test]
fn with_room_on_the_disk_the_reserve_follows_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let ledger = Ledger::open(&folder.path().join("ledger"), &key).unwrap();
    if ledger.reserve_left().is_none() {
        return; // a file system that keeps nothing ready
    }
    let many: Vec<_> = (0..1000).map(entry).collect();
    for _ in 0..30 {
        ledger.append_all_soon(&many).unwrap();
        assert!(ledger.reserve_left().unwrap() >= RESERVE);
    }
}
