//! What the ledger promises, tried from outside on its files.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aios_ledger::frame::Frames;
use aios_ledger::{Entry, Error, Expected, Ledger, Report, View, verify};
use proptest::prelude::*;
use tempfile::TempDir;

/// Length of the log's first line: 14 of magic, 64 of key, a line feed.
const HEADER: u64 = 79;

struct Place {
    temporary: TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            temporary: TempDir::new().unwrap(),
        }
    }
    fn folder(&self) -> PathBuf {
        self.temporary.path().join("ledger")
    }
    fn key(&self) -> PathBuf {
        self.temporary.path().join("ledger.key")
    }
    fn file(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }
    fn open(&self) -> Result<Ledger, Error> {
        Ledger::open(&self.folder(), &self.key())
    }
    /// A ledger of groups of these sizes, closed in order.
    fn with_entries(reasons: &[&str]) -> Self {
        let place = Self::new();
        let ledger = place.open().unwrap();
        for reason in reasons {
            ledger.append(&entry(reason)).unwrap();
        }
        drop(ledger);
        place
    }
    fn verify(&self) -> Report {
        verify(&self.folder(), &Expected::default())
    }
}

fn entry(reason: &str) -> Entry {
    Entry {
        time_ms: 1,
        kind: "intent".to_owned(),
        actor: "agent:storage".to_owned(),
        reason: reason.to_owned(),
        ..Entry::default()
    }
}

/// Where each record ends, the log's beginning included.
fn boundaries(log: &Path) -> Vec<u64> {
    let file = fs::File::open(log).unwrap();
    let length = file.metadata().unwrap().len();
    let mut frames = Frames::new(&file, HEADER, length);
    let mut ends = vec![HEADER];
    while let Some(frame) = frames.read().unwrap() {
        ends.push(frame.end);
    }
    ends
}

/// Overwrites in place: replacing a file makes some file systems flush at once.
fn put(path: &Path, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .unwrap();
    file.write_all_at(bytes, 0).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
}

fn cut(path: &Path, length: u64) {
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .unwrap()
        .set_len(length)
        .unwrap();
}

#[test]
fn entries_read_back_after_a_restart_in_any_range() {
    let place = Place::with_entries(&["a", "b", "c", "d", "e"]);
    let ledger = place.open().unwrap();
    assert_eq!(ledger.len(), 5);
    for start in 0..7 {
        for end in start..7 {
            let read = ledger.entries(start..end).unwrap();
            let expected: Vec<u64> = (start..end.min(5)).collect();
            assert_eq!(
                read.iter().map(|entry| entry.index).collect::<Vec<_>>(),
                expected
            );
            for entry in read {
                assert_eq!(
                    entry.reason,
                    ["a", "b", "c", "d", "e"][entry.index as usize]
                );
            }
        }
    }
    let newest: Vec<String> = ledger.newest().map(|entry| entry.unwrap().reason).collect();
    assert_eq!(newest, ["e", "d", "c", "b", "a"]);
}

#[test]
fn an_intact_ledger_verifies_with_nothing_but_its_files_elsewhere() {
    let place = Place::with_entries(&["a", "b", "c"]);
    let elsewhere = TempDir::new().unwrap();
    let ledger = place.open().unwrap();
    let mut export = ledger.export().unwrap();
    let mut log = fs::File::create(elsewhere.path().join("log")).unwrap();
    let copied = std::io::copy(
        &mut std::io::Read::take(&mut export.log, export.log_bytes),
        &mut log,
    );
    assert_eq!(copied.unwrap(), export.log_bytes);
    fs::write(elsewhere.path().join("checkpoint"), &export.checkpoint).unwrap();
    let expected = Expected {
        public_key: Some(ledger.public_key()),
        ..Expected::default()
    };
    let report = verify(elsewhere.path(), &expected);
    assert!(report.intact, "{}", report.detail);
    assert_eq!(report.entries, 3);
    assert_eq!(report.root_hash, ledger.checkpoint().unwrap().root);
}

#[test]
fn every_flipped_bit_of_every_byte_is_detected() {
    let place = Place::with_entries(&["write /srv/a", "delete /srv/b", "restart memory"]);
    assert!(place.verify().intact);
    for name in ["log", "checkpoint"] {
        let sound = fs::read(place.file(name)).unwrap();
        for index in 0..sound.len() {
            for bit in [1, 0x20, 0x80] {
                let mut bytes = sound.clone();
                bytes[index] ^= bit;
                put(&place.file(name), &bytes);
                let report = place.verify();
                assert!(!report.intact, "{name}, byte {index}, bit {bit}");
                assert!(!report.detail.is_empty());
            }
        }
        put(&place.file(name), &sound);
    }
    assert!(place.verify().intact);
}

#[test]
fn a_damaged_acknowledged_entry_is_refused_at_open_and_never_cut() {
    let place = Place::with_entries(&["one", "two", "three"]);
    let sound = fs::read(place.file("log")).unwrap();
    for index in HEADER as usize..sound.len() {
        let mut bytes = sound.clone();
        bytes[index] ^= 4;
        put(&place.file("log"), &bytes);
        match place.open() {
            Err(_) => {}
            // Opening does not read what lies before the newest checkpoint.
            Ok(ledger) => assert!(!ledger.verify(&Expected::default()).intact, "byte {index}"),
        }
        assert_eq!(
            fs::read(place.file("log")).unwrap(),
            bytes,
            "byte {index}: it was changed"
        );
    }
}

#[test]
fn a_tail_cut_anywhere_is_detected_and_not_built_upon() {
    let place = Place::with_entries(&["one", "two", "three", "four"]);
    let sound = fs::read(place.file("log")).unwrap();
    for length in boundaries(&place.file("log")) {
        if length == sound.len() as u64 {
            continue;
        }
        put(&place.file("log"), &sound);
        cut(&place.file("log"), length);
        assert!(!place.verify().intact, "cut at {length}");
        assert!(
            matches!(place.open(), Err(Error::Damaged { .. })),
            "cut at {length}"
        );
    }
    fs::remove_file(place.file("log")).unwrap();
    assert!(place.open().is_err(), "a removed log is not begun anew");
}

#[test]
fn removed_and_reordered_rows_are_detected() {
    let place = Place::with_entries(&["aaa", "bbb", "ccc"]);
    let sound = fs::read(place.file("log")).unwrap();
    let ends = boundaries(&place.file("log"));
    let part = |index: usize| &sound[ends[index] as usize..ends[index + 1] as usize];
    // Records: first checkpoint, then entry and checkpoint three times.
    let order = |records: &[usize]| {
        let mut bytes = sound[..HEADER as usize].to_vec();
        for record in records {
            bytes.extend_from_slice(part(*record));
        }
        put(&place.file("log"), bytes);
        place.verify().intact
    };
    assert!(order(&[0, 1, 2, 3, 4, 5, 6]));
    assert!(!order(&[0, 1, 2, 5, 6]), "the middle entry removed");
    assert!(
        !order(&[0, 1, 2, 4, 5, 6]),
        "an entry removed, its checkpoint kept"
    );
    assert!(!order(&[0, 3, 2, 1, 4, 5, 6]), "two entries exchanged");
    assert!(!order(&[0, 1, 1, 2, 3, 4, 5, 6]), "an entry doubled");
    assert!(!order(&[0, 1, 3, 4, 5, 6]), "an older checkpoint removed");
}

#[test]
fn a_torn_last_group_is_cut_at_open_with_an_entry_that_says_so() {
    let place = Place::with_entries(&["one", "two"]);
    let mark = fs::read(place.file("checkpoint")).unwrap();
    let whole = fs::metadata(place.file("log")).unwrap().len();
    place.open().unwrap().append(&entry("three")).unwrap();
    let torn = fs::read(place.file("log")).unwrap();
    for length in whole + 1..torn.len() as u64 {
        put(&place.file("log"), &torn[..length as usize]);
        put(&place.file("checkpoint"), &mark);
        assert!(!place.verify().intact, "before it is cut, it is not intact");
        let ledger = place.open().unwrap();
        assert_eq!(ledger.len(), 3, "length {length}");
        let last = ledger.entries(2..3).unwrap().remove(0);
        assert_eq!(
            last.outcome,
            format!("cut {} torn bytes that nobody was promised", length - whole)
        );
        assert!(ledger.verify(&Expected::default()).intact);
    }
}

#[test]
fn a_group_whose_middle_did_not_reach_the_disk_is_cut_too() {
    let place = Place::with_entries(&["one", "two"]);
    let mark = fs::read(place.file("checkpoint")).unwrap();
    let whole = fs::metadata(place.file("log")).unwrap().len() as usize;
    place.open().unwrap().append(&entry("three")).unwrap();
    let mut torn = fs::read(place.file("log")).unwrap();
    torn[whole + 10..whole + 40].fill(0);
    put(&place.file("log"), &torn);
    put(&place.file("checkpoint"), &mark);
    let ledger = place.open().unwrap();
    assert_eq!(ledger.len(), 3);
    assert_eq!(ledger.entries(2..3).unwrap()[0].actor, "ledger");
}

#[test]
fn damage_before_a_durable_entry_is_refused_even_when_the_second_file_is_behind() {
    let place = Place::with_entries(&["one"]);
    let mark = fs::read(place.file("checkpoint")).unwrap();
    let whole = fs::metadata(place.file("log")).unwrap().len() as usize;
    let ledger = place.open().unwrap();
    ledger.append(&entry("two")).unwrap();
    ledger.append(&entry("three")).unwrap();
    drop(ledger);
    let mut bytes = fs::read(place.file("log")).unwrap();
    bytes[whole + 10] ^= 1;
    put(&place.file("log"), &bytes);
    put(&place.file("checkpoint"), &mark);
    assert!(matches!(place.open(), Err(Error::Damaged { .. })));
}

#[test]
fn entries_that_were_not_synced_survive_the_process_and_may_be_torn_by_a_power_cut() {
    let place = Place::with_entries(&["one"]);
    let mark = fs::read(place.file("checkpoint")).unwrap();
    let whole = fs::metadata(place.file("log")).unwrap().len() as usize;
    let ledger = place.open().unwrap();
    ledger.append_soon(&entry("two")).unwrap();
    ledger.append_soon(&entry("three")).unwrap();
    let killed = fs::read(place.file("log")).unwrap();
    drop(ledger);
    put(&place.file("log"), &killed);
    put(&place.file("checkpoint"), &mark);
    assert_eq!(place.open().unwrap().len(), 3, "a kill loses nothing");

    let mut torn = killed;
    torn[whole + 10] ^= 1;
    put(&place.file("log"), &torn);
    put(&place.file("checkpoint"), &mark);
    let ledger = place.open().unwrap();
    assert_eq!(ledger.len(), 2, "one, and the entry about the cut");
    assert!(ledger.verify(&Expected::default()).intact);
}

#[test]
fn a_remembered_checkpoint_betrays_another_history_and_a_cut() {
    let place = Place::with_entries(&["one", "two"]);
    let ledger = place.open().unwrap();
    let early = ledger.checkpoint().unwrap();
    ledger.append(&entry("three")).unwrap();
    let late = ledger.checkpoint().unwrap();
    let check = |size, root| {
        let remembered = vec![(size, root)];
        ledger
            .verify(&Expected {
                remembered,
                ..Expected::default()
            })
            .intact
    };
    assert!(check(early.size, early.root));
    assert!(check(late.size, late.root));
    assert!(!check(early.size, late.root), "another history");
    assert!(!check(late.size + 1, late.root), "the tail is cut");
    let other = Expected {
        public_key: Some([1; 32]),
        ..Expected::default()
    };
    assert!(!ledger.verify(&other).intact, "another signer");
}

#[test]
fn the_key_is_private_and_a_missing_or_strange_one_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_entries(&["one"]);
    let mode = fs::metadata(place.key()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let strange = Place::with_entries(&[]);
    fs::copy(strange.key(), place.key()).unwrap();
    assert!(matches!(place.open(), Err(Error::Key { .. })));
    fs::remove_file(place.key()).unwrap();
    assert!(matches!(place.open(), Err(Error::Key { .. })));
    assert!(!place.key().exists(), "no new key in place of a lost one");
    assert!(place.verify().intact, "verification needs no secret");
}

#[test]
fn a_second_writer_is_refused() {
    let place = Place::new();
    let _first = place.open().unwrap();
    assert!(matches!(place.open(), Err(Error::Locked { .. })));
}

#[test]
fn an_oversized_entry_is_refused_and_leaves_no_trace() {
    let place = Place::new();
    let ledger = place.open().unwrap();
    let refused = ledger.append(&entry(&"x".repeat(aios_ledger::ENTRY_MAX)));
    assert!(matches!(refused, Err(Error::TooLarge { .. })));
    assert_eq!(ledger.append(&entry("fits")).unwrap(), 0);
    assert!(ledger.verify(&Expected::default()).intact);
}

#[test]
fn a_view_reads_and_verifies_while_the_ledger_is_written() {
    let place = Place::with_entries(&["one", "two"]);
    let ledger = place.open().unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for number in 0..200 {
                let append = if number % 3 == 0 {
                    Ledger::append
                } else {
                    Ledger::append_soon
                };
                append(&ledger, &entry("more")).unwrap();
            }
        });
        while !writer.is_finished() {
            let view = View::open(&place.folder()).unwrap();
            let entries = view.entries(0..view.len()).unwrap();
            assert_eq!(entries.len() as u64, view.len());
            let report = view.verify(&Expected::default()).unwrap();
            assert!(report.intact, "{}", report.detail);
        }
    });
    let view = View::open(&place.folder()).unwrap();
    assert_eq!(view.len(), 202, "what is not durable yet is read too");
    assert_eq!(view.newest().next().unwrap().unwrap().index, 201);
}

#[test]
fn concurrent_appends_get_each_their_own_place() {
    let place = Place::new();
    let ledger = Arc::new(place.open().unwrap());
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            let ledger = Arc::clone(&ledger);
            std::thread::spawn(move || {
                (0..50)
                    .map(|number| {
                        let reason = format!("{thread}-{number}");
                        let index = ledger.append(&entry(&reason)).unwrap();
                        (index, reason)
                    })
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut given: Vec<(u64, String)> = threads
        .into_iter()
        .flat_map(|thread| thread.join().unwrap())
        .collect();
    given.sort();
    let entries = ledger.entries(0..400).unwrap();
    assert_eq!(entries.len(), 400);
    for ((index, reason), entry) in given.iter().zip(entries) {
        assert_eq!((*index, reason), (entry.index, &entry.reason));
    }
    assert!(ledger.verify(&Expected::default()).intact);
    assert!(
        boundaries(&place.file("log")).len() < 700,
        "groups share checkpoints"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_ledgers_detect_a_random_change(
        reasons in proptest::collection::vec(".{0,60}", 1..20),
        soon in proptest::collection::vec(any::<bool>(), 20),
        at in any::<proptest::sample::Index>(),
        xor in 1u8..,
        boundary in any::<proptest::sample::Index>(),
    ) {
        let place = Place::new();
        let ledger = place.open().unwrap();
        for (reason, soon) in reasons.iter().zip(soon) {
            let append = if soon { Ledger::append_soon } else { Ledger::append };
            append(&ledger, &entry(reason)).unwrap();
        }
        drop(ledger);
        prop_assert!(place.verify().intact);
        let sound = fs::read(place.file("log")).unwrap();
        let mut bytes = sound.clone();
        let index = at.index(bytes.len());
        bytes[index] ^= xor;
        put(&place.file("log"), &bytes);
        prop_assert!(!place.verify().intact, "byte {}", index);

        put(&place.file("log"), &sound);
        let ends = boundaries(&place.file("log"));
        let end = ends[boundary.index(ends.len() - 1)];
        cut(&place.file("log"), end);
        prop_assert!(!place.verify().intact, "cut at {}", end);
    }
}

/// A measurement: `cargo xtask bench` holds its figure to a target. Run with `--run-ignored all`.
#[test]
#[ignore = "writes 500 MB"]
fn a_million_entries_verify_in_seconds() {
    let place = Place::new();
    let ledger = place.open().unwrap();
    let example = Entry {
        time_ms: 1_700_000_000_000,
        tool: "fs.write".to_owned(),
        execution_id: "0190b6a0-1111-7000-8000-000000000000".to_owned(),
        call_id: "0190b6a0-1111-7000-8000-000000000000/0/0".to_owned(),
        goal_id: "0190b6a0-1111-7000-8000-000000000000".to_owned(),
        decision: "allowed by fs:write:/srv/*".to_owned(),
        input_sha256: "a".repeat(64),
        ..entry("the operator asked for it")
    };
    let began = std::time::Instant::now();
    for _ in 0..1_000_000 {
        ledger.append_soon(&example).unwrap();
    }
    println!("appended in {:?}", began.elapsed());
    drop(ledger);
    println!("{} bytes", fs::metadata(place.file("log")).unwrap().len());
    let began = std::time::Instant::now();
    let report = place.verify();
    println!("verified {} in {:?}", report.entries, began.elapsed());
    assert!(report.intact, "{}", report.detail);
}
