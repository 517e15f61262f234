//! One running appliance, whichever way it was booted.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::artefacts::Artefacts;
use crate::console::{Phase, Said, understand};
use crate::credentials;
use crate::ctl::Ctl;
use crate::former::Note;
use crate::hardware::Hardware;
use crate::qmp::Qmp;
use crate::{container, data_folder, vm};

/// How often the console is looked at.
const CONSOLE_INTERVAL: Duration = Duration::from_millis(20);

/// The ways to boot the one root file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Way {
    /// QEMU loads the kernel itself.
    Vm,
    /// QEMU starts its firmware, which starts GRUB from the disk image.
    Disk,
    /// runc, without a machine around it.
    Container,
}

/// What to boot, and where its state lives.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which way.
    pub way: Way,
    /// The instance's folder: disks, console log, credentials. Made when absent.
    pub folder: PathBuf,
    /// Port on 127.0.0.1 that leads to the appliance's 9090.
    pub port: u16,
    /// Memory of the machine, MiB (not for containers).
    pub memory_mib: u32,
    /// Processors of the machine (not for containers).
    pub cpus: u32,
    /// A reboot starts the machine again, instead of ending it (not for containers).
    pub reboots: bool,
    /// What the machine is made of (not for containers).
    pub hardware: Hardware,
    /// Text of a `config.toml` that is given beside the node's identity.
    pub config: Option<String>,
    /// Is the node told who it is? If not, it starts in maintenance mode.
    pub provisioned: bool,
}

impl Options {
    /// An instance in `folder`, on a free port, with two processors and 1 GiB.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(way: Way, folder: &Path) -> Result<Self> {
        Ok(Self {
            way,
            folder: folder.to_owned(),
            port: free_port()?,
            memory_mib: 1024,
            cpus: 2,
            reboots: false,
            hardware: Hardware::default(),
            config: None,
            provisioned: true,
        })
    }
}

/// A port on 127.0.0.1 that nobody listens on just now.
///
/// # Errors
/// When the kernel has none.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// How the boot went.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Boot {
    /// Kernel start (container: PID 1 start) to READY.
    pub ready_ms: u64,
    /// The phases, in the order in which they ended.
    pub phases: Vec<Phase>,
    /// What is missing, in PID 1's words; empty when nothing is.
    pub degraded: String,
}

/// QEMU died of a mistake of its own: nothing is known of the appliance.
///
/// QEMU 7.2 did so once in the 288 boots of the matrix, with two emulated processors: an assertion
/// of its `msix_table_mmio_write`. Why is not known.
#[derive(Debug, thiserror::Error)]
#[error("QEMU itself crashed, of signal {signal}; start the machine again\n{told}")]
pub struct EmulatorCrashed {
    signal: i32,
    told: String,
}

/// A running appliance. Dropping it is pulling the plug.
pub struct Machine {
    guest: Guest,
    console: PathBuf,
    /// How far the console was read.
    seen: u64,
    ctl: Ctl,
}

enum Guest {
    Vm(vm::Vm),
    Container(container::Container),
}

impl Guest {
    fn note(&self) -> Result<Note> {
        match self {
            Self::Vm(vm) => Note::of(vm.pid(), None),
            Self::Container(container) => {
                Note::of(container.pid(), Some(container.id().to_owned()))
            }
        }
    }
}

impl Machine {
    /// Starts an instance, with the state that its folder holds from before, or
    /// with a new data disk and new credentials.
    ///
    /// # Errors
    /// When its disks, credentials or process cannot be made; the message says which. When a
    /// container's folder is on an overlay file system.
    pub fn start(artefacts: &Artefacts, options: &Options) -> Result<Self> {
        let folder = &options.folder;
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
        if options.way == Way::Container {
            data_folder::check(folder)?;
        }
        let node = credentials::ensure(&artefacts.aiosctl, folder, options.port)?;
        if let Some(config) = &options.config {
            std::fs::write(folder.join("config.toml"), config)?;
        }
        let console = folder.join("console.log");
        File::create(&console).with_context(|| format!("cannot write {}", console.display()))?;
        let guest = match options.way {
            Way::Container => Guest::Container(container::Container::start(
                artefacts, options, &node, &console,
            )?),
            Way::Vm | Way::Disk => Guest::Vm(vm::Vm::start(artefacts, options, &node, &console)?),
        };
        let ctl = Ctl::new(&artefacts.aiosctl, &credentials::config(folder));
        // Now, not when it is left running: an interrupted run must be found too.
        guest.note()?.write(folder)?;
        Ok(Self {
            guest,
            console,
            seen: 0,
            ctl,
        })
    }

    /// The operator's command line for this machine.
    pub fn ctl(&self) -> &Ctl {
        &self.ctl
    }

    /// The process that the machine is: QEMU's, or the container's PID 1.
    pub fn pid(&self) -> u32 {
        match &self.guest {
            Guest::Vm(vm) => vm.pid(),
            Guest::Container(container) => container.pid(),
        }
    }

    /// Waits until the machine takes goals, telling `watch` of each phase.
    ///
    /// # Errors
    /// [`EmulatorCrashed`]; a kernel panic, the end of the machine, or the deadline; with the end
    /// of the console.
    pub fn wait_ready(&mut self, limit: Duration, mut watch: impl FnMut(&Phase)) -> Result<Boot> {
        let mut boot = Boot::default();
        let end = Instant::now() + limit;
        loop {
            let ended = self.has_ended()?;
            for said in self.news()? {
                match said {
                    Said::PhaseDone(phase) => {
                        watch(&phase);
                        boot.phases.push(phase);
                    }
                    Said::Ready { after_ms, degraded } => {
                        boot.ready_ms = after_ms;
                        boot.degraded = degraded;
                        return Ok(boot);
                    }
                    Said::Panic(text) => bail!("{text}\n{}", self.console_tail()),
                    Said::PoweredOff | Said::Rebooting => {}
                }
            }
            if ended {
                let told = self.console_tail();
                if let Some(signal) = self.emulator_crash()? {
                    return Err(EmulatorCrashed { signal, told }.into());
                }
                bail!("the machine ended before it was ready\n{told}");
            }
            if Instant::now() > end {
                bail!(
                    "not ready after {} s\n{}",
                    limit.as_secs(),
                    self.console_tail()
                );
            }
            thread::sleep(CONSOLE_INTERVAL);
        }
    }

    /// Waits until a machine that was told to power off, or to reboot where that
    /// ends it, has gone, and says whether it went cleanly.
    ///
    /// # Errors
    /// When it is still there at the deadline.
    pub fn wait_power_off(&mut self, limit: Duration) -> Result<bool> {
        let end = Instant::now() + limit;
        let mut clean = false;
        loop {
            let ended = self.has_ended()?;
            for said in self.news()? {
                match said {
                    Said::PoweredOff | Said::Rebooting => clean = true,
                    Said::Panic(text) => bail!("{text}\n{}", self.console_tail()),
                    _ => {}
                }
            }
            if ended {
                return Ok(clean);
            }
            if Instant::now() > end {
                bail!(
                    "still on after {} s\n{}",
                    limit.as_secs(),
                    self.console_tail()
                );
            }
            thread::sleep(CONSOLE_INTERVAL);
        }
    }

    /// Powers the machine off through its management API.
    ///
    /// # Errors
    /// When the request is refused, or the machine is still on after `limit`.
    pub fn power_off(&mut self, limit: Duration) -> Result<bool> {
        self.ctl.run(&["shutdown"])?;
        self.wait_power_off(limit)
    }

    /// The machine's front panel: power button, reset, cables.
    ///
    /// # Errors
    /// A container has none; or QEMU does not answer.
    pub fn panel(&self) -> Result<Qmp> {
        match &self.guest {
            Guest::Vm(vm) => vm.panel(),
            Guest::Container(_) => bail!("a container has no front panel"),
        }
    }

    /// Everything that the console has shown since the start.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn console_text(&self) -> Result<String> {
        Ok(String::from_utf8_lossy(&std::fs::read(&self.console)?).into_owned())
    }

    /// Types a line on the serial console.
    ///
    /// # Errors
    /// A container has none; or QEMU does not take it.
    pub fn type_line(&self, line: &str) -> Result<()> {
        let path = self.console.with_file_name(crate::arguments::CONSOLE);
        let mut console = UnixStream::connect(&path)
            .with_context(|| format!("no console at {}", path.display()))?;
        console.write_all(format!("{line}\n").as_bytes())?;
        console.shutdown(std::net::Shutdown::Write)?;
        // Until QEMU has taken it all and closes: a connection cut before would lose it.
        console.set_read_timeout(Some(Duration::from_secs(5)))?;
        let _ = console.read(&mut [0; 1]);
        Ok(())
    }

    /// Waits until the console has shown `text`, and gives back all that it has shown.
    ///
    /// # Errors
    /// The deadline, with the end of the console.
    pub fn wait_for_text(&self, text: &str, limit: Duration) -> Result<String> {
        let end = Instant::now() + limit;
        loop {
            let shown = self.console_text()?;
            if shown.contains(text) {
                return Ok(shown);
            }
            if Instant::now() > end {
                bail!("no {text:?} on the console\n{}", self.console_tail());
            }
            thread::sleep(CONSOLE_INTERVAL);
        }
    }

    /// Pulls the plug: nothing in the machine gets to say goodbye.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn cut_power(&mut self) -> Result<()> {
        match &mut self.guest {
            Guest::Vm(vm) => vm.kill(),
            Guest::Container(container) => container.kill(),
        }
    }

    /// Leaves the machine running after this value is gone. Answers its pid.
    ///
    /// # Errors
    /// When the container's port cannot be kept open.
    pub fn leave_running(self) -> Result<u32> {
        let pid = self.pid();
        match self.guest {
            Guest::Vm(vm) => vm.leave_running(),
            Guest::Container(container) => container.leave_running()?,
        }
        Ok(pid)
    }

    /// The last lines of the console, for an error message.
    pub fn console_tail(&self) -> String {
        let text = std::fs::read(&self.console).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(40);
        // What QEMU itself complained about, when it did.
        let log = self.console.with_file_name("qemu.log");
        format!(
            "--- console, last lines ---\n{}\n--- end ---\n{}",
            lines[from..].join("\n"),
            std::fs::read_to_string(log).unwrap_or_default()
        )
    }

    fn has_ended(&mut self) -> Result<bool> {
        match &mut self.guest {
            Guest::Vm(vm) => vm.has_ended(),
            Guest::Container(container) => container.has_ended(),
        }
    }

    fn emulator_crash(&mut self) -> Result<Option<i32>> {
        match &mut self.guest {
            Guest::Vm(vm) => vm.crash(),
            Guest::Container(_) => Ok(None),
        }
    }

    /// What PID 1 said since the last look; whole lines only.
    fn news(&mut self) -> Result<Vec<Said>> {
        let mut file = File::open(&self.console)?;
        file.seek(SeekFrom::Start(self.seen))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(Vec::new());
        };
        self.seen += last as u64 + 1;
        Ok(String::from_utf8_lossy(&bytes[..last])
            .lines()
            .filter_map(understand)
            .collect())
    }
}
