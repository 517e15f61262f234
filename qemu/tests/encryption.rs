//! The encrypted data partition: with its key in a TPM, and with a passphrase.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use aios_qemu::{Artefacts, Firmware, Machine, Options, Way};
use support::{Appliance, POWER_OFF_LIMIT, READY_LIMIT, executions};

const MIB: u64 = 1 << 20;
/// So much longer is the disk than the image that was written to it.
const LONGER: u64 = 512 * MIB;
const SECRET: &str = "what nobody may read on a disk that was carried away";
const FILE: &str = "/srv/secret.txt";

/// Begins the line with the key.
const SHOWN: &str = "RECOVERY KEY of this node's data: ";
const ASKED: &str = "recovery key of the data disk: ";
const PASSPHRASE: &str = "correct horse battery staple";

#[test]
fn a_tpm_opens_the_disk_on_its_machine_and_the_recovery_key_on_another() {
    opened_by_tpm_or_recovery_key(Firmware::Bios);
}

#[test]
#[ignore = "takes long: cargo xtask test --long"]
fn so_it_is_with_uefi() {
    opened_by_tpm_or_recovery_key(Firmware::Uefi);
}

fn opened_by_tpm_or_recovery_key(firmware: Firmware) {
    let mut appliance = first_boot("tpm2", firmware, |machine| {
        machine.wait_for_text(SHOWN, READY_LIMIT).unwrap();
    });
    let shown = appliance.machine.console_text().unwrap();
    let key = after(&shown, SHOWN).to_owned();
    write_secret(&appliance);
    let size = &call(&appliance, "storage.usage", r#"{"path":"/srv"}"#)["total_bytes"];
    let size = size.as_u64().unwrap();
    assert!(size > 1024 * MIB + LONGER * 3 / 4, "not grown: {size}");
    power_off(&mut appliance);
    is_encrypted(&appliance.folder().join("disk.img"));

    appliance.boot_again();
    assert_eq!(read_secret(&appliance), SECRET);
    let console = appliance.machine.console_text().unwrap();
    assert!(
        !console.contains(ASKED) && !console.contains(SHOWN),
        "{console}"
    );
    power_off(&mut appliance);

    // Another TPM: another machine.
    std::fs::remove_dir_all(appliance.folder().join("tpm")).unwrap();
    appliance.boot_again_helped(|machine| {
        machine.wait_for_text(ASKED, READY_LIMIT).unwrap();
        machine.type_line("not the recovery key").unwrap();
        let refused = "that does not open it";
        machine.wait_for_text(refused, READY_LIMIT).unwrap();
        machine.type_line(&key.to_lowercase()).unwrap();
    });
    assert_eq!(read_secret(&appliance), SECRET);
    let console = appliance.machine.console_text().unwrap();
    assert!(!console.contains(&key.to_lowercase()), "shown while typed");
    assert!(console.contains("bound to this TPM again"), "{console}");

    // The plug, and the new TPM opens it now.
    appliance.machine.cut_power().unwrap();
    appliance.boot_again();
    assert_eq!(read_secret(&appliance), SECRET);
}

#[test]
#[ignore = "takes long: cargo xtask test --long"]
fn a_passphrase_is_chosen_once_and_asked_for_at_each_start() {
    let mut appliance = first_boot("passphrase", Firmware::Bios, |machine| {
        for (nth, typed) in ["short", PASSPHRASE, "another one", PASSPHRASE, PASSPHRASE]
            .into_iter()
            .enumerate()
        {
            // Asked anew after what is too short, and after two that differ.
            let question = ["new passphrase: ", "the same once more: "];
            let counts = [(1, 0), (2, 0), (2, 1), (3, 1), (3, 2)];
            let (new, again) = counts[nth];
            support::eventually(READY_LIMIT, || {
                let text = machine.console_text()?;
                let count = |at: usize| text.matches(question[at]).count();
                anyhow::ensure!((count(0), count(1)) == (new, again), "{text}");
                Ok(())
            })
            .unwrap();
            machine.type_line(typed).unwrap();
        }
    });
    write_secret(&appliance);
    power_off(&mut appliance);
    is_encrypted(&appliance.folder().join("disk.img"));
    appliance.boot_again_helped(type_passphrase);
    assert_eq!(read_secret(&appliance), SECRET);

    // New keys, and as encrypted as before.
    factory_reset(&mut appliance);
    let new = "an entirely new passphrase";
    appliance.boot_again_helped(|machine| {
        machine
            .wait_for_text("passphrase of the data disk: ", READY_LIMIT)
            .unwrap();
        machine.type_line(PASSPHRASE).unwrap();
        for question in ["new passphrase: ", "the same once more: "] {
            machine.wait_for_text(question, READY_LIMIT).unwrap();
            machine.type_line(new).unwrap();
        }
    });
    let gone = format!(r#"{{"path":"{FILE}"}}"#);
    let read = appliance
        .machine
        .ctl()
        .run(&["tools", "call", "fs.read", &gone]);
    assert!(read.is_err() || read.unwrap()["state"] != "succeeded");
    is_encrypted(&appliance.folder().join("disk.img"));
}

#[test]
#[ignore = "takes long: cargo xtask test --long"]
fn a_plain_disk_in_use_stays_as_it_is_until_a_factory_reset() {
    let mut appliance = Appliance::boot_with(Way::Disk, |options| options.hardware.tpm = true);
    write_secret(&appliance);
    power_off(&mut appliance);
    appliance.options.config = Some(config("tpm2"));
    appliance.boot_again();
    assert_eq!(read_secret(&appliance), SECRET);
    let ctl = appliance.machine.ctl().clone();
    support::eventually(READY_LIMIT, || {
        let degraded = ctl.run(&["status"])?["degraded"].to_string();
        anyhow::ensure!(degraded.contains("it is not encrypted"), "{degraded}");
        Ok(())
    })
    .unwrap();
    // The configuration in force is remembered, that of before is not there any more.
    appliance.options.config = None;
    std::fs::remove_file(appliance.folder().join("config.toml")).unwrap();
    factory_reset(&mut appliance);
    appliance.boot_again();
    let console = appliance.machine.console_text().unwrap();
    assert!(console.contains(SHOWN), "{console}");
    power_off(&mut appliance);
    starts_with_luks2(&appliance.folder().join("disk.img"));
    appliance.boot_again();
}

#[test]
#[ignore = "takes long: cargo xtask test --long"]
fn without_a_tpm_nothing_is_kept_and_with_one_it_is_made_later() {
    let change = |options: &mut Options| options.config = Some(config("tpm2"));
    let mut appliance = Appliance::boot_with(Way::Disk, change);
    let degraded = &appliance.boot.degraded;
    assert!(degraded.contains("data disk"), "{degraded:?}");
    let console = appliance.machine.console_text().unwrap();
    assert!(console.contains("no TPM 2.0 answers"), "{console}");
    power_off(&mut appliance);
    appliance.options.hardware.tpm = true;
    appliance.boot_again();
    assert_eq!(appliance.boot.degraded, "");
    power_off(&mut appliance);
    starts_with_luks2(&appliance.folder().join("disk.img"));
}

fn config(encryption: &str) -> String {
    format!("[data]\nencryption = \"{encryption}\"\n")
}

/// A node whose disk is longer than the image, whose configuration asks for this encryption. The
/// power is cut once while its disk is being made, if that needs no person.
fn first_boot(encryption: &str, firmware: Firmware, help: impl Fn(&Machine)) -> Appliance {
    let change = |options: &mut Options| {
        options.config = Some(config(encryption));
        options.hardware.tpm = encryption == "tpm2";
        options.hardware.firmware = firmware;
        options.memory_mib = 512;
    };
    let before = |artefacts: &Artefacts, options: &Options| {
        lengthen(artefacts, options);
        if options.hardware.tpm {
            let mut machine = Machine::start(artefacts, options).unwrap();
            let begun = "encrypting the data disk";
            machine.wait_for_text(begun, READY_LIMIT).unwrap();
            std::thread::sleep(Duration::from_millis(500));
            let console = machine.console_text().unwrap();
            machine.cut_power().unwrap();
            assert!(!console.contains(SHOWN), "too late to be a cut: {console}");
        }
    };
    Appliance::boot_helped(Way::Disk, change, before, help)
}

fn lengthen(artefacts: &Artefacts, options: &Options) {
    let disk = options.folder.join("disk.img");
    let mut copy = Command::new("cp");
    copy.args(["--sparse=always", "--reflink=auto"]);
    let copied = copy.args([&artefacts.disk, &disk]).status().unwrap();
    assert!(copied.success());
    let disk = File::options().write(true).open(disk).unwrap();
    let length = disk.metadata().unwrap().len();
    disk.set_len(length + LONGER).unwrap();
}

fn factory_reset(appliance: &mut Appliance) {
    let node = appliance.machine.ctl().run(&["status"]).unwrap()["node"].clone();
    let reset = ["factory-reset", node.as_str().unwrap()];
    appliance.machine.ctl().run(&reset).unwrap();
    appliance.machine.wait_power_off(POWER_OFF_LIMIT).unwrap();
}

fn type_passphrase(machine: &Machine) {
    machine
        .wait_for_text("passphrase of the data disk: ", READY_LIMIT)
        .unwrap();
    machine.type_line(PASSPHRASE).unwrap();
}

/// What comes after `mark`, to the end of the line.
fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    let (_, rest) = text.split_once(mark).unwrap();
    rest.lines().next().unwrap().trim()
}

fn call(appliance: &Appliance, tool: &str, arguments: &str) -> serde_json::Value {
    let ctl = appliance.machine.ctl();
    let done = ctl.run(&["tools", "call", tool, arguments]).unwrap();
    executions(&done)[0]["output"].clone()
}

fn write_secret(appliance: &Appliance) {
    let arguments = format!(r#"{{"path":"{FILE}","content":"{SECRET}"}}"#);
    call(appliance, "fs.write", &arguments);
    assert_eq!(read_secret(appliance), SECRET);
}

fn read_secret(appliance: &Appliance) -> String {
    let arguments = format!(r#"{{"path":"{FILE}"}}"#);
    let content = &call(appliance, "fs.read", &arguments)["content"];
    content.as_str().unwrap_or_default().to_owned()
}

fn power_off(appliance: &mut Appliance) {
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
}

/// The secret is nowhere on the encrypted disk.
fn is_encrypted(disk: &Path) {
    starts_with_luks2(disk);
    let mut grep = Command::new("grep");
    let found = grep.args(["--quiet", "--text", "--fixed-strings", SECRET]);
    let found = found.arg(disk).status().unwrap();
    assert_eq!(found.code(), Some(1), "the secret is on the disk");
}

/// One partition begins with LUKS2's magic.
fn starts_with_luks2(disk: &Path) {
    let file = File::open(disk).unwrap();
    let length = file.metadata().unwrap().len();
    let starts = (0..length / MIB).filter(|mib| {
        let mut magic = [0; 8];
        file.read_exact_at(&mut magic, mib * MIB).unwrap();
        magic == *b"LUKS\xba\xbe\x00\x02"
    });
    assert_eq!(starts.count(), 1, "LUKS2 partitions in {}", disk.display());
}
