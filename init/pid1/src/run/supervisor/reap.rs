//! Children that ended: services, and orphans that PID 1 has inherited.

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::process::WaitOptions;

use super::super::services::Process;
use super::{Supervisor, in_turn};
use aios_service::console::Severity;
use aios_service::names::{CONTROL, LOGGER};
use aios_service::supervise::{Event, Exit, Id, State};

impl Supervisor {
    /// Takes the exit status of children that ended, services and orphans: so many as one turn may.
    /// What is left of a service's group is killed while the zombie holds the number.
    pub(super) fn reap(&mut self) {
        // What they said before they ended counts: their sockets are kept.
        self.take_notifications();
        self.unreaped = in_turn(|| self.reap_one());
    }

    /// False: there is none, or it cannot be taken, which nobody else does; then rather late than
    /// for ever.
    fn reap_one(&mut self) -> bool {
        let Some(pid) = next_ended() else {
            return false;
        };
        let id = self
            .processes
            .iter()
            .position(|process| process.pid == Some(pid));
        let process = id.and_then(|id| self.processes.get(id));
        if let Some(process) = process.filter(|process| !process.manifest.spares_rest) {
            self.kill(process);
        }
        let Some(exit) = take(pid) else {
            return false;
        };
        if let Some(id) = id {
            self.take_end(id, exit);
        }
        true
    }

    /// SIGKILL to the process and to all that is left of its group and cgroup.
    pub(super) fn kill(&self, process: &Process) {
        process.signal(Signal::SIGKILL);
        if let Some(cgroups) = &self.cgroups {
            cgroups.kill(&process.manifest.name);
        }
    }

    fn take_end(&mut self, id: Id, exit: Exit) {
        let executed = self
            .processes
            .get_mut(id)
            .map(|process| process.executed.take());
        if let Some(executed) = executed.flatten() {
            self.forget(&executed);
        }
        let Some(process) = self.processes.get_mut(id) else {
            return;
        };
        process.end_line();
        process.pid = None;
        process.pidfd = None;
        process.status.clear();
        process.last_failure = std::mem::take(&mut process.failure);
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

/// A child that has ended and was not taken yet. It stays a zombie, and its number its own.
fn next_ended() -> Option<Pid> {
    // SAFETY: plain numbers, for which zero is a value; the kernel fills them in. Needed: rustix
    // does not tell whose end it is, and nix refuses one by a real-time signal.
    #[allow(unsafe_code)]
    let (result, pid) = unsafe {
        let mut info: nix::libc::siginfo_t = std::mem::zeroed();
        let peek = nix::libc::WEXITED | nix::libc::WNOHANG | nix::libc::WNOWAIT;
        let result = nix::libc::waitid(nix::libc::P_ALL, 0, &raw mut info, peek);
        (result, info.si_pid())
    };
    (result == 0 && pid > 0).then(|| Pid::from_raw(pid))
}

/// Takes this child's end, which frees its number.
fn take(pid: Pid) -> Option<Exit> {
    let pid = rustix::process::Pid::from_raw(pid.as_raw());
    let (_, status) = rustix::process::waitpid(pid, WaitOptions::NOHANG).ok()??;
    Some(match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => Exit::Status(status),
        (None, signal) => Exit::Signal(signal.unwrap_or(0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};

    /// Ends as the shell does, leaving a process of its group behind that holds the pipe.
    #[test]
    fn who_ended_is_known_while_its_number_still_names_its_group() {
        let check = |end: &str, expected| {
            let mut shell = Command::new("/bin/sh")
                .args(["-c", &format!("sleep 1000 & echo $!; {end}")])
                .process_group(0)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut output = BufReader::new(shell.stdout.take().unwrap());
            output.read_line(&mut String::new()).unwrap();
            let pid = Pid::from_raw(i32::try_from(shell.id()).unwrap());
            while next_ended() != Some(pid) {
                aios_service::time::pause(1);
            }
            assert_eq!(next_ended(), Some(pid), "it is still there");
            nix::sys::signal::killpg(pid, Signal::SIGKILL).unwrap();
            // Ends when the one that was left has ended.
            assert_eq!(output.read_line(&mut String::new()).unwrap(), 0);
            assert_eq!(take(pid), Some(expected), "{end}");
            assert!(shell.wait().is_err(), "it is gone");
        };
        check("exit 3", Exit::Status(3));
        check("kill -40 $$", Exit::Signal(40)); // a real-time signal, which has no name
    }
}
