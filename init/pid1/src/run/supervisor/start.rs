//! Starting a service: its process, its streams, and who must know of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::super::link;
use super::super::listener;
use super::super::services::Process;
use super::super::spawn::{self, Plan};
use super::{EXECUTED, LINK, Supervisor};
use aios_service::console::Severity;
use aios_service::names::{CONTROL, LOGGER};
use aios_service::supervise::{Event, Id, State};

impl Supervisor {
    /// Starts a service. What the machine must hear when it has no process then.
    pub(super) fn start(&mut self, id: Id) -> Option<Event> {
        let process = self.processes.get_mut(id)?;
        let condition = process.manifest.condition_path.as_ref();
        if let Some(absent) = condition.filter(|path| !path.exists()) {
            process.status = format!("not started: {} is not there", absent.display());
            return Some(Event::Skipped(id));
        }
        process.status.clear();
        let name = process.manifest.name.clone();
        let error = self.spawn(id).err()?;
        let text = format!("{name} cannot be started: {error}");
        self.happened(Severity::Error, &text);
        Some(Event::SpawnFailed(id))
    }

    fn spawn(&mut self, id: Id) -> io::Result<()> {
        let Some(process) = self.processes.get_mut(id) else {
            return Err(io::Error::other("there is no such service"));
        };
        let name = process.manifest.name.clone();
        let link = match name.as_str() {
            CONTROL | LOGGER => Some(link::pair()?),
            _ => None,
        };
        let logged = process.is_logged();
        let new_pipe = logged && process.log_end().is_none();
        let output = match (logged, self.console.fd()) {
            (false, Some(console)) => console.try_clone_to_owned()?,
            _ => process.output()?,
        };
        let Some(account) = &process.account else {
            return Err(io::Error::other(format!(
                "no account {}",
                process.manifest.user
            )));
        };
        listener::provide(&process.manifest, account, &mut process.store)?;
        let cgroup = match &self.cgroups {
            Some(cgroups) => Some(cgroups.make(&process.manifest)?),
            None => None,
        };
        let plan = Plan {
            manifest: &process.manifest,
            account,
            output: output.as_fd(),
            link: link.as_ref().map(|(_, theirs)| theirs.as_fd()),
            notify: &self.notify_path,
            stored: process.store.entries(),
            cgroup,
        };
        let spawned = spawn::spawn(&plan)?;
        // From here on there is a process, and only its end may end its service.
        let adopted = adopt(&self.epoll, process, id, spawned);
        if new_pipe && let Some(process) = self.processes.get(id) {
            self.hand_over(process);
        }
        let connected = adopted.and_then(|()| match link {
            Some((ours, _)) if name == CONTROL => self.connect_control(ours),
            Some((ours, _)) => {
                self.connect_logger(ours);
                Ok(())
            }
            None => Ok(()),
        });
        if let Err(error) = connected {
            let text = format!("{name} is killed: it cannot be watched: {error}");
            self.happened(Severity::Error, &text);
            if let Some(process) = self.processes.get(id) {
                self.kill(process);
            }
        }
        Ok(())
    }

    fn connect_control(&mut self, link: OwnedFd) -> io::Result<()> {
        self.epoll
            .add(&link, EpollEvent::new(EpollFlags::EPOLLIN, LINK))?;
        self.control = Some(link);
        Ok(())
    }

    fn connect_logger(&mut self, link: OwnedFd) {
        self.logger = Some(link);
        self.processes
            .iter()
            .for_each(|process| self.hand_over(process));
    }

    /// Gives the logger a service's output.
    fn hand_over(&self, process: &Process) {
        if let (Some(logger), Some(end)) = (&self.logger, process.log_end())
            && let Err(error) = link::hand_over(logger, &process.manifest.name, end.as_fd())
        {
            let text = format!(
                "the logger does not take {}: {error}",
                process.manifest.name
            );
            self.log(Severity::Warning, &text);
        }
    }

    /// A service must not stop because nobody reads what it writes.
    pub(super) fn drain_without_logger(&self) {
        let logger = self
            .processes
            .iter()
            .position(|process| process.manifest.name == LOGGER);
        let coming = logger.is_some_and(|id| {
            matches!(
                self.machine.state(id),
                State::Waiting | State::Starting | State::Backoff
            )
        });
        if self.logger.is_none() && !coming {
            self.processes.iter().for_each(Process::drain);
        }
    }

    /// Takes a pipe out of epoll. Closing it would not: children that were forked meanwhile
    /// and have not executed yet hold copies.
    pub(super) fn forget(&self, executed: &std::os::fd::OwnedFd) {
        // Err: it was never in.
        let _ = self.epoll.delete(executed);
    }

    pub(super) fn take_executed(&mut self, id: Id) {
        let Some(process) = self.processes.get_mut(id) else {
            return;
        };
        let Some(executed) = process.executed.take() else {
            return;
        };
        // A byte: exec failed, and the process is about to end. Nothing: the last
        // writing end was closed, by exec or by the end of the process before it.
        let read = rustix::io::read(&executed, &mut [0; 1]);
        if read == Err(rustix::io::Errno::AGAIN) {
            // Meant for the pipe of the process before this one.
            process.executed = Some(executed);
            return;
        }
        let pid = process.pid;
        self.forget(&executed);
        let closed = read.is_ok_and(|count| count == 0);
        if closed && pid.is_some_and(spawn::has_executed) {
            self.tell(Event::Executed(id));
        }
    }
}

/// Takes the new process as this service's, and watches for its program.
fn adopt(epoll: &Epoll, process: &mut Process, id: Id, spawned: spawn::Spawned) -> io::Result<()> {
    process.pid = Some(spawned.pid);
    process.pidfd = rustix::process::Pid::from_raw(spawned.pid.as_raw()).and_then(|pid| {
        rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
    });
    let place = EXECUTED + id as u64;
    let watched = epoll.add(
        &spawned.executed,
        EpollEvent::new(EpollFlags::EPOLLIN, place),
    );
    process.executed = Some(spawned.executed);
    Ok(watched?)
}
