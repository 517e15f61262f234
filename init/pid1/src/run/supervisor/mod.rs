//! The event loop: what the kernel says becomes events of the state machine,
//! its actions become system calls.

mod facts;
mod reap;
mod start;
mod talk;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::cgroup::Cgroups;
use super::clock::Clock;
use super::hardware::{self, Hardware};
use super::services::{self, Process};
use super::timeline::Timeline;
use crate::shutdown::End;
use aios_service::console::{Console, Severity};
use aios_service::manifest::{Manifest, Way};
use aios_service::notify;
use aios_service::places;
use aios_service::supervise::{Action, Event, Exit, Id, Machine, Millis, State};

/// Kept of what happened, for `aiosctl boot`.
const HAPPENINGS_MAX: usize = 64;
/// Without a logger, PID 1 empties the pipes this often. 500 ms: a service that
/// fills its pipe (64 KiB) faster than that is slowed down, not stopped.
const DRAIN_EVERY: Millis = 500;
/// While things happen, pages that the last of them needed are given back this
/// often. 5 s: it costs a few dozen page faults, which nobody notices.
const RELEASE_EVERY: Millis = 5_000;
/// Packets, messages, signals and ends of children taken per turn from one source, so that
/// none can keep the loop for itself.
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
    hardware: Hardware,
    epoll: Epoll,
    signals: SignalFd,
    notify: OwnedFd,
    notify_path: PathBuf,
    control: Option<OwnedFd>,
    logger: Option<OwnedFd>,
    autonomous: bool,
    /// Children may have ended that were not taken yet.
    unreaped: bool,
    /// When memory was last given back.
    released: Millis,
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
        let hardware = Hardware::open(way, clock.now(), &epoll);
        if way == Way::Machine {
            console.log(Severity::Notice, &hardware.description());
        }
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
            hardware,
            epoll,
            signals,
            notify,
            notify_path,
            control: None,
            logger: None,
            autonomous: false,
            unreaped: false,
            released: 0,
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

    /// Phase 1 began at this time, before there was a loop.
    pub fn note_begin(&mut self, begun: Millis) {
        self.timeline.begin(begun);
    }

    /// What the system lacks beside services.
    pub fn note_missing(&mut self, missing: impl Iterator<Item = String>) {
        self.missing.extend(missing.filter(|name| !name.is_empty()));
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
                    aios_service::time::pause(100);
                }
            }
            if self.unreaped {
                self.reap();
            }
            self.drain_without_logger();
            self.tell(Event::Tick);
            self.hardware.tend(self.clock.now());
            if self.clock.now() >= self.released + RELEASE_EVERY {
                self.released = self.clock.now();
                super::memory::release();
            }
        }
    }

    fn timeout(&self) -> EpollTimeout {
        if self.unreaped {
            return EpollTimeout::ZERO;
        }
        let now = self.clock.now();
        let drain = self.logger.is_none().then_some(now + DRAIN_EVERY);
        let next = [
            self.machine.next_deadline(now),
            self.timeline.autonomy_deadline(),
            self.hardware.deadline(),
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
            hardware::BUTTONS.. => {
                if self.hardware.pressed(source) {
                    self.shut_down(End::Off, "power button");
                }
            }
            place => self.take_executed(usize::try_from(place - EXECUTED).unwrap_or(usize::MAX)),
        }
    }

    fn take_signals(&mut self) {
        in_turn(|| self.take_signal());
    }

    /// False: there is none. What is left makes the next turn begin at once.
    fn take_signal(&mut self) -> bool {
        let Ok(Some(info)) = self.signals.read_signal() else {
            return false;
        };
        let number = i32::try_from(info.ssi_signo).unwrap_or(0);
        match Signal::try_from(number) {
            Ok(Signal::SIGCHLD) => self.unreaped = true,
            Ok(Signal::SIGTERM) => self.shut_down(End::Off, "SIGTERM"),
            Ok(Signal::SIGINT) => self.shut_down(End::Reboot, "ctrl-alt-del"),
            Ok(Signal::SIGPWR) => self.shut_down(End::Off, "power failure"),
            // SIGRTMIN+3, systemd's "halt", by which containers are stopped too.
            Err(_) if number == nix::libc::SIGRTMIN() + 3 => {
                self.shut_down(End::Off, "SIGRTMIN+3");
            }
            _ => {}
        }
        true
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
            self.hardware.begin_end();
            self.tell(Event::Shutdown);
        }
    }

    /// The armed watchdog, for whoever ends the machine.
    pub fn watchdog(&mut self) -> Option<OwnedFd> {
        self.hardware.watchdog()
    }

    /// The services that outlived SIGKILL.
    fn lost(&self) -> Vec<String> {
        let lost = |id: &Id| self.machine.status(*id).last_exit == Some(Exit::Lost);
        let all = self.processes.iter().enumerate();
        all.filter(|(id, _)| lost(id))
            .map(|(_, process)| format!("{} did not stop", process.manifest.name))
            .collect()
    }

    /// Feeds the machine and does what it says.
    pub(super) fn tell(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(self.clock.now(), event) {
                events.extend(self.act(action));
            }
        }
        self.empty_stores();
    }

    /// Does what the machine says. What the machine must hear about it at once.
    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn(id) => return self.start(id),
            Action::Terminate(id) => {
                if let Some(process) = self.processes.get(id) {
                    process.signal(Signal::SIGTERM);
                }
            }
            Action::Kill(id) => {
                if let Some(process) = self.processes.get(id) {
                    self.kill(process);
                }
            }
            Action::AllStopped => self.all_stopped = true,
        }
        None
    }

    /// What nobody will start again by itself has no use for kept sockets: its
    /// clients must hear that nobody is there.
    fn empty_stores(&mut self) {
        for (id, process) in self.processes.iter_mut().enumerate() {
            let over = matches!(
                self.machine.state(id),
                State::Inactive | State::Done | State::Degraded
            );
            if over && !process.store.entries().is_empty() {
                process.store.clear();
            }
        }
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

/// Takes one step after the other while there is something to do, but no more than one turn may.
/// True: there may be more.
fn in_turn(mut step: impl FnMut() -> bool) -> bool {
    (0..TURN_MAX).all(|_| step())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_never_ends_has_one_turn_like_all_others() {
        let check = |there_are: usize, taken: usize, more: bool| {
            let mut left = there_are;
            let is_more = in_turn(|| {
                let is_there = left > 0;
                left = left.saturating_sub(1);
                is_there
            });
            assert_eq!((there_are - left, is_more), (taken, more), "{there_are}");
        };
        check(0, 0, false);
        check(3, 3, false);
        check(TURN_MAX, TURN_MAX, true);
        check(usize::MAX, TURN_MAX, true);
    }
}
