//! The event loop: what the kernel says becomes events of the state machine,
//! its actions become system calls.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use rustix::process::{WaitId, WaitIdOptions, WaitOptions};

use super::cgroup::Cgroups;
use super::clock::Clock;
use super::console::{Console, Severity};
use super::link::{self, Received};
use super::notify::{self, Said};
use super::services::{self, Process};
use super::spawn::{self, Plan};
use super::timeline::{Facts, Line, Timeline};
use crate::manifest::{Manifest, Way};
use crate::places;
use crate::shutdown::End;
use crate::supervise::{Action, Event, Exit, Id, Machine, Millis, State};

/// The service that talks gRPC for PID 1.
pub const CONTROL: &str = "control";
/// The service that reads the others' output.
pub const LOGGER: &str = "logger";
const ORCHESTRATOR: &str = "orchestrator";

/// Kept of what happened, for `aiosctl boot`.
const HAPPENINGS_MAX: usize = 64;
/// Without a logger, PID 1 empties the pipes this often. 500 ms: a service that
/// fills its pipe (64 KiB) faster than that is slowed down, not stopped.
const DRAIN_EVERY: Millis = 500;
/// Packets and messages taken per turn from one source, so that none can keep
/// the loop for itself.
const TURN_MAX: usize = 64;

const SIGNALS: u64 = 0;
const NOTIFY: u64 = 1;
const LINK: u64 = 2;
const EXECUTED: u64 = 3; // plus the service's place

/// PID 1's state.
pub struct Supervisor {
    pub(super) way: Way,
    pub(super) clock: Clock,
    console: Console,
    pub(super) machine: Machine,
    pub(super) processes: Vec<Process>,
    pub(super) timeline: Timeline,
    pub(super) happenings: Vec<(Millis, String)>,
    cgroups: Option<Cgroups>,
    epoll: Epoll,
    signals: SignalFd,
    notify: OwnedFd,
    notify_path: PathBuf,
    control: Option<OwnedFd>,
    logger: Option<OwnedFd>,
    autonomous: bool,
    missing: Vec<String>,
    end: Option<End>,
    all_stopped: bool,
}

impl Supervisor {
    /// Ready to run.
    ///
    /// # Errors
    /// When the kernel gives no descriptors for the loop; the console comes back.
    pub fn new(
        way: Way,
        clock: Clock,
        console: Console,
        manifests: Vec<Manifest>,
    ) -> Result<Self, (Console, String)> {
        let (processes, units, mistakes) = services::list(manifests);
        for mistake in mistakes {
            console.log(Severity::Warning, &mistake);
        }
        let cgroups = Cgroups::prepare()
            .map_err(|why| console.log(Severity::Warning, &format!("no cgroup limits: {why}")))
            .ok();
        let notify_path = places::run_dir().join("notify");
        let (epoll, signals, notify) = match Self::sources(&notify_path) {
            Ok(sources) => sources,
            Err(error) => return Err((console, error.to_string())),
        };
        let machine = Machine::new(units, clock.now() ^ u64::from(std::process::id()));
        Ok(Self {
            way,
            clock,
            console,
            machine,
            processes,
            timeline: Timeline::default(),
            happenings: Vec::new(),
            cgroups,
            epoll,
            signals,
            notify,
            notify_path,
            control: None,
            logger: None,
            autonomous: false,
            missing: Vec::new(),
            end: None,
            all_stopped: false,
        })
    }

    fn sources(notify_path: &std::path::Path) -> io::Result<(Epoll, SignalFd, OwnedFd)> {
        let mask = SigSet::all();
        mask.thread_set_mask()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let notify = notify::listen(notify_path)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(&signals, EpollEvent::new(EpollFlags::EPOLLIN, SIGNALS))?;
        epoll.add(&notify, EpollEvent::new(EpollFlags::EPOLLIN, NOTIFY))?;
        Ok((epoll, signals, notify))
    }

    /// What the system lacks beside services.
    pub fn note_missing(&mut self, missing: impl Iterator<Item = String>) {
        self.missing.extend(missing);
        self.missing.dedup();
    }

    /// The loop. Ends when everything was stopped; what was not clean about it.
    pub fn run(&mut self) -> (End, Vec<String>) {
        self.tell(Event::Boot);
        super::memory::release();
        loop {
            self.update_timeline();
            if self.all_stopped
                && let Some(end) = self.end.take()
            {
                return (end, self.lost());
            }
            let mut events = [EpollEvent::empty(); 16];
            match self.epoll.wait(&mut events, self.timeout()) {
                Ok(count) => {
                    for event in events.iter().take(count) {
                        self.serve(event.data());
                    }
                }
                Err(nix::errno::Errno::EINTR) => {}
                Err(error) => {
                    self.log(Severity::Error, &format!("epoll: {error}"));
                    super::pause(100);
                }
            }
            self.drain_without_logger();
            self.tell(Event::Tick);
        }
    }

    fn timeout(&self) -> EpollTimeout {
        let now = self.clock.now();
        let drain = self.logger.is_none().then_some(now + DRAIN_EVERY);
        let next = [
            self.machine.next_deadline(now),
            self.timeline.autonomy_deadline(),
            drain,
        ];
        let wait = next
            .into_iter()
            .flatten()
            .min()
            .map(|next| next.saturating_sub(now));
        match wait {
            // One more, because both clocks were rounded down.
            Some(wait) => {
                EpollTimeout::try_from(wait.min(3_600_000) + 1).unwrap_or(EpollTimeout::ZERO)
            }
            None => EpollTimeout::NONE,
        }
    }

    fn serve(&mut self, source: u64) {
        match source {
            SIGNALS => self.take_signals(),
            NOTIFY => self.take_notifications(),
            LINK => self.take_requests(),
            place => self.take_executed(usize::try_from(place - EXECUTED).unwrap_or(usize::MAX)),
        }
    }

    fn take_signals(&mut self) {
        while let Ok(Some(info)) = self.signals.read_signal() {
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            match Signal::try_from(number) {
                Ok(Signal::SIGCHLD) => self.reap(),
                Ok(Signal::SIGTERM) => self.shut_down(End::Off, "SIGTERM"),
                Ok(Signal::SIGINT) => self.shut_down(End::Reboot, "ctrl-alt-del"),
                Ok(Signal::SIGPWR) => self.shut_down(End::Off, "power failure"),
                // SIGRTMIN+3, systemd's "halt", by which containers are stopped too.
                Err(_) if number == nix::libc::SIGRTMIN() + 3 => {
                    self.shut_down(End::Off, "SIGRTMIN+3");
                }
                _ => {}
            }
        }
    }

    /// Takes the exit status of every child that ended: services first, so that
    /// what is left of their groups is killed while the zombie holds the number;
    /// then orphans that PID 1 has inherited.
    fn reap(&mut self) {
        for id in 0..self.processes.len() {
            if let Some(pid) = self.processes[id].pid
                && has_ended(pid)
            {
                self.processes[id].signal(Signal::SIGKILL);
                self.kill_cgroup(id);
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
            self.take_end(id, exit);
        }
        true
    }

    fn kill_cgroup(&self, id: Id) {
        if let Some(cgroups) = &self.cgroups {
            cgroups.kill(&self.processes[id].manifest.name);
        }
    }

    fn take_end(&mut self, id: Id, exit: Exit) {
        let process = &mut self.processes[id];
        process.pid = None;
        process.pidfd = None;
        process.executed = None;
        process.status.clear();
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

    fn take_notifications(&mut self) {
        for _ in 0..TURN_MAX {
            match notify::receive(&self.notify) {
                Ok(None) => return,
                Ok(Some((pid, said))) => self.notified(pid, said),
                Err(error) => self.log(Severity::Warning, &format!("notification: {error}")),
            }
        }
    }

    fn notified(&mut self, sender: i32, said: Vec<Said>) {
        let pid = Some(Pid::from_raw(sender));
        let Some(id) = self.processes.iter().position(|process| process.pid == pid) else {
            return; // not a service's main process: does not count
        };
        for word in said {
            match word {
                Said::Ready => self.tell(Event::Ready(id)),
                Said::Stopping => self.tell(Event::Leaving(id)),
                Said::Alive => self.tell(Event::Alive(id)),
                Said::Extend(span) => self.tell(Event::Extend(id, span)),
                Said::Status(text) => self.processes[id].status = text,
                Said::Phase5 if self.processes[id].manifest.name == ORCHESTRATOR => {
                    self.autonomous = true;
                }
                Said::Phase5 => {}
            }
        }
    }

    fn take_executed(&mut self, id: Id) {
        let Some(executed) = self
            .processes
            .get_mut(id)
            .and_then(|process| process.executed.take())
        else {
            return;
        };
        // Nothing: the descriptor was closed by a successful exec. A byte: it failed,
        // and the process is about to end. Dropping it takes it out of epoll.
        if rustix::io::read(&executed, &mut [0; 1]).is_ok_and(|count| count == 0) {
            self.tell(Event::Executed(id));
        }
    }

    fn take_requests(&mut self) {
        for _ in 0..TURN_MAX {
            let Some(control) = &self.control else {
                return;
            };
            match link::receive(control) {
                Received::Packet(packet) => self.answer(&packet),
                Received::Nothing => return,
                Received::Closed => {
                    self.control = None;
                    return;
                }
            }
        }
    }

    /// Answers control; it is gone or stuck when that fails, which is its loss.
    fn answer(&mut self, packet: &[u8]) {
        let Some(answer) = self.answer_to(packet) else {
            return self.log(
                Severity::Warning,
                "control sent something that is no request",
            );
        };
        if let Some(control) = &self.control
            && let Err(error) = link::reply(control, &answer)
        {
            self.log(
                Severity::Warning,
                &format!("cannot answer control: {error}"),
            );
        }
    }

    /// Begins the end. The first reason counts.
    pub(super) fn shut_down(&mut self, end: End, reason: &str) {
        if self.end.is_none() {
            let reason: String = reason
                .chars()
                .filter(|c| !c.is_control())
                .take(200)
                .collect();
            self.console.announce(&format!("shutting down ({reason})"));
            self.end = Some(end);
            self.tell(Event::Shutdown);
        }
    }

    /// The services that outlived SIGKILL.
    fn lost(&self) -> Vec<String> {
        let lost = |id: &Id| self.machine.status(*id).last_exit == Some(Exit::Lost);
        let name = |id: Id| format!("{} did not stop", self.processes[id].manifest.name);
        (0..self.processes.len()).filter(lost).map(name).collect()
    }

    /// Feeds the machine and does what it says.
    pub(super) fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(self.clock.now(), event) {
                match action {
                    Action::Spawn(id) => {
                        if let Err(error) = self.spawn(id) {
                            let name = self.processes[id].manifest.name.clone();
                            let text = format!("{name} cannot be started: {error}");
                            self.happened(Severity::Error, &text);
                            events.push_back(Event::SpawnFailed(id));
                        }
                    }
                    Action::Terminate(id) => self.processes[id].signal(Signal::SIGTERM),
                    Action::Kill(id) => {
                        self.processes[id].signal(Signal::SIGKILL);
                        self.kill_cgroup(id);
                    }
                    Action::AllStopped => self.all_stopped = true,
                }
            }
        }
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
    fn drain_without_logger(&self) {
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

    fn update_timeline(&mut self) {
        if self.timeline.ready.is_some() || self.machine.is_shutting_down() {
            return;
        }
        let now = self.clock.now();
        let facts = self.facts(now);
        for line in self.timeline.update(now, &facts) {
            self.console.announce(&line.to_string());
            if let Line::Ready(at, missing) = &line
                && !missing.is_empty()
            {
                self.remember(*at, format!("degraded: {}", missing.join(", ")));
            }
        }
        if self.timeline.ready.is_some() {
            super::memory::release();
        }
    }

    fn facts(&self, now: Millis) -> Facts {
        let mut facts = Facts {
            settled: [true; 4],
            missing: self.missing.clone(),
            ..Facts::default()
        };
        for (id, process) in self.processes.iter().enumerate() {
            let place = usize::from(process.manifest.phase) - 1;
            let status = self.machine.status(id);
            let untouched = matches!(status.state, State::Inactive | State::Waiting);
            facts.started[place] |= !untouched;
            // An agent that nobody has asked for yet is still to come.
            let to_come = place == 3 && !status.wanted;
            facts.settled[place] &= self.machine.is_settled(now, id) && !to_come;
            let here = matches!(status.state, State::Ready | State::Done);
            if status.wanted && !here {
                facts.missing.push(process.manifest.name.clone());
            }
        }
        let orchestrator = self
            .processes
            .iter()
            .position(|process| process.manifest.name == ORCHESTRATOR);
        facts.orchestrator_gone = orchestrator.is_none_or(|id| {
            let ready = self.machine.state(id) == State::Ready;
            !ready && self.machine.is_settled(now, id)
        });
        facts.autonomous = self.autonomous;
        if !facts.autonomous {
            facts.missing.push("autonomy loop".to_owned());
        }
        facts
    }

    fn log(&self, severity: Severity, text: &str) {
        self.console.log(severity, text);
    }

    /// Logs it and keeps it for `aiosctl boot`.
    fn happened(&mut self, severity: Severity, text: &str) {
        self.log(severity, text);
        self.remember(self.clock.now(), text.to_owned());
    }

    fn remember(&mut self, at: Millis, text: String) {
        if self.happenings.len() < HAPPENINGS_MAX {
            self.happenings.push((at, text));
        }
    }
}

/// Is it a zombie? It stays one.
fn has_ended(pid: Pid) -> bool {
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let pid = rustix::process::Pid::from_raw(pid.as_raw());
    pid.is_some_and(|pid| matches!(rustix::process::waitid(WaitId::Pid(pid), peek), Ok(Some(_))))
}
