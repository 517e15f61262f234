//! Supervision as a pure state machine: events in, actions out.
//!
//! 1. It has no clock, no randomness and no kernel of its own: time comes with
//!    each event, jitter from a seed, processes are known by what is told of them.
//! 2. **A wanted service is always in a state that something leads out of**: it
//!    runs, waits for others that have a deadline, or waits for a time; or it
//!    was given up (degraded) and says so.
//! 3. `after` orders starts; it never blocks for longer than the other
//!    service's own start timeout, so that one broken service cannot hold the boot.
//! 4. Shutdown always ends: every wait in it has a deadline, and a process that
//!    not even SIGKILL ends is counted as lost and named.
//!
//! The driver (`pid1`) turns actions into system calls and back into events.

mod service;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::manifest::{Ready, Restart};
use service::Service;

pub use crate::time::Millis;

/// A service was ready at least this long: its next failure is the first of a
/// new row and it is restarted at once. 2 s: longer than any daemon takes to
/// fail over a bad configuration.
pub const STABLE: Millis = 2_000;
/// The first wait before a restart; doubled each time.
pub const BACKOFF_FIRST: Millis = 100;
/// The longest wait before a restart.
pub const BACKOFF_MAX: Millis = 10_000;
/// So many failures within [`INTENSITY_SPAN`] and the service is given up.
pub const INTENSITY: usize = 8;
/// See [`INTENSITY`].
pub const INTENSITY_SPAN: Millis = 60_000;
/// What does not die within this after SIGKILL (stuck in the kernel) is lost.
pub const KILL_GRACE: Millis = 2_000;
/// After this, shutdown stops asking and kills.
pub const SHUTDOWN_LIMIT: Millis = 20_000;
/// The furthest that `EXTEND_TIMEOUT_USEC` can move a deadline: ten minutes.
pub const EXTEND_MAX: Millis = 600_000;

/// A service, by its place in the list given to [`Machine::new`].
pub type Id = usize;

/// What the machine needs to know of a service.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Wanted from boot on.
    pub at_boot: bool,
    /// Started after these, stopped before them. Without cycles ([`break_cycles`]).
    pub after: Vec<Id>,
    /// When it is ready.
    pub ready: Ready,
    /// Whether it is started again.
    pub restart: Restart,
    /// The least wait before it is started again after a failure.
    pub restart_after: Millis,
    /// Time from start to ready.
    pub start_timeout: Millis,
    /// Time from SIGTERM to SIGKILL.
    pub stop_timeout: Millis,
    /// Longest silence when ready; 0: any.
    pub watchdog: Millis,
    /// `EXTEND_TIMEOUT_USEC=` moves its start and stop timeouts.
    pub extends_timeouts: bool,
    /// Never given up (control, without which nobody could ask for it; the logger).
    pub tireless: bool,
    /// Stopped only when all others are (the logger).
    pub stops_last: bool,
}

/// What a service is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Not wanted, not running.
    #[default]
    Inactive,
    /// Wanted, waiting for those that it comes after.
    Waiting,
    /// Runs, not ready yet.
    Starting,
    /// Runs and is ready.
    Ready,
    /// Was told to stop and has not ended yet.
    Stopping,
    /// Ended; will be started again at a known time.
    Backoff,
    /// Given up until somebody asks.
    Degraded,
    /// Ended well and has nothing more to do.
    Done,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// With this status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// It could not be started.
    NotStarted,
    /// It outlived SIGKILL.
    Lost,
}

impl Exit {
    fn is_success(self) -> bool {
        self == Self::Status(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with {status}"),
            Self::Signal(number) => match nix::sys::signal::Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
            Self::NotStarted => write!(f, "could not be started"),
            Self::Lost => write!(f, "did not die of SIGKILL"),
        }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Start what starts at boot.
    Boot,
    /// Somebody wants the service.
    Start(Id),
    /// Nobody wants it any more.
    Stop(Id),
    /// Nobody wants it any more, and it gets no time to end.
    Kill(Id),
    /// Stop it if it runs, then start it.
    Restart(Id),
    /// The process could not be made.
    SpawnFailed(Id),
    /// No process was made, because what the service needs to be of use is not there.
    Skipped(Id),
    /// The process runs its program.
    Executed(Id),
    /// `READY=1`.
    Ready(Id),
    /// `WATCHDOG=1`.
    Alive(Id),
    /// `STOPPING=1`.
    Leaving(Id),
    /// `EXTEND_TIMEOUT_USEC=`, from now.
    Extend(Id, Millis),
    /// `AIOS_RESTART=no`: whatever its rule says, its next end is not followed by a start.
    Final(Id),
    /// The process ended.
    Exited(Id, Exit),
    /// Time passed.
    Tick,
    /// Stop everything, for good.
    Shutdown,
}

/// What the driver must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make its process. Answer with [`Event::SpawnFailed`] if that fails, with
    /// [`Event::Skipped`] if there is nothing for it to do.
    Spawn(Id),
    /// SIGTERM to its processes.
    Terminate(Id),
    /// SIGKILL to all its processes.
    Kill(Id),
    /// After [`Event::Shutdown`]: nothing runs any more. Once.
    AllStopped,
}

/// All services and their states.
pub struct Machine {
    services: Vec<Service>,
    shutdown: Option<Shutdown>,
    jitter: u64,
}

struct Shutdown {
    limit: Millis,
    told: bool,
}

impl Machine {
    /// All services inactive. `seed`: for the jitter of restarts.
    pub fn new(units: Vec<Unit>, seed: u64) -> Self {
        let services = units.into_iter().map(Service::new).collect();
        Self {
            services,
            shutdown: None,
            jitter: seed | 1,
        }
    }

    /// Adds a service, or changes one that has no process. Those that it is to come
    /// after are left out where that would close a circle. None: not now.
    pub fn define(&mut self, place: Option<Id>, mut unit: Unit) -> Option<Id> {
        if self.shutdown.is_some() {
            return None;
        }
        let Some(id) = place else {
            let id = self.services.len();
            unit.after.retain(|&other| other < id);
            self.services.push(Service::new(unit));
            return Some(id);
        };
        let others: Vec<&Unit> = self.services.iter().map(|service| &service.unit).collect();
        unit.after
            .retain(|&other| other < others.len() && !reaches(&others, other, id));
        let service = self.services.get_mut(id)?;
        if service.running {
            return None;
        }
        service.unit = unit;
        Some(id)
    }

    /// Takes an event at time `now`; what must be done about it, in order.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Boot => self.boot(now),
            Event::Start(id) => self.with(id, |service| service.want(now)),
            Event::Stop(id) => self.with_actions(id, &mut actions, |service, out| {
                service.unwant(now, id, out);
            }),
            Event::Kill(id) => self.with_actions(id, &mut actions, |service, out| {
                service.unwant_at_once(now, id, out);
            }),
            Event::Restart(id) => self.restart(now, id, &mut actions),
            Event::SpawnFailed(id) => self.ended(now, id, Exit::NotStarted),
            Event::Skipped(id) => self.skipped(now, id),
            Event::Executed(id) => self.with(id, |service| service.executed(now)),
            Event::Ready(id) => self.with(id, |service| service.notified(now)),
            Event::Alive(id) => self.with(id, |service| service.feed(now)),
            Event::Leaving(id) => self.with(id, |service| service.leaving(now)),
            Event::Extend(id, span) => self.with(id, |service| service.extend(now, span)),
            Event::Final(id) => self.with(id, Service::make_final),
            Event::Exited(id, exit) => self.ended(now, id, exit),
            Event::Tick => {}
            Event::Shutdown => self.shut_down(now),
        }
        self.expire(now, &mut actions);
        self.start_waiting(now, &mut actions);
        self.stop_in_order(now, &mut actions);
        actions
    }

    /// The next moment at which [`Event::Tick`] would change something.
    pub fn next_deadline(&self, now: Millis) -> Option<Millis> {
        let limit = self.shutdown.as_ref().map(|shutdown| shutdown.limit);
        let ahead = |moment: Option<Millis>| moment.filter(|&moment| moment > now);
        self.services
            .iter()
            .flat_map(|service| [service.deadline, ahead(service.patience)])
            .flatten()
            .chain(ahead(limit))
            .min()
    }

    /// What the service is doing; inactive where there is none.
    pub fn state(&self, id: Id) -> State {
        self.status(id).state
    }

    /// Its state, times and history; those of a service that never ran where there is none.
    pub fn status(&self, id: Id) -> Status {
        let Some(service) = self.services.get(id) else {
            return Status::default();
        };
        Status {
            state: service.state,
            since: service.since,
            restarts: service.starts.saturating_sub(1),
            last_exit: service.last_exit,
            wanted: service.wanted,
        }
    }

    /// Is the service as far as it will get without a change from outside or a
    /// restart: ready, done, given up, not wanted, or past its start timeout?
    pub fn is_settled(&self, now: Millis, id: Id) -> bool {
        let service = self.services.get(id);
        service.is_none_or(|service| !service.is_awaited(now))
    }

    /// Was [`Event::Shutdown`] seen?
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown.is_some()
    }

    fn with(&mut self, id: Id, change: impl FnOnce(&mut Service)) {
        if self.shutdown.is_none()
            && let Some(service) = self.services.get_mut(id)
        {
            change(service);
        }
    }

    fn with_actions(
        &mut self,
        id: Id,
        actions: &mut Vec<Action>,
        change: impl FnOnce(&mut Service, &mut Vec<Action>),
    ) {
        self.with(id, |service| change(service, actions));
    }

    fn boot(&mut self, now: Millis) {
        for service in self
            .services
            .iter_mut()
            .filter(|service| service.unit.at_boot)
        {
            service.want(now);
        }
    }

    fn restart(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        self.with_actions(id, actions, |service, out| service.restart(now, id, out));
    }

    fn ended(&mut self, now: Millis, id: Id, exit: Exit) {
        let jitter = self.next_jitter();
        let shutting_down = self.shutdown.is_some();
        if let Some(service) = self.services.get_mut(id) {
            service.ended(now, exit, jitter, shutting_down);
        }
    }

    fn skipped(&mut self, now: Millis, id: Id) {
        if let Some(service) = self.services.get_mut(id) {
            service.skipped(now);
        }
    }

    fn shut_down(&mut self, now: Millis) {
        if self.shutdown.is_some() {
            return;
        }
        self.shutdown = Some(Shutdown {
            limit: now + SHUTDOWN_LIMIT,
            told: false,
        });
        for service in &mut self.services {
            service.forget(now);
        }
    }

    /// Deadlines that have come.
    fn expire(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let mut lost = Vec::new(); // allocates for a process that outlives SIGKILL only
        for (id, service) in self.services.iter_mut().enumerate() {
            if service.expire(now, id, actions) {
                lost.push(id);
            }
        }
        for id in lost {
            self.ended(now, id, Exit::Lost);
        }
    }

    /// Starts what waits for nobody any more.
    fn start_waiting(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.shutdown.is_some() {
            return;
        }
        for id in 0..self.services.len() {
            if self.may_start(now, id)
                && let Some(service) = self.services.get_mut(id)
            {
                service.spawned(now);
                actions.push(Action::Spawn(id));
            }
        }
    }

    /// Does it wait, and for nobody any more? A waiting service has no process: its state is entered
    /// only from states without one (the property test asserts that).
    fn may_start(&self, now: Millis, id: Id) -> bool {
        let is_free = |service: &Service| {
            let mut others = service.unit.after.iter();
            others.all(|&other| self.is_settled(now, other))
        };
        let service = self.services.get(id);
        service.is_some_and(|service| {
            service.state == State::Waiting && !service.running && is_free(service)
        })
    }

    /// In shutdown: stops each service once those that need it are gone.
    fn stop_in_order(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let Some(shutdown) = &self.shutdown else {
            return;
        };
        let hurry = now >= shutdown.limit;
        for id in 0..self.services.len() {
            let may_stop = hurry || self.may_stop(id);
            match self.services.get_mut(id) {
                Some(service) if hurry => service.kill(now, id, actions),
                Some(service) if may_stop => service.begin_stop(now, id, actions),
                _ => {}
            }
        }
        if self.services.iter().all(|service| !service.running)
            && let Some(shutdown) = &mut self.shutdown
            && !shutdown.told
        {
            shutdown.told = true;
            actions.push(Action::AllStopped);
        }
    }

    /// Is everything gone that needs it? What stops last needs only its like.
    fn may_stop(&self, id: Id) -> bool {
        let stops_last = |service: &Service| service.unit.stops_last;
        let last = self.services.get(id).is_some_and(stops_last);
        let needs = |service: &Service| match (last, service.unit.stops_last) {
            (true, false) => true,
            (false, true) => false,
            _ => service.unit.after.contains(&id),
        };
        let mut others = self.services.iter().enumerate();
        !others.any(|(other, service)| other != id && service.running && needs(service))
    }

    /// 0 to 255, from a linear congruential generator (Knuth's MMIX constants).
    fn next_jitter(&mut self) -> u64 {
        self.jitter = self
            .jitter
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.jitter >> 56
    }
}

/// What is known of a service.
#[derive(Clone, Copy, Debug, Default)]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub since: Millis,
    /// Starts after the first.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<Exit>,
    /// Should it run?
    pub wanted: bool,
}

/// Removes from the `after` lists each edge that would close a cycle or points
/// outside the list; returns the removed ones as (service, after).
pub fn break_cycles(units: &mut [Unit]) -> Vec<(Id, Id)> {
    let mut removed = Vec::new();
    for id in 0..units.len() {
        let wanted = units
            .get_mut(id)
            .map(|unit| std::mem::take(&mut unit.after));
        for other in wanted.unwrap_or_default() {
            let all: Vec<&Unit> = units.iter().collect();
            let closes = other >= all.len() || reaches(&all, other, id);
            match units.get_mut(id) {
                Some(unit) if !closes => unit.after.push(other),
                _ => removed.push((id, other)),
            }
        }
    }
    removed
}

/// Does `from` come after `target`, directly or not?
fn reaches(units: &[&Unit], from: Id, target: Id) -> bool {
    let mut seen = vec![false; units.len()];
    let mut open = vec![from];
    while let Some(id) = open.pop() {
        if id == target {
            return true;
        }
        if let (Some(seen), Some(unit)) = (seen.get_mut(id), units.get(id))
            && !std::mem::replace(seen, true)
        {
            open.extend(&unit.after);
        }
    }
    false
}
