//! Random histories against a fake kernel, and the stories that matter one by one.

use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::*;

fn unit() -> Unit {
    Unit {
        at_boot: true,
        after: Vec::new(),
        ready: Ready::Notify,
        restart: Restart::Always,
        restart_after: 0,
        start_timeout: 1_000,
        stop_timeout: 500,
        watchdog: 0,
        extends_timeouts: false,
        tireless: false,
        stops_last: false,
    }
}

/// Processes that exist, and what the machine asked for, checked as it asks.
struct FakeKernel {
    machine: Machine,
    units: Vec<Unit>,
    now: Millis,
    alive: BTreeSet<Id>,
    /// Do not even die of SIGKILL.
    immortal: BTreeSet<Id>,
    /// Ignore SIGTERM.
    stubborn: BTreeSet<Id>,
    /// Were sent SIGKILL.
    doomed: BTreeSet<Id>,
    /// Are not started when asked to be: what they need is not there.
    pointless: BTreeSet<Id>,
    all_stopped: u32,
    spawns: Vec<(Millis, Id)>,
    /// How each service came to its last process.
    records: Vec<Record>,
}

/// What limits the next start of a service.
#[derive(Clone, Default)]
struct Record {
    /// Somebody asked for it while it ran: its next start is not the machine's idea.
    again: bool,
    ready_at: Option<Millis>,
    /// It failed young: no start of the machine's own before this.
    not_before: Millis,
    /// Starts since somebody asked.
    starts: Vec<Millis>,
}

impl FakeKernel {
    fn new(units: Vec<Unit>) -> Self {
        Self {
            machine: Machine::new(units.clone(), 7),
            records: vec![Record::default(); units.len()],
            units,
            now: 0,
            alive: BTreeSet::new(),
            immortal: BTreeSet::new(),
            stubborn: BTreeSet::new(),
            doomed: BTreeSet::new(),
            pointless: BTreeSet::new(),
            all_stopped: 0,
            spawns: Vec::new(),
        }
    }

    fn tell(&mut self, event: Event) {
        self.note_request(event);
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let before: Vec<Status> = self.statuses();
            for action in self.machine.handle(self.now, event) {
                match action {
                    Action::Spawn(id) if self.pointless.contains(&id) => {
                        events.push_back(Event::Skipped(id));
                    }
                    action => self.act(action, &before),
                }
            }
        }
        self.check();
        self.note_readiness();
        for id in std::mem::take(&mut self.doomed) {
            if !self.immortal.contains(&id) {
                self.die(id, Exit::Signal(9));
            }
        }
    }

    fn statuses(&self) -> Vec<Status> {
        (0..self.units.len())
            .map(|id| self.machine.status(id))
            .collect()
    }

    fn act(&mut self, action: Action, before: &[Status]) {
        match action {
            Action::Spawn(id) => {
                assert!(
                    !self.machine.is_shutting_down(),
                    "nothing starts in shutdown"
                );
                assert!(
                    self.alive.insert(id) || self.immortal.contains(&id),
                    "{id} runs twice"
                );
                for &other in &self.units[id].after {
                    assert!(
                        self.machine.is_settled(self.now, other),
                        "{id} before {other}"
                    );
                }
                self.spawns.push((self.now, id));
                self.check_moderation(id);
            }
            Action::Terminate(id) => {
                assert!(self.alive.contains(&id), "SIGTERM to nobody");
                if self.machine.is_shutting_down() && before[id].state != State::Stopping {
                    self.check_stop_order(id);
                }
            }
            Action::Kill(id) => {
                assert!(self.alive.contains(&id), "SIGKILL to nobody");
                self.doomed.insert(id);
            }
            Action::AllStopped => {
                assert!(
                    self.alive.iter().all(|id| self.immortal.contains(id)),
                    "some still run"
                );
                self.all_stopped += 1;
            }
        }
    }

    fn check_stop_order(&self, id: Id) {
        for &other in self
            .alive
            .iter()
            .filter(|other| !self.immortal.contains(other))
        {
            let lasts = (self.units[id].stops_last, self.units[other].stops_last);
            let needs = self.units[other].after.contains(&id) && lasts != (false, true);
            assert!(!needs, "{id} is stopped while {other} needs it");
            assert!(
                other == id || lasts != (true, false),
                "{id} is stopped before {other}"
            );
        }
    }

    /// Requests forgive: limits count from the last one.
    fn note_request(&mut self, event: Event) {
        let (Event::Start(id) | Event::Restart(id) | Event::Stop(id) | Event::Kill(id)) = event
        else {
            return;
        };
        let state = self.machine.state(id);
        let runs = matches!(state, State::Starting | State::Ready | State::Stopping);
        let again = match event {
            Event::Restart(_) => runs,
            Event::Start(_) => self.records[id].again || state == State::Stopping,
            _ => false,
        };
        let ready_at = self.records[id].ready_at;
        self.records[id] = Record {
            again,
            ready_at,
            ..Record::default()
        };
    }

    fn note_readiness(&mut self) {
        for (id, record) in self.records.iter_mut().enumerate() {
            if self.machine.state(id) == State::Ready {
                record.ready_at.get_or_insert(self.now);
            }
        }
    }

    fn note_end(&mut self, id: Id) {
        let state = self.machine.state(id);
        if !matches!(state, State::Starting | State::Ready | State::Stopping) {
            return; // one that was counted as lost, and dies now
        }
        let record = &mut self.records[id];
        let was_stable = record
            .ready_at
            .take()
            .is_some_and(|at| self.now >= at + STABLE);
        let least = self.units[id].restart_after;
        record.not_before = match (std::mem::take(&mut record.again), was_stable) {
            (true, _) => 0,
            (false, true) => self.now + least,
            (false, false) => self.now + least.max(BACKOFF_FIRST * 3 / 4),
        };
    }

    /// Is this start of a service neither too soon nor one too many?
    fn check_moderation(&mut self, id: Id) {
        let (now, record) = (self.now, &mut self.records[id]);
        assert!(now >= record.not_before, "{id} is started without a pause");
        record.ready_at = None;
        record.starts.push(now);
        let recent = |&&at: &&Millis| at + INTENSITY_SPAN >= now;
        let many = record.starts.iter().filter(recent).count();
        assert!(
            many <= INTENSITY || self.units[id].tireless,
            "{id} is started {many} times in a minute"
        );
    }

    /// What holds at every moment.
    fn check(&self) {
        let next = self.machine.next_deadline(self.now);
        assert!(
            next.is_none_or(|next| next > self.now),
            "a deadline in the past: busy loop"
        );
        for id in 0..self.units.len() {
            let status = self.machine.status(id);
            let has_process = matches!(
                status.state,
                State::Starting | State::Ready | State::Stopping
            );
            assert!(
                !has_process || self.alive.contains(&id),
                "{id} has lost its process"
            );
            match status.state {
                State::Inactive => assert!(!status.wanted, "{id} is wanted and forgotten"),
                State::Backoff => assert!(next.is_some(), "{id} waits for nothing"),
                State::Waiting => {
                    let running = self.machine.services[id].running;
                    assert!(!running, "{id} waits and has a process");
                    let holds = |&other: &Id| !self.machine.is_settled(self.now, other);
                    assert!(
                        self.units[id].after.iter().any(holds),
                        "{id} waits for nobody"
                    );
                }
                _ => {}
            }
        }
    }

    fn die(&mut self, id: Id, exit: Exit) {
        if self.alive.remove(&id) {
            self.immortal.remove(&id);
            self.note_end(id);
            self.tell(Event::Exited(id, exit));
        }
    }

    /// Goes to the next deadline, at most `limit` from now.
    fn advance(&mut self, limit: Millis) {
        let until = self.now + limit;
        self.now = self
            .machine
            .next_deadline(self.now)
            .map_or(until, |next| next.min(until));
        self.tell(Event::Tick);
    }
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    Event(Event),
    Die(Id, Exit),
    Advance(Millis),
    BecomeImmortal(Id),
    BecomeStubborn(Id),
    BecomePointless(Id),
    BecomeUseful(Id),
}

const SERVICES: usize = 6;

fn any_unit() -> impl Strategy<Value = Unit> {
    let ready = prop_oneof![Just(Ready::Notify), Just(Ready::Exec), Just(Ready::Oneshot)];
    let restart = prop_oneof![4 => Just(Restart::Always), 1 => Just(Restart::OnFailure), 1 => Just(Restart::Never)];
    let after = proptest::collection::vec(0..SERVICES + 1, 0..3);
    (
        any::<bool>(),
        after,
        ready,
        restart,
        1..3_000_u64,
        1..3_000_u64,
        0..2_u64,
        any::<bool>(),
    )
        .prop_map(
            |(at_boot, after, ready, restart, start_timeout, stop_timeout, dog, last)| Unit {
                at_boot,
                after,
                ready,
                restart,
                restart_after: if start_timeout % 3 == 0 {
                    stop_timeout
                } else {
                    0
                },
                start_timeout,
                stop_timeout,
                watchdog: dog * 700,
                extends_timeouts: stop_timeout % 2 == 0,
                tireless: start_timeout % 5 == 0,
                stops_last: last && start_timeout % 4 == 0,
            },
        )
}

fn any_step() -> impl Strategy<Value = Step> {
    let id = 0..SERVICES;
    let exit = prop_oneof![
        Just(Exit::Status(0)),
        Just(Exit::Status(1)),
        Just(Exit::Signal(9))
    ];
    prop_oneof![
        4 => id.clone().prop_map(|id| Step::Event(Event::Ready(id))),
        3 => id.clone().prop_map(|id| Step::Event(Event::Executed(id))),
        1 => id.clone().prop_map(|id| Step::Event(Event::Alive(id))),
        1 => id.clone().prop_map(|id| Step::Event(Event::Leaving(id))),
        1 => (id.clone(), 0..5_000_u64).prop_map(|(id, ms)| Step::Event(Event::Extend(id, ms))),
        1 => id.clone().prop_map(|id| Step::Event(Event::Final(id))),
        2 => id.clone().prop_map(|id| Step::Event(Event::Start(id))),
        1 => id.clone().prop_map(|id| Step::Event(Event::Stop(id))),
        1 => id.clone().prop_map(|id| Step::Event(Event::Kill(id))),
        2 => id.clone().prop_map(|id| Step::Event(Event::Restart(id))),
        8 => (id.clone(), exit).prop_map(|(id, exit)| Step::Die(id, exit)),
        6 => (0..4_000_u64).prop_map(Step::Advance),
        1 => id.clone().prop_map(Step::BecomeImmortal),
        1 => id.clone().prop_map(Step::BecomeStubborn),
        1 => id.clone().prop_map(Step::BecomePointless),
        1 => id.prop_map(Step::BecomeUseful),
    ]
}

/// A service that ended stubbornly is ended by SIGKILL; others end when told to.
fn obey(kernel: &mut FakeKernel) {
    let stopping: Vec<Id> = kernel
        .alive
        .iter()
        .copied()
        .filter(|id| kernel.machine.state(*id) == State::Stopping)
        .filter(|id| !kernel.immortal.contains(id) && !kernel.stubborn.contains(id))
        .collect();
    for id in stopping {
        kernel.die(id, Exit::Signal(15));
    }
}

fn run_history(mut units: Vec<Unit>, steps: Vec<Step>) {
    break_cycles(&mut units);
    let mut kernel = FakeKernel::new(units);
    kernel.tell(Event::Boot);
    for step in steps {
        match step {
            Step::Event(event) => kernel.tell(event),
            Step::Die(id, exit) => kernel.die(id, exit),
            Step::Advance(limit) => kernel.advance(limit),
            Step::BecomeImmortal(id) => drop(kernel.immortal.insert(id)),
            Step::BecomeStubborn(id) => drop(kernel.stubborn.insert(id)),
            Step::BecomePointless(id) => drop(kernel.pointless.insert(id)),
            Step::BecomeUseful(id) => drop(kernel.pointless.remove(&id)),
        }
    }
    shutdown_ends(&mut kernel);
}

fn shutdown_ends(kernel: &mut FakeKernel) {
    let start = kernel.now;
    kernel.tell(Event::Shutdown);
    let mut turns = 0;
    while kernel.all_stopped == 0 {
        obey(kernel);
        if kernel.all_stopped == 0 {
            kernel.advance(SHUTDOWN_LIMIT);
        }
        turns += 1;
        assert!(turns < 100, "shutdown does not end");
    }
    assert!(
        kernel.now - start <= SHUTDOWN_LIMIT + 2 * KILL_GRACE,
        "shutdown takes too long"
    );
    assert_eq!(kernel.all_stopped, 1, "told more than once");
}

/// Histories per run; `AIOS_LONG_TESTS` asks for the million.
fn cases() -> u32 {
    if std::env::var_os("AIOS_LONG_TESTS").is_some() {
        1_000_000
    } else {
        10_000
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_history_loses_a_service_breaks_the_order_or_hangs_the_shutdown(
        units in proptest::collection::vec(any_unit(), SERVICES),
        steps in proptest::collection::vec(any_step(), 0..60),
    ) {
        run_history(units, steps);
    }
}

#[test]
fn a_service_that_always_fails_backs_off_and_is_given_up() {
    let mut kernel = FakeKernel::new(vec![unit()]);
    kernel.tell(Event::Boot);
    while kernel.machine.state(0) != State::Degraded {
        kernel.die(0, Exit::Status(1));
        kernel.advance(60_000);
    }
    assert_eq!(kernel.spawns.len(), INTENSITY);
    let waits: Vec<Millis> = kernel
        .spawns
        .windows(2)
        .map(|pair| pair[1].0 - pair[0].0)
        .collect();
    let mut expected = BACKOFF_FIRST;
    for wait in waits {
        let range = expected * 3 / 4..=expected * 5 / 4;
        assert!(range.contains(&wait), "{wait} not in {range:?}");
        expected = (expected * 2).min(BACKOFF_MAX);
    }
    kernel.advance(3_600_000);
    assert_eq!(
        kernel.machine.state(0),
        State::Degraded,
        "not tried again by itself"
    );
    kernel.tell(Event::Start(0));
    assert_eq!(kernel.machine.state(0), State::Starting, "but when asked");
}

#[test]
fn a_stable_service_that_dies_is_started_at_once() {
    let mut kernel = FakeKernel::new(vec![unit()]);
    kernel.tell(Event::Boot);
    kernel.tell(Event::Ready(0));
    kernel.now += STABLE;
    kernel.die(0, Exit::Signal(9));
    assert_eq!(kernel.machine.state(0), State::Starting);
    assert_eq!(kernel.spawns.last(), Some(&(STABLE, 0)));
    assert_eq!(kernel.machine.status(0).restarts, 1);
}

#[test]
fn a_start_that_takes_too_long_has_failed_however_the_process_ends() {
    let check = |ready, restart, expected| {
        let mut kernel = FakeKernel::new(vec![Unit {
            ready,
            restart,
            ..unit()
        }]);
        kernel.tell(Event::Boot);
        kernel.advance(60_000);
        assert_eq!(kernel.machine.state(0), State::Stopping);
        kernel.die(0, Exit::Status(0));
        assert_eq!(kernel.machine.state(0), expected, "{ready:?} {restart:?}");
    };
    for ready in [Ready::Notify, Ready::Exec, Ready::Oneshot] {
        check(ready, Restart::Never, State::Degraded);
        check(ready, Restart::OnFailure, State::Backoff);
        check(ready, Restart::Always, State::Backoff);
    }
}

#[test]
fn a_process_that_says_that_it_is_the_last_one_is_followed_by_none() {
    let check = |restart, exit, expected| {
        let mut kernel = FakeKernel::new(vec![Unit { restart, ..unit() }]);
        kernel.tell(Event::Boot);
        kernel.tell(Event::Ready(0));
        kernel.tell(Event::Final(0));
        kernel.die(0, exit);
        assert_eq!(kernel.machine.state(0), expected, "{restart:?} {exit:?}");
        kernel.tell(Event::Start(0));
        kernel.die(0, exit);
        let state = kernel.machine.state(0);
        let is_followed = matches!(state, State::Starting | State::Waiting | State::Backoff);
        let by_rule = restart == Restart::Always || exit != Exit::Status(0);
        assert_eq!(is_followed, by_rule, "its rule holds for the next one");
    };
    for restart in [Restart::Always, Restart::OnFailure] {
        check(restart, Exit::Status(0), State::Done);
        check(restart, Exit::Status(1), State::Degraded);
        check(restart, Exit::Signal(9), State::Degraded);
    }
}

#[test]
fn a_broken_service_holds_those_after_it_no_longer_than_its_start_timeout() {
    let second = Unit {
        after: vec![0],
        ..unit()
    };
    let mut kernel = FakeKernel::new(vec![unit(), second]);
    kernel.tell(Event::Boot);
    assert_eq!(kernel.machine.state(1), State::Waiting);
    kernel.advance(60_000);
    assert_eq!(kernel.now, 1_000);
    assert_eq!(kernel.machine.state(1), State::Starting);
}

#[test]
fn what_has_nothing_to_do_is_done_and_holds_nobody() {
    let second = Unit {
        after: vec![0],
        ..unit()
    };
    let mut kernel = FakeKernel::new(vec![unit(), second]);
    kernel.pointless.insert(0);
    kernel.tell(Event::Boot);
    let first = kernel.machine.status(0);
    assert_eq!((first.state, first.restarts), (State::Done, 0));
    assert_eq!(kernel.machine.state(1), State::Starting);
    kernel.pointless.clear();
    kernel.tell(Event::Start(0));
    let first = kernel.machine.status(0);
    assert_eq!((first.state, first.restarts), (State::Starting, 0));
}

#[test]
fn a_restart_is_finished_by_the_machine_alone() {
    let mut kernel = FakeKernel::new(vec![unit()]);
    kernel.tell(Event::Boot);
    kernel.tell(Event::Ready(0));
    kernel.tell(Event::Restart(0));
    assert_eq!(kernel.machine.state(0), State::Stopping);
    kernel.die(0, Exit::Status(0));
    assert_eq!(kernel.machine.state(0), State::Starting);
}

#[test]
fn silence_past_the_watchdog_kills() {
    let mut kernel = FakeKernel::new(vec![Unit {
        watchdog: 700,
        ..unit()
    }]);
    kernel.tell(Event::Boot);
    kernel.tell(Event::Ready(0));
    kernel.now = 600;
    kernel.tell(Event::Alive(0));
    kernel.advance(600);
    assert_eq!(kernel.machine.state(0), State::Ready);
    kernel.advance(600);
    assert_eq!(kernel.machine.status(0).last_exit, Some(Exit::Signal(9)));
}

#[test]
fn only_who_may_asks_for_more_time_and_nobody_who_was_killed() {
    for may in [false, true] {
        let mut kernel = FakeKernel::new(vec![Unit {
            extends_timeouts: may,
            ..unit()
        }]);
        kernel.tell(Event::Boot);
        kernel.tell(Event::Ready(0));
        kernel.tell(Event::Stop(0));
        kernel.tell(Event::Extend(0, 100_000));
        kernel.advance(unit().stop_timeout);
        assert_eq!(kernel.alive.contains(&0), may, "killed after its own time");
    }
    let mut kernel = FakeKernel::new(vec![Unit {
        extends_timeouts: true,
        ..unit()
    }]);
    kernel.immortal.insert(0);
    kernel.tell(Event::Boot);
    kernel.tell(Event::Kill(0));
    kernel.tell(Event::Extend(0, 100_000));
    kernel.advance(KILL_GRACE);
    assert_eq!(kernel.machine.status(0).last_exit, Some(Exit::Lost));
}

#[test]
fn a_kill_asks_nobody_and_is_for_good() {
    let mut kernel = FakeKernel::new(vec![unit(), unit()]);
    kernel.tell(Event::Boot);
    kernel.tell(Event::Ready(0));
    let actions = kernel.machine.handle(kernel.now, Event::Kill(0));
    assert_eq!(actions, [Action::Kill(0)]);
    kernel.die(0, Exit::Signal(9));
    kernel.advance(BACKOFF_MAX);
    assert_eq!(kernel.machine.state(0), State::Inactive);
    assert_eq!(kernel.spawns.iter().filter(|(_, id)| *id == 0).count(), 1);
}

#[test]
fn cycles_are_cut_and_named() {
    let after = |after: &[Id]| Unit {
        after: after.to_vec(),
        ..unit()
    };
    let mut units = vec![after(&[1]), after(&[2]), after(&[0, 9])];
    assert_eq!(break_cycles(&mut units), vec![(0, 1), (2, 9)]);
    let mut alone = vec![after(&[0])];
    assert_eq!(break_cycles(&mut alone), vec![(0, 0)]);
}
