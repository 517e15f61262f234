//! Installing from a stick and from a CD-ROM: what is not named twice is not erased, what is
//! installed starts by itself, and the medium stays as it is.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aios_qemu::{Bus, Firmware, Machine, Options, Way};
use support::{POWER_OFF_LIMIT, READY_LIMIT, artefacts, eventually};

const GIB: u64 = 1 << 30;

/// The prompt.
const WHICH: &str = "Type the disk's name";

/// Emulated: 450 MiB are read, hashed, written and read back.
const INSTALL_LIMIT: Duration = Duration::from_secs(300);

/// What the machine is started from.
#[derive(Clone, Copy, Debug)]
enum Medium {
    /// `installer.img` as a USB stick.
    Stick,
    /// `aios.iso` in a drive.
    Cd,
    /// `aios.iso` as a USB stick.
    CdAsStick,
}

#[derive(Clone, Copy, Debug)]
struct Case {
    firmware: Firmware,
    medium: Medium,
    target: Bus,
}

/// A machine with a medium, and a disk to install to.
struct Bench {
    folder: tempfile::TempDir,
    options: Options,
    medium: PathBuf,
    original: PathBuf,
    case: Case,
}

impl Bench {
    fn new(case: Case, answers: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("disk.img");
        File::create(&target).unwrap().set_len(4 * GIB).unwrap();
        let made = Command::new("/sbin/mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-L", "photos"])
            .arg(&target)
            .status();
        assert!(made.unwrap().success());
        let name = match case.medium {
            Medium::Stick => "installer.img",
            Medium::Cd | Medium::CdAsStick => "aios.iso",
        };
        let original = artefacts().disk.with_file_name(name);
        assert!(original.exists(), "`cargo xtask test` makes {name}");
        let medium = folder.path().join(name);
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([&original, &medium])
            .status();
        assert!(copied.unwrap().success());
        let prepared = folder.path().join("install.toml");
        fs::write(&prepared, answers).unwrap();
        let mut options = Options::new(Way::Disk, folder.path()).unwrap();
        options.hardware.firmware = case.firmware;
        options.hardware.bus = case.target;
        let medium_file = format!("file={},if=none,format=raw,id=medium", medium.display());
        let device: &[&str] = match case.medium {
            Medium::Cd => &["-device", "ide-cd,drive=medium,bus=ide.5,bootindex=0"],
            Medium::Stick | Medium::CdAsStick => &[
                "-device",
                "qemu-xhci,id=hub",
                "-device",
                "usb-storage,bus=hub.0,drive=medium,serial=STICK,removable=on,bootindex=0",
            ],
        };
        let more = &mut options.hardware.more_arguments;
        more.extend(["-drive".to_owned(), medium_file]);
        more.extend(device.iter().map(|word| (*word).to_owned()));
        let prepared = format!("name=opt/org.aios/install.toml,file={}", prepared.display());
        more.extend(["-fw_cfg".to_owned(), prepared]);
        Self {
            folder,
            options,
            medium,
            original,
            case,
        }
    }

    fn start(&self) -> Machine {
        Machine::start(&artefacts(), &self.options).unwrap()
    }

    fn target(&self) -> PathBuf {
        self.folder.path().join("disk.img")
    }

    /// Everything but the boot loader's own count of tries.
    fn medium_is_as_it_was(&self) {
        let (block, end) = ((42 << 20) + 512, (42 << 20) + 1536);
        let different = differences(&self.original, &self.medium);
        let others: Vec<&u64> = different
            .iter()
            .filter(|at| **at < block || **at >= end)
            .collect();
        assert!(others.is_empty(), "changed at {others:?}");
        assert!(
            matches!(self.case.medium, Medium::Cd) == different.is_empty(),
            "{different:?}"
        );
    }

    /// The disk alone, as a node.
    fn starts_from_its_disk(mut self) {
        self.medium_is_as_it_was();
        self.options.hardware.more_arguments.clear();
        fs::remove_file(&self.medium).unwrap();
        // OVMF's own list: the medium first, and then its shell before any disk that is new to it.
        if self.case.firmware == Firmware::Uefi {
            fs::remove_file(self.folder.path().join("efi-variables.fd")).unwrap();
        }
        let mut machine = self.start();
        let boot = machine.wait_ready(READY_LIMIT, |_| {}).unwrap();
        assert_eq!(boot.degraded, "");
        let status =
            eventually(Duration::from_secs(30), || machine.ctl().run(&["status"])).unwrap();
        assert_eq!(status["state"], "ready", "{status:#}");
        let slots = machine.ctl().run(&["slots"]).unwrap();
        assert_eq!(
            (&slots["running"], &slots["first"]),
            (&"a".into(), &"a".into()),
            "{slots:#}"
        );
        assert!(machine.power_off(POWER_OFF_LIMIT).unwrap());
    }
}

/// Places at which two files of the same length differ, in steps of 512 bytes.
fn differences(one: &Path, two: &Path) -> Vec<u64> {
    let (one, two) = (File::open(one).unwrap(), File::open(two).unwrap());
    let length = one.metadata().unwrap().len();
    assert_eq!(length, two.metadata().unwrap().len());
    let (mut first, mut second) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut found = Vec::new();
    for at in (0..length).step_by(1 << 20) {
        one.read_exact_at(&mut first, at).unwrap();
        two.read_exact_at(&mut second, at).unwrap();
        if first != second {
            let sectors = first.chunks(512).zip(second.chunks(512)).zip(0_u64..);
            found.extend(
                sectors
                    .filter(|((a, b), _)| a != b)
                    .map(|(_, nth)| at + nth * 512),
            );
        }
    }
    found
}

/// Waits until the console shows a text behind what was shown before.
fn shown(machine: &Machine, seen: &mut usize, text: &str, limit: Duration) -> String {
    let end = Instant::now() + limit;
    loop {
        let all = machine.console_text().unwrap();
        let new = all.get(*seen..).unwrap_or_default();
        if let Some(at) = new.find(text) {
            let told = new[..at + text.len()].to_owned();
            *seen += at + text.len();
            return told;
        }
        assert!(
            Instant::now() < end,
            "no {text:?}\n{}",
            machine.console_tail()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn only_the_disk_that_is_named_twice_is_erased_and_it_starts_then() {
    let case = Case {
        firmware: Firmware::Bios,
        medium: Medium::Stick,
        target: Bus::Virtio,
    };
    // The stick itself: nothing is done by itself.
    let bench = Bench::new(case, "serial = \"STICK\"\nerase = true\n");
    let before = head(&bench.target());
    let mut machine = bench.start();
    let mut seen = 0;
    let mut wait = |machine: &Machine, text: &str| shown(machine, &mut seen, text, INSTALL_LIMIT);
    let said = wait(&machine, WHICH);
    for part in [
        "NOT INSTALLED",
        "this medium",
        "vda (4.0 GiB virtio",
        "no partitions; ext4 \"photos\"",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    for (typed, answer) in [
        ("sda", "Not on sda: this medium"),
        ("vdx", "There is no such disk"),
        ("vda", "EVERYTHING on vda"),
        ("yes", "Nothing was erased"),
    ] {
        machine.type_line(typed).unwrap();
        wait(&machine, answer);
    }
    wait(&machine, WHICH);
    assert!(head(&bench.target()) == before, "erased without leave");
    machine.type_line("vda").unwrap();
    wait(&machine, "once more");
    let begun = Instant::now();
    machine.type_line("vda").unwrap();
    wait(&machine, "INSTALLED on vda");
    eprintln!("installed in {} s", begun.elapsed().as_secs());
    wait(&machine, "Type off or reboot");
    machine.type_line("off").unwrap();
    assert!(
        machine.wait_power_off(POWER_OFF_LIMIT).unwrap(),
        "not clean"
    );
    let all = machine.console_text().unwrap();
    drop(machine);
    bench.starts_from_its_disk();
    assert!(!all.contains("degraded"), "{all}");
}

/// What a disk's table and first file system would be in.
fn head(disk: &Path) -> Vec<u8> {
    let mut bytes = vec![0; 4 << 20];
    File::open(disk)
        .unwrap()
        .read_exact_at(&mut bytes, 0)
        .unwrap();
    bytes
}

#[test]
#[ignore = "takes long: cargo xtask test --long"]
fn nobody_has_to_be_there_whatever_the_firmware_and_the_medium() {
    for (firmware, medium, target, answers) in [
        (
            Firmware::Bios,
            Medium::Cd,
            Bus::Virtio,
            "disk = \"/dev/vda\"\nerase = true\n",
        ),
        (
            Firmware::Uefi,
            Medium::Cd,
            Bus::Ahci,
            "disk = \"/dev/sda\"\nerase = true\n",
        ),
        (
            Firmware::Uefi,
            Medium::Stick,
            Bus::Nvme,
            "serial = \"aios-0\"\nerase = true\n",
        ),
        (
            Firmware::Bios,
            Medium::CdAsStick,
            Bus::Nvme,
            "disk = \"/dev/nvme0n1\"\nerase = true\n",
        ),
        (
            Firmware::Uefi,
            Medium::CdAsStick,
            Bus::Virtio,
            "disk = \"/dev/vda\"\nerase = true\n",
        ),
    ] {
        let case = Case {
            firmware,
            medium,
            target,
        };
        eprintln!("{case:?}");
        let bench = Bench::new(case, answers);
        let mut machine = bench.start();
        machine
            .wait_for_text("INSTALLED on", INSTALL_LIMIT)
            .unwrap();
        assert!(
            machine.wait_power_off(POWER_OFF_LIMIT).unwrap(),
            "not clean"
        );
        drop(machine);
        bench.starts_from_its_disk();
    }
}
