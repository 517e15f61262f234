//! An update on a machine whose partitions are files: all of it, or nothing.

#![allow(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fs;

use aios_update::bundle::Refusal;
use aios_update::environment::{LENGTH, OFFSET};
use aios_update::error::Failure;
use aios_update::install::Progress;
use aios_update::slots::{No, Slot};
use support::{MIB, Node, RUNNING, hash, root_hash, root_image};

#[test]
fn a_newer_release_goes_to_the_other_slot_and_boots_next() {
    let node = Node::new();
    let bytes = node.bundle(101, |_| {});
    let before = node.disk();
    let mut stages = Vec::new();
    let state = node
        .install_as(&bytes, bytes.len() as u64, |progress| {
            stages.push(progress);
            true
        })
        .unwrap();
    assert_eq!((state.running, state.first), (Slot::A, Slot::B));
    let place = &node.site.place;
    let sent = &bytes[bytes.len() - root_image(101).len() - MIB as usize..];
    let written = [
        &node.read(&place.boot[1])[..MIB as usize],
        &node.read(&place.root[1])[..root_image(101).len()],
    ];
    assert_eq!(hash(&written.concat()), hash(sent));
    let after = node.disk();
    assert_eq!(
        (&after[1], &after[3]),
        (&before[1], &before[3]),
        "the running slot"
    );
    let said: Vec<String> = ["first", "tries_b", "ok_b", "ok_a", "release_b", "menu"]
        .map(|name| node.variable(name))
        .to_vec();
    assert_eq!(said, ["b", "3", "0", "1", "101", "another's"]);
    let all = node.read(&place.environment);
    let (before, after) = (&all[..OFFSET as usize], &all[OFFSET as usize + LENGTH..]);
    assert!(
        before.iter().chain(after).all(|&byte| byte == 0xee),
        "only the block is written"
    );
    assert!(node.nothing_is_staged());
    let total = MIB + root_image(101).len() as u64;
    assert!(stages.contains(&Progress::Received(bytes.len() as u64, bytes.len() as u64)));
    assert!(
        stages.contains(&Progress::Written(total, total))
            && stages.contains(&Progress::Checked(total, total))
    );
}

/// The refusals: nothing on the disk changes, nothing stays staged, the reason is told.
#[test]
fn whatever_is_refused_changes_nothing() {
    let node = Node::new();
    let good = node.bundle(101, |_| {});
    let refused = |bytes: &[u8], size: usize, expected: &str| {
        let before = node.disk();
        let failure = node.install_as(bytes, size as u64, |_| true).unwrap_err();
        assert!(
            aios_daemon::error::chain(&failure).contains(expected),
            "{expected:?}: {}",
            aios_daemon::error::chain(&failure)
        );
        assert_eq!(node.disk(), before, "{expected}");
        assert!(node.nothing_is_staged(), "{expected}");
    };
    let whole = |bytes: &[u8], expected: &str| refused(bytes, bytes.len(), expected);
    whole(
        &[b"nonsense".as_slice(), &good].concat(),
        "not an aiOS update bundle",
    );
    refused(&good[..good.len() / 2], good.len(), "cut short");
    whole(&good[..good.len() / 2], "cut short");
    whole(
        &[good.as_slice(), b"x"].concat(),
        "longer than its manifest says",
    );
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    whole(&damaged, "root image is damaged");
    whole(
        &Node::new().bundle(101, |_| {}),
        "not by a key of this system",
    );
    whole(&node.bundle(RUNNING - 1, |_| {}), "older than 100");
    whole(
        &node.bundle(101, |manifest| manifest.architecture = "riscv64".into()),
        "it is for riscv64",
    );
    whole(
        &node.bundle(101, |manifest| manifest.from_release = 101),
        "install one in between",
    );
    whole(
        &node.bundle(101, |manifest| manifest.root_hash = root_hash(102)),
        "asks for the root",
    );
    refused(&good, 3 << 30, "longer than its manifest says");
    refused(&good, 5, "cut short");
    node.install(&good).unwrap();
}

#[test]
fn an_image_that_does_not_fit_its_partition_is_refused_before_it_is_sent() {
    let mut node = Node::new();
    node.site.place.root[1].size = MIB;
    let before = node.disk();
    let bytes = node.bundle(101, |_| {});
    let mut received = 0;
    let failure = node.install_as(&bytes, bytes.len() as u64, |progress| {
        if let Progress::Received(bytes, _) = progress {
            received = bytes;
        }
        true
    });
    assert!(
        matches!(
            failure,
            Err(Failure::TooBig {
                name: "root",
                room: MIB,
                ..
            })
        ),
        "{failure:?}"
    );
    assert_eq!((received, node.disk()), (0, before));
}

#[test]
fn a_full_disk_is_seen_before_anything_is_written() {
    let mut node = Node::new();
    let before = node.disk();
    let bytes = node.bundle(101, |_| {});
    node.site.free = |_| Ok(20 * MIB);
    let failure = node.install(&bytes).unwrap_err();
    assert!(matches!(failure, Failure::NoRoom { .. }), "{failure}");
    assert_eq!(node.disk(), before);
    node.site.free = |_| Ok(50 * MIB);
    node.install(&bytes).unwrap();
}

#[test]
fn a_slot_that_is_not_proven_keeps_what_it_could_fall_back_to() {
    let node = Node::new();
    node.install(&node.bundle(101, |_| {})).unwrap();
    // The machine now runs the new slot, which is not marked good yet.
    let mut after = Node { ..node };
    after.site.place.running = Slot::B;
    let before = after.disk();
    let failure = after.install(&after.bundle(102, |_| {})).unwrap_err();
    assert!(
        matches!(failure, Failure::No(No::Unproven(Slot::B))),
        "{failure}"
    );
    assert_eq!(after.disk(), before);
    after.site.mark_good().unwrap();
    assert_eq!(
        (after.variable("ok_b"), after.variable("floor")),
        ("1".into(), "101".into())
    );
    // The one that it came from is older than what ran well here, and still there to go back to.
    let older = after.install(&after.bundle(RUNNING, |_| {})).unwrap_err();
    assert!(
        aios_daemon::error::chain(&older).contains("older than 101"),
        "{older}"
    );
    assert_eq!(after.site.roll_back().unwrap().first, Slot::A);
    assert_eq!(
        (after.variable("first"), after.variable("tries_a")),
        ("a".into(), "3".into())
    );
}

/// The client goes away, or the power, after any number of steps.
#[test]
fn cut_off_at_any_step_the_running_slot_boots_next() {
    let node = Node::new();
    let bytes = node.bundle(101, |_| {});
    let mut steps = 0;
    node.install_as(&bytes, bytes.len() as u64, |_| {
        steps += 1;
        true
    })
    .unwrap();
    assert!(steps > 50, "{steps}");
    for last in (1..=steps).step_by(3) {
        let node = Node::new();
        let before = node.disk();
        let mut left = last;
        let mut written = false;
        let done = node.install_as(&bytes_of(&node), bytes.len() as u64, |progress| {
            written |= !matches!(progress, Progress::Received(..));
            left -= 1;
            left > 0
        });
        assert!(matches!(done, Err(Failure::GivenUp)), "{last}: {done:?}");
        assert_eq!(node.variable("first"), "a");
        assert!(
            node.variable("ok_b") == "0" && node.variable("tries_b") == "0",
            "{last}"
        );
        assert_eq!((&node.disk()[1], &node.disk()[3]), (&before[1], &before[3]));
        assert!(written || node.disk() == before, "{last}");
    }
}

fn bytes_of(node: &Node) -> Vec<u8> {
    node.bundle(101, |_| {})
}

#[test]
fn a_damaged_environment_is_told_and_mended_by_what_runs_well() {
    let node = Node::new();
    fs::write(&node.site.place.environment.path, vec![0; MIB as usize]).unwrap();
    assert!(matches!(node.site.state(), Err(Failure::Environment(_))));
    assert!(node.install(&node.bundle(101, |_| {})).is_err());
    let state = node.site.mark_good().unwrap();
    assert_eq!((state.first, state.slot(Slot::A).good), (Slot::A, true));
    assert_eq!(node.variable("tries_a"), "3");
}

#[test]
fn a_bundle_left_by_a_power_cut_does_not_stand_in_the_way() {
    let node = Node::new();
    fs::write(node.site.staging.join("staged.bundle"), "half").unwrap();
    node.install(&node.bundle(101, |_| {})).unwrap();
    let bad = node.install(b"aiOSbndl, but no more").unwrap_err();
    assert!(
        matches!(
            bad,
            Failure::Refused(Refusal::Format(_) | Refusal::Short { .. })
        ),
        "{bad}"
    );
}
