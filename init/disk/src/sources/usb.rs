//! Whether a USB stick that is plugged in may still come: the kernel looks for devices on its own,
//! beside the boot, and a stick takes one to three seconds until its partitions are there.
//!
//! 1. Who needs what may be on a stick waits until USB has settled; a machine without a USB host
//!    controller has nothing to settle.
//! 2. What settles is seen in sysfs only: the root hubs are there before PID 1 is; from then on each
//!    step (a hub, a device, its disk, its partitions) shows within [`QUIET_MS`] of the last. What was
//!    before the first look nobody saw, so the quiet begins there.
//! 3. **It is waited for once per boot**, whoever asks; and never longer than [`PATIENCE_MS`] by the
//!    clock, however long a look takes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use aios_service::manifest::Way;
use aios_service::places;
use aios_service::time::{boottime, pause};

const DEVICES: &str = "/sys/bus/usb/devices";

/// As long as nothing new may show between two steps. 1 s: a port is powered (100 ms), its contact
/// stable (100 ms) and its device asked who it is (up to 500 ms).
const QUIET_MS: u64 = 1000;
/// What has not settled by then is broken. 5 s: the driver leaves a stick alone for one second
/// (`usb-storage.delay_use`), and a slow one needs two more until it answers. `provision.toml` gives
/// its service more than that.
const PATIENCE_MS: u64 = 5000;
const POLL_MS: u64 = 20;

/// From an interface down to its disks: host, target, unit, `block`, disk.
const DEPTH: usize = 5;
/// A mass storage interface (USB class codes, 08h).
const STORAGE: &str = "08";

/// What sysfs says of USB at one instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    /// Everything on all buses: hubs, devices, interfaces.
    names: BTreeSet<String>,
    /// For each interface to a store, its disks.
    stores: Vec<Vec<Disk>>,
}

/// A disk behind USB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Disk {
    partitions: usize,
    /// Something is being read from it.
    is_busy: bool,
}

impl Facts {
    fn has_bus(&self) -> bool {
        self.names.iter().any(|name| is_root_hub(name))
    }

    /// Is a disk known to come, or its partitions looked for?
    fn is_store_coming(&self) -> bool {
        let is_read = |disk: &Disk| disk.partitions == 0 && disk.is_busy;
        let is_coming = |disks: &Vec<Disk>| disks.is_empty() || disks.iter().any(is_read);
        self.stores.iter().any(is_coming)
    }
}

/// May something still come? `unchanged`: how long the facts have been so, in ms; `waited`: how long
/// they were looked at.
fn is_settling(facts: &Facts, unchanged: u64, waited: u64) -> bool {
    facts.has_bus() && waited < PATIENCE_MS && (unchanged < QUIET_MS || facts.is_store_coming())
}

/// Can a stick be there at all? Cheap. Not in a container: its host's sticks are not its own.
pub fn is_possible() -> bool {
    let has_bus = || {
        names(Path::new(DEVICES))
            .iter()
            .any(|name| is_root_hub(name))
    };
    Way::here() == Way::Machine && has_bus()
}

/// Waits until what is looked for has appeared or USB has settled; not when somebody has waited
/// before at this boot.
pub fn settle(has_appeared: impl FnMut() -> bool) {
    if is_possible() {
        once(&places::run_dir().join("init/usb-settled"), || {
            let look = || look(Path::new(DEVICES));
            wait(look, has_appeared, boottime, pause);
        });
    }
}

/// Waits unless `note` says that this was done. It lies where only root writes, in memory.
fn once(note: &Path, wait: impl FnOnce()) {
    if note.exists() {
        return;
    }
    wait();
    // The disk is unlocked before PID 1 makes the folder. Err: then the next one waits again.
    let _ = note.parent().map_or(Ok(()), fs::create_dir_all);
    let _ = fs::write(note, "");
}

/// The loop of [`settle`]; `now` in ms.
fn wait(
    mut look: impl FnMut() -> Facts,
    mut has_appeared: impl FnMut() -> bool,
    now: impl Fn() -> u64,
    pause: impl Fn(u64),
) {
    let begun = now();
    let (mut facts, mut changed) = (look(), begun);
    while !has_appeared() && is_settling(&facts, now() - changed, now() - begun) {
        pause(POLL_MS);
        let new = look();
        if new != facts {
            facts = new;
            changed = now();
        }
    }
}

/// `usb1`, which no device under it is called.
fn is_root_hub(name: &str) -> bool {
    name.strip_prefix("usb")
        .is_some_and(|number| number.parse::<u32>().is_ok())
}

fn names(devices: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(devices).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn look(devices: &Path) -> Facts {
    let names = names(devices);
    let class = |name: &String| fs::read_to_string(devices.join(name).join("bInterfaceClass"));
    let is_store = |name: &&String| class(name).is_ok_and(|class| class.trim() == STORAGE);
    let stores = names
        .iter()
        .filter(is_store)
        .map(|name| disks(&devices.join(name), DEPTH))
        .collect();
    Facts { names, stores }
}

/// The disks below this folder of sysfs.
fn disks(folder: &Path, depth: usize) -> Vec<Disk> {
    if folder.file_name().is_some_and(|name| name == "block") {
        return folders(folder).map(|path| disk(&path)).collect();
    }
    match depth {
        0 => Vec::new(),
        _ => folders(folder)
            .flat_map(|path| disks(&path, depth - 1))
            .collect(),
    }
}

fn disk(path: &Path) -> Disk {
    // Reads and writes on their way to it (Documentation/ABI/stable/sysfs-block, inflight).
    let inflight = fs::read_to_string(path.join("inflight")).unwrap_or_default();
    Disk {
        partitions: folders(path)
            .filter(|path| path.join("partition").exists())
            .count(),
        is_busy: inflight.split_whitespace().any(|count| count != "0"),
    }
}

/// The folders in a folder: links lead to other devices.
fn folders(path: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::os::unix::fs::symlink;

    fn facts(names: &[&str], stores: &[&[Disk]]) -> Facts {
        Facts {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            stores: stores.iter().map(|disks| disks.to_vec()).collect(),
        }
    }

    const fn disk(partitions: usize, is_busy: bool) -> Disk {
        Disk {
            partitions,
            is_busy,
        }
    }

    const STICK: [&str; 3] = ["usb1", "1-1", "1-1:1.0"];

    #[test]
    fn it_settles_when_nothing_new_shows_and_every_store_has_been_read() {
        let check = |names: &[&str], stores: &[&[Disk]], unchanged, waited, expected| {
            let facts = facts(names, stores);
            let settling = is_settling(&facts, unchanged, waited);
            assert_eq!(settling, expected, "{facts:?} {unchanged} {waited}");
        };
        check(&[], &[], 0, 0, false); // no host controller: no wait
        check(&["usb1", "usb2"], &[], 0, 0, true); // a hub may not have looked yet
        check(&["usb1", "usb2"], &[], QUIET_MS, QUIET_MS, false);
        check(&STICK, &[&[]], QUIET_MS, 1500, true); // left alone by its driver
        check(&STICK, &[&[disk(0, true)]], QUIET_MS, 1500, true); // its table is read
        check(&STICK, &[&[disk(0, false)]], QUIET_MS, 1500, false); // it has none
        check(&STICK, &[&[disk(2, true)]], QUIET_MS, 1500, false); // the system's own
        check(&STICK, &[&[disk(2, false)], &[]], QUIET_MS, 1500, true);
        check(&STICK, &[&[]], 0, PATIENCE_MS, false); // broken
    }

    #[test]
    fn a_stick_is_waited_for_as_long_as_it_takes_and_a_broken_one_not_for_ever() {
        // What shows at which time, how long each look for it takes, and how long is waited until
        // it is there or not any more.
        let check = |shows: &[(u64, Facts)], appears: u64, takes: u64, expected| {
            let now = Cell::new(START);
            let look = || {
                let since = now.get() - START;
                let before = shows.iter().rev().find(|(at, _)| *at <= since);
                before.map_or_else(Facts::default, |(_, facts)| facts.clone())
            };
            let pass = |span| now.set(now.get() + span);
            let has_appeared = || {
                pass(takes);
                now.get() - START >= appears
            };
            wait(look, has_appeared, || now.get(), pass);
            assert_eq!(now.get() - START, expected, "{shows:?} {takes}");
        };
        const START: u64 = 70_000; // the machine has been up for long
        let never = u64::MAX;
        let empty = facts(&["usb1"], &[]);
        let read = [disk(1, false)];
        let stick = |disks: &[&[Disk]]| facts(&STICK, disks);
        check(&[], never, 0, 0);
        check(&[(0, empty.clone())], never, 0, QUIET_MS);
        let slow = [
            (0, empty.clone()),
            (900, stick(&[&[]])),
            (3000, stick(&[&read])),
        ];
        check(&slow, 3000, 0, 3000);
        check(&slow, never, 0, 3000 + QUIET_MS);
        let broken = [(0, empty), (900, stick(&[&[]]))];
        check(&broken, never, 0, PATIENCE_MS);
        check(&broken, never, 480, PATIENCE_MS + 480); // it is looked at once more
    }

    #[test]
    fn it_is_waited_for_once_per_boot() {
        let run = tempfile::tempdir().unwrap();
        let note = run.path().join("init/usb-settled"); // the folder is still to be made
        let waits = Cell::new(0);
        for _ in 0..2 {
            once(&note, || waits.set(waits.get() + 1));
        }
        assert_eq!(waits.get(), 1);
    }

    #[test]
    fn provisioning_is_given_more_time_than_usb() {
        let image = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image");
        let manifest = fs::read_to_string(image.join("etc/aios/services/provision.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let limit = manifest["start_timeout_ms"].as_integer().unwrap();
        let wanted = PATIENCE_MS + 3000; // for the stick to be mounted and read
        assert!(u64::try_from(limit).unwrap() >= wanted, "{limit}");
    }

    #[test]
    fn sysfs_is_read_from_the_bus_down_to_the_partitions() {
        let folder = tempfile::tempdir().unwrap();
        let (bus, devices) = (folder.path().join("bus"), folder.path().join("pci"));
        fs::create_dir_all(&bus).unwrap();
        assert_eq!(look(&bus), Facts::default());
        let make = |name: &str, class: &str| {
            let path = devices.join(name);
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("bInterfaceClass"), class).unwrap();
            symlink(&path, bus.join(name)).unwrap();
            path
        };
        make("usb1", "");
        make("1-2:1.0", "03\n");
        let stick = make("1-1:1.0", "08\n");
        symlink(&devices, stick.join("subsystem")).unwrap();
        let names = ["usb1", "1-1:1.0", "1-2:1.0"];
        assert_eq!(look(&bus), facts(&names, &[&[]]));
        let sda = stick.join("host2/target2:0:0/2:0:0:0/block/sda");
        fs::create_dir_all(sda.join("queue")).unwrap();
        fs::write(sda.join("inflight"), "       1        0\n").unwrap();
        assert_eq!(look(&bus), facts(&names, &[&[disk(0, true)]]));
        fs::write(sda.join("inflight"), "       0        0\n").unwrap();
        fs::create_dir(sda.join("sda1")).unwrap();
        fs::write(sda.join("sda1/partition"), "1\n").unwrap();
        assert_eq!(look(&bus), facts(&names, &[&[disk(1, false)]]));
    }
}
