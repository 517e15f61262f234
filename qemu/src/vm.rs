//! The appliance under QEMU.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::arguments;
use crate::artefacts::Artefacts;
use crate::hardware::{Firmware, OVMF};
use crate::machine::{Options, Way};
use crate::qmp::Qmp;

/// How long QEMU may take to open its front panel.
const PANEL_LIMIT: Duration = Duration::from_secs(10);

/// A failed assertion, a wrong pointer.
const MISTAKES: [Signal; 3] = [Signal::ABORT, Signal::SEGV, Signal::BUS];

/// A running QEMU; killed when dropped.
pub struct Vm {
    child: Option<Child>,
    /// The socket of its front panel.
    panel: PathBuf,
    /// Ends by itself when QEMU is gone.
    tpm: Option<Child>,
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
        if options.hardware.firmware == Firmware::Uefi {
            ensure_variables(&options.folder)?;
        }
        let tpm = match options.hardware.tpm {
            true => Some(crate::tpm::start(&options.folder)?),
            false => None,
        };
        let log = File::create(options.folder.join("qemu.log"))?;
        let child = Command::new("qemu-system-x86_64")
            .args(arguments::of(artefacts, options, &disk, node, console)?)
            // Its sockets are named relative to it: their paths must be short.
            .current_dir(&options.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()
            .context("cannot start qemu-system-x86_64; `cargo xtask run` installs it")?;
        let mut vm = Self {
            child: Some(child),
            panel: options.folder.join(arguments::PANEL),
            tpm,
        };
        if options.hardware.unplugged {
            let mut panel = vm.wait_for_panel()?;
            panel.plug_network(false)?;
            panel.go()?;
        }
        Ok(vm)
    }

    /// Its front panel.
    ///
    /// # Errors
    /// When QEMU does not answer.
    pub(crate) fn panel(&self) -> Result<Qmp> {
        Qmp::connect(&self.panel)
    }

    fn wait_for_panel(&mut self) -> Result<Qmp> {
        let end = Instant::now() + PANEL_LIMIT;
        loop {
            match self.panel() {
                Err(_) if Instant::now() < end && !self.has_ended()? => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                other => return other,
            }
        }
    }

    /// QEMU's process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// The signal that QEMU died of, when that is one of its own mistakes.
    pub(crate) fn crash(&mut self) -> Result<Option<i32>> {
        let status = match &mut self.child {
            Some(child) => child.try_wait()?,
            None => None,
        };
        let signal = status.and_then(|status| status.signal());
        Ok(signal.filter(|signal| MISTAKES.map(Signal::as_raw).contains(signal)))
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
        // QEMU's end is the emulated TPM's: the next machine must not find it still there.
        if let Some(mut tpm) = self.tpm.take() {
            tpm.wait()?;
        }
        Ok(())
    }

    pub(crate) fn leave_running(mut self) {
        self.child = None;
        self.tpm = None;
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

/// The firmware's variables: kept from before, or Debian's template.
fn ensure_variables(folder: &Path) -> Result<()> {
    let variables = folder.join(arguments::VARIABLES);
    if !variables.exists() {
        std::fs::copy(OVMF.1, &variables)
            .with_context(|| format!("{}; `cargo xtask run` installs it", OVMF.1))?;
    }
    Ok(())
}
