//! Starting a service: its process, its streams, and who must know of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::epoll::{EpollEvent, EpollFlags};
use nix::sys::signal::Signal;

use super::super::link;
use super::super::services::Process;
use super::super::spawn::{self, Plan};
use super::{EXECUTED, LINK, Supervisor};
use aios_service::console::Severity;
use aios_service::names::{CONTROL, LOGGER};
use aios_service::supervise::{Event, Id, State};

impl Supervisor {
    /// Starts a service. What the machine must hear when it has no process then.
    pub(super) fn start(&mut self, id: Id) -> Option<Event> {
        let process = &mut self.processes[id];
        let condition = process.manifest.condition_path.as_ref();
        if let Some(absent) = condition.filter(|path| !path.exists()) {
            process.status = format!("not started: {} is not there", absent.display());
            return Some(Event::Skipped(id));
        }
        process.status.clear();
        let error = self.spawn(id).err()?;
        let name = self.processes[id].manifest.name.clone();
        let text = format!("{name} cannot be started: {error}");
        self.happened(Severity::Error, &text);
        Some(Event::SpawnFailed(id))
    }

    fn spawn(&mut self, id: Id) -> io::Result<()> {
        let name = self.processes[id].manifest.name.clone();
        let link = match name.as_str() {
            CONTROL | LOGGER => Some(link::pair()?),
            _ => None,
        };
        let logged = self.processes[id].is_logged();
        let new_pipe = logged && self.processes[id].log_end().is_none();
        let output = match (logged, self.console.fd()) {
            (false, Some(console)) => console.try_clone_to_owned()?,
            _ => self.processes[id].output()?,
        };
        let process = &self.processes[id];
        let Some(account) = &process.account else {
            return Err(io::Error::other(format!(
                "no account {}",
                process.manifest.user
            )));
        };
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
        let adopted = self.adopt(id, spawned);
        if new_pipe {
            self.hand_over(id);
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
            self.processes[id].signal(Signal::SIGKILL);
            self.kill_cgroup(id);
        }
        Ok(())
    }

    /// Takes the new process as this service's, and watches for its program.
    fn adopt(&mut self, id: Id, spawned: spawn::Spawned) -> io::Result<()> {
        let process = &mut self.processes[id];
        process.pid = Some(spawned.pid);
        process.pidfd = rustix::process::Pid::from_raw(spawned.pid.as_raw()).and_then(|pid| {
            rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok()
        });
        let place = EXECUTED + id as u64;
        let watched = self.epoll.add(
            &spawned.executed,
            EpollEvent::new(EpollFlags::EPOLLIN, place),
        );
        process.executed = Some(spawned.executed);
        Ok(watched?)
    }

    fn connect_control(&mut self, link: OwnedFd) -> io::Result<()> {
        self.epoll
            .add(&link, EpollEvent::new(EpollFlags::EPOLLIN, LINK))?;
        self.control = Some(link);
        Ok(())
    }

    fn connect_logger(&mut self, link: OwnedFd) {
        self.logger = Some(link);
        for id in 0..self.processes.len() {
            self.hand_over(id);
        }
    }

    /// Gives the logger a service's output.
    fn hand_over(&self, id: Id) {
        let process = &self.processes[id];
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
        let Some(executed) = self
            .processes
            .get_mut(id)
            .and_then(|process| process.executed.take())
        else {
            return;
        };
        // A byte: exec failed, and the process is about to end. Nothing: the last
        // writing end was closed, by exec or by the end of the process before it.
        let read = rustix::io::read(&executed, &mut [0; 1]);
        if read == Err(rustix::io::Errno::AGAIN) {
            // Meant for the pipe of the process before this one.
            self.processes[id].executed = Some(executed);
            return;
        }
        self.forget(&executed);
        let closed = read.is_ok_and(|count| count == 0);
        if closed && self.processes[id].pid.is_some_and(spawn::has_executed) {
            self.tell(Event::Executed(id));
        }
    }
}
