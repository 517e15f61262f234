//! The services as PID 1 holds them: manifest, account, process and pipe.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::store::Store;
use aios_service::accounts::{self, Account};
use aios_service::manifest::{Manifest, Output, Start};
use aios_service::names::{CONTROL, LOGGER};
use aios_service::supervise::{Id, Unit, break_cycles};

/// One service.
pub struct Process {
    /// What it is.
    pub manifest: Manifest,
    /// As whom it runs; none when there is no such account.
    pub account: Option<Account>,
    /// Its main process.
    pub pid: Option<Pid>,
    /// Its process, held so that a signal can never reach another one.
    pub pidfd: Option<OwnedFd>,
    /// Ends when the program was executed.
    pub executed: Option<OwnedFd>,
    /// What it last said of itself.
    pub status: String,
    /// Why its process is about to end, as it says.
    pub failure: String,
    /// Why its last process ended, as that one said.
    pub last_failure: String,
    /// The process that does the work, if it said that this is another than its main one.
    pub worker: Option<u32>,
    /// Sockets that it wants kept for its next process.
    pub store: Store,
    /// Its output: made once and kept, so that neither the service's nor the
    /// logger's end loses what is in it.
    pipe: Option<Pipe>,
}

struct Pipe {
    read: OwnedFd,
    write: OwnedFd,
}

impl Process {
    /// A service that was not started yet.
    pub fn new(manifest: Manifest) -> Self {
        let account = accounts::find(&manifest.user);
        Self {
            manifest,
            account,
            pid: None,
            pidfd: None,
            executed: None,
            status: String::new(),
            failure: String::new(),
            last_failure: String::new(),
            worker: None,
            store: Store::default(),
            pipe: None,
        }
    }

    /// Does it write to the logger?
    pub fn is_logged(&self) -> bool {
        self.manifest.output == Output::Log
    }

    /// The logger's end of its output, if there is one yet.
    pub fn log_end(&self) -> Option<&OwnedFd> {
        self.pipe.as_ref().map(|pipe| &pipe.read)
    }

    /// The service's end of its output, made when first asked for.
    ///
    /// # Errors
    /// When descriptors run out.
    pub fn output(&mut self) -> io::Result<OwnedFd> {
        let pipe = match self.pipe.take() {
            Some(pipe) => pipe,
            None => {
                let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
                // The reader never waits; the writer, who shares nothing with it, may.
                nix::fcntl::fcntl(&read, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                Pipe { read, write }
            }
        };
        let write = pipe.write.as_fd().try_clone_to_owned();
        self.pipe = Some(pipe);
        write
    }

    /// Its process has ended, and its last line perhaps has no end: one is added, so that what
    /// comes next is a line of its own. Empty lines are not kept.
    pub fn end_line(&self) {
        use std::os::fd::AsRawFd;
        let Some(pipe) = self.pipe.as_ref().filter(|_| self.is_logged()) else {
            return;
        };
        // Opened anew, as the service's own end has to wait when the pipe is full and this must not.
        let path = format!("/proc/self/fd/{}", pipe.write.as_raw_fd());
        let flags = OFlag::O_WRONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
        if let Ok(write) = nix::fcntl::open(path.as_str(), flags, nix::sys::stat::Mode::empty()) {
            // Err: it is full, and the logger is late; then two lines become one.
            let _ = rustix::io::write(&write, b"\n");
        }
    }

    /// Throws away what is in the pipe; when there is no logger to read it.
    pub fn drain(&self) {
        let mut buffer = [0; 4096];
        if let Some(pipe) = &self.pipe {
            // At most what a pipe holds, so that a writer cannot keep us here.
            for _ in 0..16 {
                if !rustix::io::read(&pipe.read, &mut buffer).is_ok_and(|count| count > 0) {
                    return;
                }
            }
        }
    }

    /// SIGTERM to the main process, SIGKILL to all of its group.
    pub fn signal(&self, signal: Signal) {
        let Some(pid) = self.pid else {
            return;
        };
        // Err: it has ended meanwhile, and its end is on its way to us.
        if signal == Signal::SIGKILL {
            let _ = nix::sys::signal::killpg(pid, signal);
        }
        let _ = match &self.pidfd {
            Some(pidfd) => {
                let signal = match signal {
                    Signal::SIGKILL => rustix::process::Signal::KILL,
                    _ => rustix::process::Signal::TERM,
                };
                rustix::process::pidfd_send_signal(pidfd, signal).is_ok()
            }
            None => kill(pid, signal).is_ok(),
        };
    }
}

/// The list, and what the state machine needs of it. Unknown names and cycles
/// in `after` are left out, and said.
pub fn list(manifests: Vec<Manifest>) -> (Vec<Process>, Vec<Unit>, Vec<String>) {
    let mut mistakes = Vec::new();
    let mut processes: Vec<Process> = Vec::new();
    for manifest in manifests {
        if processes
            .iter()
            .any(|other| other.manifest.name == manifest.name)
        {
            mistakes.push(format!(
                "{} is there twice; the second is left out",
                manifest.name
            ));
        } else {
            processes.push(Process::new(manifest));
        }
    }
    let mut units: Vec<Unit> = processes
        .iter()
        .map(|process| unit(process, &processes, &mut mistakes))
        .collect();
    for (id, other) in break_cycles(&mut units) {
        let name = |id: Id| {
            processes
                .get(id)
                .map_or("?", |process| process.manifest.name.as_str())
        };
        mistakes.push(format!(
            "{} after {} closes a circle; ignored",
            name(id),
            name(other)
        ));
    }
    (processes, units, mistakes)
}

/// What the state machine needs to know of a service.
pub fn unit(process: &Process, all: &[Process], mistakes: &mut Vec<String>) -> Unit {
    let manifest = &process.manifest;
    let mut after = Vec::new();
    for name in &manifest.after {
        match all.iter().position(|other| other.manifest.name == *name) {
            Some(id) => after.push(id),
            None => mistakes.push(format!(
                "{} after {name}: no such service here",
                manifest.name
            )),
        }
    }
    Unit {
        at_boot: manifest.start == Start::Boot,
        after,
        ready: manifest.ready,
        restart: manifest.restart,
        restart_after: manifest.restart_after_ms,
        start_timeout: manifest.start_timeout_ms,
        stop_timeout: manifest.stop_timeout_ms,
        watchdog: manifest.watchdog_ms,
        extends_timeouts: manifest.extends_timeouts,
        tireless: [CONTROL, LOGGER].contains(&manifest.name.as_str()),
        stops_last: manifest.name == LOGGER,
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;
    use aios_service::manifest::{Restart, Way, load};
    use aios_service::supervise::{BACKOFF_FIRST, BACKOFF_MAX, INTENSITY, INTENSITY_SPAN};

    /// The repository: the first folder above this crate that holds the services of the image.
    fn repository() -> PathBuf {
        let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let mut roots = folders.filter(|folder| folder.join("image/etc/aios/services").is_dir());
        roots.next().unwrap().to_owned()
    }

    /// What is tried when the service fails, in the words of the table of degraded modes.
    fn tried(unit: &Unit) -> String {
        if unit.restart == Restart::Never {
            return "at each boot".to_owned();
        }
        let end = if unit.tireless {
            "never given up".to_owned()
        } else {
            assert_eq!(INTENSITY_SPAN, 60_000, "a minute");
            format!("given up after {INTENSITY} failures in a minute")
        };
        format!(
            "restarted at once, then after {BACKOFF_FIRST} ms doubled up to {} s; {end}",
            BACKOFF_MAX / 1000
        )
    }

    #[test]
    fn the_table_of_degraded_modes_says_what_is_tried_for_each_service() {
        #[derive(serde::Deserialize)]
        struct Table {
            mode: Vec<Mode>,
        }
        #[derive(serde::Deserialize)]
        struct Mode {
            id: String,
            tried: String,
        }
        let table = repository().join("orchestrator/src/degraded/table.toml");
        let table: Table = toml::from_str(&std::fs::read_to_string(table).unwrap()).unwrap();
        let (manifests, wrong) = load(&repository().join("image/etc/aios"), Way::Machine);
        assert!(wrong.is_empty(), "{wrong:?}");
        let (processes, units, _) = list(manifests);
        let mut held = 0;
        for (process, unit) in processes.iter().zip(&units) {
            let name = &process.manifest.name;
            for mode in table.mode.iter().filter(|mode| mode.id == *name) {
                assert_eq!(mode.tried, tried(unit), "{name}");
                held += 1;
            }
        }
        assert!(held >= 9, "only {held} rows are of services");
    }
}
