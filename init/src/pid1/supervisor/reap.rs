//! Children that ended: services, and orphans that PID 1 has inherited.

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions};

use super::super::console::Severity;
use super::{CONTROL, LOGGER, Supervisor};
use crate::supervise::{Event, Exit, Id, State};

impl Supervisor {
    /// Takes the exit status of every child that ended: services first, so that
    /// what is left of their groups is killed while the zombie holds the number;
    /// then orphans that PID 1 has inherited.
    pub(super) fn reap(&mut self) {
        for id in 0..self.processes.len() {
            if let Some(pid) = self.processes[id].pid
                && has_ended(pid)
            {
                if !self.processes[id].manifest.spares_rest {
                    self.processes[id].signal(Signal::SIGKILL);
                    self.kill_cgroup(id);
                }
                self.reap_one(Some(pid));
            }
        }
        while self.reap_one(None) {}
    }

    /// Reaps this child, or any. False: there was none.
    fn reap_one(&mut self, child: Option<Pid>) -> bool {
        let child = child.and_then(|pid| rustix::process::Pid::from_raw(pid.as_raw()));
        let ended = match child {
            Some(child) => rustix::process::waitpid(Some(child), WaitOptions::NOHANG),
            // Not waitpid(None), which takes only those of PID 1's own process group.
            None => rustix::process::wait(WaitOptions::NOHANG),
        };
        let Ok(Some((pid, status))) = ended else {
            return false;
        };
        let pid = Some(Pid::from_raw(pid.as_raw_nonzero().get()));
        if let Some(id) = self.processes.iter().position(|process| process.pid == pid) {
            let exit = match (status.exit_status(), status.terminating_signal()) {
                (Some(status), _) => Exit::Status(status),
                (None, signal) => Exit::Signal(signal.unwrap_or(0)),
            };
            // It ended after it was looked at: its number is free by now, its cgroup is its own.
            if child.is_none() && !self.processes[id].manifest.spares_rest {
                self.kill_cgroup(id);
            }
            self.take_end(id, exit);
        }
        true
    }

    pub(super) fn kill_cgroup(&self, id: Id) {
        if let Some(cgroups) = &self.cgroups {
            cgroups.kill(&self.processes[id].manifest.name);
        }
    }

    fn take_end(&mut self, id: Id, exit: Exit) {
        if let Some(executed) = self.processes[id].executed.take() {
            self.forget(&executed);
        }
        let process = &mut self.processes[id];
        process.pid = None;
        process.pidfd = None;
        process.status.clear();
        process.worker = None;
        let name = process.manifest.name.clone();
        if name == CONTROL {
            self.control = None;
        } else if name == LOGGER {
            self.logger = None;
        }
        let before = self.machine.state(id);
        self.tell(Event::Exited(id, exit));
        let after = self.machine.state(id);
        if before != State::Stopping && after != State::Done {
            self.happened(Severity::Warning, &format!("{name} {exit}"));
        }
        if after == State::Degraded {
            let text = format!("{name} failed too often and is given up until asked for");
            self.happened(Severity::Error, &text);
        }
    }
}

/// Is it a zombie? It stays one.
fn has_ended(pid: Pid) -> bool {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let pid = rustix::process::Pid::from_raw(pid.as_raw());
    pid.is_some_and(|pid| matches!(rustix::process::waitid(WaitId::Pid(pid), peek), Ok(Some(_))))
}
