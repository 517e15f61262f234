//! The appliance under QEMU.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

use crate::artefacts::Artefacts;
use crate::machine::{Options, Way};

/// A running QEMU; killed when dropped.
pub struct Vm {
    child: Option<Child>,
}

impl Vm {
    /// Starts QEMU with the instance's disks; the serial console goes to `console`.
    ///
    /// # Errors
    /// When a disk cannot be made, or QEMU cannot be started.
    pub fn start(
        artefacts: &Artefacts,
        options: &Options,
        node: &Path,
        console: &Path,
    ) -> Result<Self> {
        let disk = ensure_disk(artefacts, options)?;
        let log = File::create(options.folder.join("qemu.log"))?;
        let child = Command::new("qemu-system-x86_64")
            .args(arguments(artefacts, options, &disk, node, console))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot start qemu-system-x86_64; `cargo xtask run` installs it")?;
        Ok(Self { child: Some(child) })
    }

    /// QEMU's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// Is QEMU gone?
    pub(crate) fn has_ended(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_some()),
            None => Ok(true),
        }
    }

    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().context("cannot kill QEMU")?;
            child.wait()?;
        }
        Ok(())
    }

    pub(crate) fn leave_running(mut self) {
        self.child = None;
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            eprintln!("{error:#}");
        }
    }
}

/// The disk that this instance writes to: kept from before, or a new one.
fn ensure_disk(artefacts: &Artefacts, options: &Options) -> Result<std::path::PathBuf> {
    let (template, name) = match options.way {
        Way::Disk => (&artefacts.disk, "disk.img"),
        _ => (&artefacts.data, "data.img"),
    };
    let disk = options.folder.join(name);
    if !disk.exists() {
        let copied = Command::new("cp")
            .args(["--sparse=always", "--reflink=auto"])
            .args([template, &disk])
            .status()
            .context("cannot run cp")?;
        anyhow::ensure!(
            copied.success(),
            "cannot copy {} for a new disk",
            template.display()
        );
    }
    Ok(disk)
}

/// QEMU's command line.
fn arguments(
    artefacts: &Artefacts,
    options: &Options,
    disk: &Path,
    node: &Path,
    console: &Path,
) -> Vec<OsString> {
    let mut all = Vec::new();
    let mut put = |text: String| all.extend(text.split(' ').map(OsString::from));
    put("-nodefaults -no-user-config -display none -machine q35".into());
    // AVX makes emulated inference ten times slower: see docs/architecture.md.
    put(if kvm_is_real() {
        "-accel kvm -cpu host"
    } else {
        "-accel tcg,thread=multi -cpu qemu64"
    }
    .into());
    put(format!("-smp {} -m {}", options.cpus, options.memory_mib));
    put(format!(
        "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:{}-:9090 -device virtio-net-pci,netdev=net0,romfile=",
        options.port
    ));
    put("-device virtio-rng-pci".into());
    if !options.reboots {
        put("-no-reboot".into());
    }
    let pair = |option: &str, value: String| [OsString::from(option), OsString::from(value)];
    let drive = |file: &Path, id: &str, read_only: &str| {
        format!(
            "file={},if=virtio,format=raw,id={id},readonly={read_only}",
            file.display()
        )
    };
    // A person may attach to the socket; the log is written either way.
    all.extend(pair(
        "-chardev",
        format!(
            "socket,id=console,path={},server=on,wait=off,logfile={}",
            options.folder.join("console.sock").display(),
            console.display()
        ),
    ));
    all.extend(pair("-serial", "chardev:console".into()));
    all.extend(pair(
        "-fw_cfg",
        format!("name=opt/org.aios/node.toml,file={}", node.display()),
    ));
    if options.way == Way::Vm {
        all.extend(pair("-kernel", artefacts.kernel.display().to_string()));
        all.extend(pair("-append", artefacts.command_line.clone()));
        all.extend(pair("-drive", drive(&artefacts.root, "root", "on")));
    }
    all.extend(pair("-drive", drive(disk, "data", "off")));
    all
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
