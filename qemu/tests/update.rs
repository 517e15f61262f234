//! Updates of a machine that boots from the disk image: what is refused changes nothing,
//! what is installed runs, what does not start is left again.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod bundles;
mod support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use aios_qemu::{Machine, Options, Way};
use aios_testkit::needs;
use aios_update::keys;
use anyhow::{Context, ensure};
use bundles::Builder;
use serde_json::Value;
use support::{READY_LIMIT, artefacts, eventually};

/// Emulated: sending and checking 80 MB, a reboot, and three that fail.
const PATIENCE: &str = "600";

fn slots(machine: &Machine) -> Value {
    machine.ctl().run(&["slots"]).unwrap()
}

/// Waits until the running slot is marked good; the slots then.
fn good(machine: &Machine) -> Value {
    let seen = eventually(Duration::from_secs(240), || {
        let slots = machine.ctl().run(&["slots"])?;
        let running = slots["running"].as_str().context("no slot runs")?;
        let rows = slots["slots"].as_array().context("no slots")?;
        let own = rows
            .iter()
            .find(|slot| slot["name"] == running)
            .context("not listed")?;
        ensure!(own["good"] == true && own["tries"] == 3, "{slots}");
        Ok(slots)
    });
    seen.unwrap()
}

/// The bundle is refused with this reason, and nothing is different afterwards.
fn refused(machine: &Machine, image: &str, reason: &str) {
    let before = slots(machine);
    let output = machine
        .ctl()
        .output(&["update", "--image", image, "--timeout", PATIENCE])
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{reason}: {said}");
    assert!(said.contains(reason), "{reason}: {said}");
    assert_eq!(slots(machine), before, "{reason}");
    eprintln!("refused: {}", said.trim());
}

fn update(machine: &Machine, image: &str) -> Value {
    let output = machine
        .ctl()
        .output(&["update", "--image", image, "--timeout", PATIENCE])
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    eprintln!("update: {} {}", answer["outcome"], answer["slot"]);
    answer
}

#[test]
fn a_release_is_installed_into_the_other_slot_and_bad_ones_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(Way::Disk, folder.path()).unwrap();
    options.reboots = true;
    options.config = Some("[update]\nhealthy_s = 5\n".to_owned());
    let (machine, _) = support::boot(&artefacts(), &options, |_| ()).unwrap();
    let builder = Builder::new(folder.path());

    let first = good(&machine);
    assert_eq!(
        (&first["running"], &first["first"]),
        (&"a".into(), &"a".into())
    );
    let release = first["floor"].as_u64().unwrap();
    assert!(
        release > 1_700_000_000,
        "the release of the image is its last commit's time: {release}"
    );

    let stranger = keys::create(&folder.path().join("stranger.key")).unwrap();
    let small = folder.path().join("small.root");
    fs::write(&small, vec![7; 1 << 20]).unwrap();
    refused(
        &machine,
        &builder.bundle(release + 1, &small, &stranger),
        "not by a key of this system",
    );
    refused(
        &machine,
        &builder.bundle(release - 1, &small, &builder.key),
        "is older than",
    );
    refused(&machine, &builder.huge(release + 1), "there is no room");
    let mut damaged = fs::read(builder.bundle(release + 2, &small, &builder.key)).unwrap();
    *damaged.last_mut().unwrap() ^= 1;
    let path = folder.path().join("damaged.bundle");
    fs::write(&path, damaged).unwrap();
    refused(&machine, path.to_str().unwrap(), "root image is damaged");
    let half = fs::metadata(&path).unwrap().len() / 2;
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(half).unwrap();
    // aiosctl sees that before it sends anything.
    let cut = machine
        .ctl()
        .output(&["update", "--image", path.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&cut.unwrap().stderr).into_owned();
    assert!(said.contains("and should have"), "{said}");

    let answer = update(
        &machine,
        &builder.bundle(release + 1, &builder.root, &builder.key),
    );
    assert_eq!(
        (&answer["outcome"], &answer["slot"]),
        (&"running".into(), &"b".into()),
        "{answer:#}\n{}",
        machine.console_text().unwrap()
    );
    assert_eq!(answer["release"], release + 1);
    let second = good(&machine);
    assert_eq!(
        (&second["running"], second["floor"].as_u64()),
        (&"b".into(), Some(release + 1))
    );
    on_record(&machine);

    if needs::has_hours() {
        what_does_not_start_is_left(&machine, &builder, &small, release + 2);
        the_way_back(&machine);
    }
}

/// The ledger says who did what.
fn on_record(machine: &Machine) {
    let audit = machine.ctl().run(&["audit", "list"]).unwrap().to_string();
    for kind in [
        "update.begun",
        "update.refused",
        "update.installed",
        "update.marked_good",
    ] {
        assert!(audit.contains(kind), "{kind} is not on record: {audit}");
    }
}

/// Signed, newer, and its root is nonsense: the kernel panics, three times.
fn what_does_not_start_is_left(
    machine: &Machine,
    builder: &Builder,
    nonsense: &Path,
    release: u64,
) {
    let answer = update(machine, &builder.bundle(release, nonsense, &builder.key));
    assert_eq!(
        (&answer["outcome"], &answer["slot"]),
        (&"fell-back".into(), &"b".into()),
        "{answer:#}"
    );
    let slots = good(machine);
    assert_eq!(
        (&slots["first"], slots["floor"].as_u64()),
        (&"b".into(), Some(release - 1))
    );
    let back = machine.ctl().output(&["rollback"]).unwrap();
    let said = String::from_utf8_lossy(&back.stderr).into_owned();
    assert!(said.contains("was never marked good"), "{said}");
}

/// A good release again, and back to the one before it.
fn the_way_back(machine: &Machine) {
    let slots = slots(machine);
    let floor = slots["floor"].as_u64().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let builder = Builder::new(folder.path());
    let answer = update(
        machine,
        &builder.bundle(floor + 5, &builder.root, &builder.key),
    );
    assert_eq!(
        (&answer["outcome"], &answer["slot"]),
        (&"running".into(), &"a".into()),
        "{answer:#}"
    );
    good(machine);
    let back = machine
        .ctl()
        .run(&["rollback", "--timeout", PATIENCE])
        .unwrap();
    assert_eq!(
        (&back["outcome"], &back["slot"]),
        (&"running".into(), &"b".into()),
        "{back:#}"
    );
    assert_eq!(good(machine)["floor"].as_u64(), Some(floor + 5));
}

#[test]
fn a_way_without_slots_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options::new(Way::Container, folder.path()).unwrap();
    let mut machine = Machine::start(&artefacts(), &options).unwrap();
    machine.wait_ready(READY_LIMIT, |_| {}).unwrap();
    let output = machine.ctl().output(&["slots"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("this way of running has no slots"),
        "{said}"
    );
}
