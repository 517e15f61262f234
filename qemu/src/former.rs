//! The machine that an earlier `cargo xtask run` left running in a folder.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::ctl::Ctl;

/// How long a former machine may take to power off before its plug is pulled.
const POLITE: Duration = Duration::from_secs(40);

/// The name of the note in the instance's folder.
const NOTE: &str = "running.json";

/// What is needed to find a machine again that was left running.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    /// QEMU, or the container's PID 1.
    pub(crate) pid: u32,
    /// The container's name; none for a virtual machine.
    pub(crate) container: Option<String>,
    /// When the process started, so that a reused pid is not mistaken for it.
    pub(crate) started: String,
}

impl Note {
    /// Of a process that runs now.
    pub(crate) fn of(pid: u32, container: Option<String>) -> Result<Self> {
        let started = start_time(pid).context("the machine ended just now")?;
        Ok(Self {
            pid,
            container,
            started,
        })
    }

    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        Ok(std::fs::write(
            folder.join(NOTE),
            serde_json::to_vec(self)?,
        )?)
    }

    fn runs(&self) -> bool {
        start_time(self.pid).is_some_and(|started| started == self.started)
    }

    fn kill(&self) -> Result<()> {
        // Killing a container's PID 1 ends the container.
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the note names no process")?, Signal::KILL)
            .context("cannot stop the former machine")
    }
}

/// Powers off what was left running in `folder`; pulls its plug if it does not listen.
///
/// # Errors
/// When it cannot be got rid of.
pub fn stop(folder: &Path, ctl: &Ctl) -> Result<()> {
    let Ok(text) = std::fs::read(folder.join(NOTE)) else {
        return Ok(());
    };
    if let Ok(note) = serde_json::from_slice::<Note>(&text) {
        if note.runs() && (ctl.run(&["shutdown"]).is_err() || !gone(&note, POLITE)) {
            note.kill()?;
        }
        if !gone(&note, POLITE) {
            bail!(
                "the former machine (process {}) cannot be stopped",
                note.pid
            );
        }
        if let Some(id) = &note.container {
            Command::new("runc")
                .args(["delete", "--force", id])
                .output()?;
        }
    }
    std::fs::remove_file(folder.join(NOTE))?;
    Ok(())
}

fn gone(note: &Note, limit: Duration) -> bool {
    let end = Instant::now() + limit;
    while note.runs() {
        if Instant::now() > end {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

/// Field 22 of /proc/PID/stat, counted after the command name: proc(5).
fn start_time(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let after_name = &stat[stat.rfind(')')? + 2..];
    let mut fields = after_name.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.nth(18).map(str::to_owned))?
}
