//! QEMU's command line.

use std::ffi::OsString;
use std::fs::File;
use std::path::Path;

use anyhow::{Result, ensure};

use crate::artefacts::Artefacts;
use crate::hardware::{Bus, Firmware, OVMF, value};
use crate::machine::{Options, Way};

// In the instance's folder, which is QEMU's current one.
/// The socket at which a person may attach to the serial console.
pub(crate) const CONSOLE: &str = "console.sock";
/// The socket of the front panel.
pub(crate) const PANEL: &str = "qmp.sock";
/// The socket of the emulated TPM.
pub(crate) const TPM: &str = "tpm.sock";
/// The firmware's variables.
pub(crate) const VARIABLES: &str = "efi-variables.fd";

/// The command line for a machine with `disk` as its writable disk.
///
/// # Errors
/// When the kernel's command line is not the one that is known here.
pub(crate) fn of(
    artefacts: &Artefacts,
    options: &Options,
    disk: &Path,
    node: &Path,
    console: &Path,
) -> Result<Vec<OsString>> {
    let mut all = Arguments::default();
    machine(&mut all, options);
    firmware(&mut all, options);
    network(&mut all, options);
    // A person may attach to the socket; the log is written either way.
    all.pair(
        "-chardev",
        format!(
            "socket,id=console,path={CONSOLE},server=on,wait=off,logfile={}",
            value(console)
        ),
    );
    all.pair("-serial", "chardev:console");
    all.pair("-qmp", format!("unix:{PANEL},server=on,wait=off"));
    if options.provisioned {
        all.firmware_file("opt/org.aios/node.toml", node);
    }
    if options.config.is_some() {
        let config = options.folder.join("config.toml");
        all.firmware_file("opt/org.aios/config.toml", &config);
    }
    disks(&mut all, artefacts, options, disk)?;
    all.0
        .extend(options.hardware.more_arguments.iter().map(OsString::from));
    Ok(all.0)
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn words(&mut self, text: &str) {
        self.0.extend(text.split(' ').map(OsString::from));
    }

    fn pair(&mut self, option: &str, value: impl Into<OsString>) {
        self.0.extend([option.into(), value.into()]);
    }

    fn firmware_file(&mut self, name: &str, path: &Path) {
        self.pair("-fw_cfg", format!("name={name},file={}", value(path)));
    }

    fn drive(&mut self, bus: Bus, id: &str, file: &Path, read_only: bool, number: usize) {
        let access = match (read_only, bus) {
            (false, _) => "readonly=off",
            // A SATA disk cannot be read-only; what is written to this one is forgotten.
            (true, Bus::Ahci) => "snapshot=on",
            (true, _) => "readonly=on",
        };
        let file = value(file);
        self.pair(
            "-drive",
            format!("file={file},if=none,format=raw,id={id},{access}"),
        );
        self.pair("-device", bus.device(id, number));
    }
}

fn machine(all: &mut Arguments, options: &Options) {
    all.words("-nodefaults -no-user-config -display none -machine q35");
    // AVX makes emulated inference ten times slower: see docs/architecture.md.
    all.words(if kvm_is_real() {
        "-accel kvm -cpu host"
    } else {
        "-accel tcg,thread=multi -cpu qemu64"
    });
    all.words(&format!("-smp {} -m {}", options.cpus, options.memory_mib));
    all.words("-device virtio-rng-pci");
    if options.hardware.tpm {
        all.pair("-chardev", format!("socket,id=tpm,path={TPM}"));
        all.words("-tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0");
    }
    if let Some(clock) = &options.hardware.clock {
        all.pair("-rtc", format!("base={clock},clock=vm"));
    }
    if !options.reboots {
        all.words("-no-reboot");
    }
    if options.hardware.unplugged {
        all.words("-S"); // until the cable is out
    }
}

fn firmware(all: &mut Arguments, options: &Options) {
    if options.way == Way::Disk && options.hardware.firmware == Firmware::Uefi {
        let code = OVMF.0;
        all.pair(
            "-drive",
            format!("if=pflash,format=raw,readonly=on,file={code}"),
        );
        all.pair("-drive", format!("if=pflash,format=raw,file={VARIABLES}"));
    }
}

fn network(all: &mut Arguments, options: &Options) {
    let mut user = "user,id=net0".to_owned();
    let ports = [(options.port, 9090)];
    for (ours, theirs) in ports.iter().chain(&options.hardware.more_ports) {
        user += &format!(",hostfwd=tcp:127.0.0.1:{ours}-:{theirs}");
    }
    all.pair("-netdev", user);
    all.pair("-device", "virtio-net-pci,netdev=net0,id=nic0,romfile=");
}

fn disks(all: &mut Arguments, artefacts: &Artefacts, options: &Options, disk: &Path) -> Result<()> {
    let bus = options.hardware.bus;
    if let Some(controller) = bus.controller() {
        all.pair("-device", controller);
    }
    let mut number = 0;
    if options.way == Way::Vm {
        all.pair("-kernel", artefacts.kernel.as_os_str());
        let (line, data_bus) = command_line(&artefacts.command_line, bus)?;
        let words = &options.hardware.kernel_words;
        all.pair("-append", format!("{line} {words}").trim_end());
        all.drive(bus, "root", &artefacts.root, true, number);
        number += 1;
        all.drive(data_bus, "data", disk, false, number);
    } else {
        all.drive(bus, "data", disk, false, number);
    }
    for (nth, file) in options.hardware.more_disks.iter().enumerate() {
        number += 1;
        all.drive(bus, &format!("more{nth}"), file, false, number);
    }
    Ok(())
}

/// The kernel's command line with the root on this bus, and the bus of the data
/// disk. A disk without partitions has no name but the kernel's, and two `sd`
/// disks may change theirs: the data disk stays a virtio one, then its only one.
fn command_line(line: &str, bus: Bus) -> Result<(String, Bus)> {
    if bus == Bus::Virtio {
        return Ok((line.to_owned(), bus));
    }
    let first = bus.first_disk();
    ensure!(
        line.contains(" /dev/vda ") && line.contains("=/dev/vdb"),
        "the kernel command line names other disks: {line}"
    );
    let moved = line
        .replace("/dev/vda", first)
        .replace("/dev/vdb", "/dev/vda");
    Ok((format!("dm-mod.waitfor={first} {moved}"), Bus::Virtio))
}

/// Can this processor run guests itself? `/dev/kvm` can be there and useless
/// (nested, without hardware support): QEMU would hang.
fn kvm_is_real() -> bool {
    let virtualises = std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| {
        text.lines().any(|line| {
            line.starts_with("flags") && line.split(' ').any(|flag| flag == "vmx" || flag == "svm")
        })
    });
    virtualises
        && File::options()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_moves_with_the_bus_and_the_data_stays_to_be_found() {
        let line = "root=/dev/dm-0 \"dm-mod.create=v 1 /dev/vda /dev/vda 4096\" aios.data=/dev/vdb";
        assert_eq!(
            command_line(line, Bus::Virtio).unwrap(),
            (line.to_owned(), Bus::Virtio)
        );
        let (moved, data) = command_line(line, Bus::Nvme).unwrap();
        assert!(
            moved.contains("1 /dev/nvme0n1 /dev/nvme0n1 4096"),
            "{moved}"
        );
        assert!(moved.ends_with("aios.data=/dev/vda") && data == Bus::Virtio);
        assert!(command_line("root=/dev/sda", Bus::Usb).is_err());
    }
}
