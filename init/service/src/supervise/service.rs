//! One service: its state, its deadlines, and what each event does to it.

use std::collections::VecDeque;

use super::{
    Action, BACKOFF_FIRST, BACKOFF_MAX, EXTEND_MAX, Exit, INTENSITY, INTENSITY_SPAN, Id,
    KILL_GRACE, Millis, STABLE, State, Unit,
};
use crate::manifest::{Ready, Restart};

pub(super) struct Service {
    pub unit: Unit,
    pub state: State,
    pub since: Millis,
    /// Should it run?
    pub wanted: bool,
    /// Has it a process?
    pub running: bool,
    /// Start timeout, watchdog, stop timeout or end of backoff, by state.
    pub deadline: Option<Millis>,
    /// Until when others wait for it; none while it was not started yet.
    pub patience: Option<Millis>,
    /// Processes that it had.
    pub starts: u32,
    pub last_exit: Option<Exit>,
    /// SIGKILL was sent.
    killed: bool,
    /// It was not ready within its start timeout. Its end is a failure, however it ends.
    overdue: bool,
    /// It said that it is not to be started again after this process.
    last_process: bool,
    /// It was stopped to be started again, by request.
    again: bool,
    /// The last wait before a restart.
    delay: Millis,
    ready_at: Option<Millis>,
    failures: VecDeque<Millis>,
}

impl Service {
    pub fn new(unit: Unit) -> Self {
        Self {
            unit,
            state: State::Inactive,
            since: 0,
            wanted: false,
            running: false,
            deadline: None,
            patience: None,
            starts: 0,
            last_exit: None,
            killed: false,
            overdue: false,
            last_process: false,
            again: false,
            delay: 0,
            ready_at: None,
            failures: VecDeque::new(),
        }
    }

    fn enter(&mut self, now: Millis, state: State, deadline: Option<Millis>) {
        self.state = state;
        self.since = now;
        self.deadline = deadline;
    }

    /// Do others have to wait for it?
    pub fn is_awaited(&self, now: Millis) -> bool {
        let arrived = matches!(self.state, State::Ready | State::Done | State::Degraded);
        self.wanted && !arrived && self.patience.is_none_or(|until| now < until)
    }

    /// Somebody asks for it: old failures are forgiven.
    pub fn want(&mut self, now: Millis) {
        self.wanted = true;
        self.failures.clear();
        self.delay = 0;
        match self.state {
            State::Stopping => self.again = true,
            State::Waiting | State::Starting | State::Ready => {}
            State::Inactive | State::Backoff | State::Degraded | State::Done => {
                self.patience = None;
                self.enter(now, State::Waiting, None);
            }
        }
    }

    pub fn unwant(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        self.wanted = false;
        self.again = false;
        self.patience = None;
        if self.running {
            self.begin_stop(now, id, actions);
        } else {
            self.enter(now, State::Inactive, None);
        }
    }

    /// As [`Self::unwant`], with SIGKILL in place of SIGTERM, also while it is stopping.
    pub fn unwant_at_once(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        self.wanted = false;
        self.again = false;
        self.patience = None;
        if self.running {
            self.kill(now, id, actions);
        } else {
            self.enter(now, State::Inactive, None);
        }
    }

    pub fn restart(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        self.want(now);
        if self.running {
            self.again = true;
            self.begin_stop(now, id, actions);
        }
    }

    /// Shutdown begins: what has no process is done with.
    pub fn forget(&mut self, now: Millis) {
        self.wanted = false;
        self.again = false;
        self.patience = None;
        if !self.running {
            self.enter(now, State::Inactive, None);
        } else if self.state != State::Stopping {
            self.deadline = None;
        }
    }

    pub fn spawned(&mut self, now: Millis) {
        self.running = true;
        self.killed = false;
        self.overdue = false;
        self.last_process = false;
        self.ready_at = None;
        self.starts = self.starts.saturating_add(1);
        let until = now + self.unit.start_timeout;
        self.patience.get_or_insert(until);
        self.enter(now, State::Starting, Some(until));
    }

    /// It was not started after all, and that is as it should be.
    pub fn skipped(&mut self, now: Millis) {
        if self.running && self.state == State::Starting {
            self.running = false;
            self.starts -= 1;
            self.patience = None;
            self.enter(now, State::Done, None);
        }
    }

    pub fn executed(&mut self, now: Millis) {
        if self.unit.ready == Ready::Exec {
            self.become_ready(now);
        }
    }

    pub fn notified(&mut self, now: Millis) {
        if self.unit.ready == Ready::Notify {
            self.become_ready(now);
        }
    }

    fn become_ready(&mut self, now: Millis) {
        if self.state == State::Starting {
            self.ready_at = Some(now);
            self.patience = None;
            self.enter(now, State::Ready, self.watchdog_deadline(now));
        }
    }

    fn watchdog_deadline(&self, now: Millis) -> Option<Millis> {
        (self.unit.watchdog > 0).then(|| now + self.unit.watchdog)
    }

    pub fn feed(&mut self, now: Millis) {
        if self.state == State::Ready {
            self.deadline = self.watchdog_deadline(now);
        }
    }

    /// It says that it is about to end by itself.
    pub fn leaving(&mut self, now: Millis) {
        if matches!(self.state, State::Starting | State::Ready) {
            self.become_awaited(now);
            self.enter(now, State::Stopping, Some(now + self.unit.stop_timeout));
        }
    }

    pub fn extend(&mut self, now: Millis, span: Millis) {
        let has_timeout = matches!(self.state, State::Starting | State::Stopping);
        if self.unit.extends_timeouts && has_timeout && !self.killed {
            let until = now + span.min(EXTEND_MAX);
            self.deadline = self.deadline.max(Some(until));
            if self.state == State::Starting {
                self.patience = self.patience.max(Some(until));
            }
        }
    }

    /// The process that it has now is its last one, until somebody asks for another.
    pub fn make_final(&mut self) {
        self.last_process = self.running;
    }

    /// Others wait for it again, for as long as a start may take.
    fn become_awaited(&mut self, now: Millis) {
        if self.wanted {
            self.patience.get_or_insert(now + self.unit.start_timeout);
        }
    }

    pub fn begin_stop(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        if self.running && self.state != State::Stopping {
            self.become_awaited(now);
            self.enter(now, State::Stopping, Some(now + self.unit.stop_timeout));
            actions.push(Action::Terminate(id));
        }
    }

    pub fn kill(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) {
        if self.running && !self.killed {
            self.become_awaited(now);
            self.killed = true;
            self.enter(now, State::Stopping, Some(now + KILL_GRACE));
            actions.push(Action::Kill(id));
        }
    }

    /// Acts on a deadline that has come. True: its process is to be counted as lost.
    pub fn expire(&mut self, now: Millis, id: Id, actions: &mut Vec<Action>) -> bool {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return false;
        }
        match self.state {
            State::Starting => {
                self.overdue = true;
                self.begin_stop(now, id, actions);
            }
            State::Ready => self.kill(now, id, actions),
            State::Stopping if self.killed => return true,
            State::Stopping => self.kill(now, id, actions),
            State::Backoff => self.enter(now, State::Waiting, None),
            State::Inactive | State::Waiting | State::Degraded | State::Done => {
                self.deadline = None;
            }
        }
        false
    }

    /// Its process is gone.
    pub fn ended(&mut self, now: Millis, exit: Exit, jitter: u64, shutting_down: bool) {
        if !self.running {
            return;
        }
        let state = self.state;
        self.running = false;
        self.last_exit = Some(exit);
        let again = std::mem::take(&mut self.again);
        if shutting_down || !self.wanted {
            self.enter(now, State::Inactive, None);
        } else if again {
            self.become_awaited(now);
            self.enter(now, State::Waiting, None);
        } else if exit.is_success() && self.is_finished(state) {
            self.patience = None;
            self.enter(now, State::Done, None);
        } else {
            self.failed(now, jitter);
        }
    }

    /// Does a good end in this state mean that it has nothing more to do?
    fn is_finished(&self, state: State) -> bool {
        match self.unit.ready {
            _ if self.overdue => false,
            Ready::Oneshot => state == State::Starting,
            Ready::Notify | Ready::Exec => {
                self.unit.restart != Restart::Always || self.last_process
            }
        }
    }

    fn failed(&mut self, now: Millis, jitter: u64) {
        let span_start = now.saturating_sub(INTENSITY_SPAN);
        while self.failures.front().is_some_and(|&at| at < span_start) {
            self.failures.pop_front();
        }
        self.failures.push_back(now);
        if self.unit.restart == Restart::Never
            || self.last_process
            || (self.failures.len() >= INTENSITY && !self.unit.tireless)
        {
            self.patience = None;
            return self.enter(now, State::Degraded, None);
        }
        self.become_awaited(now);
        let least = self.unit.restart_after;
        if self.ready_at.is_some_and(|at| now >= at + STABLE) {
            self.delay = 0;
            return match least {
                0 => self.enter(now, State::Waiting, None),
                wait => self.enter(now, State::Backoff, Some(now + wait)),
            };
        }
        self.delay = (self.delay * 2).clamp(BACKOFF_FIRST, BACKOFF_MAX);
        // Three quarters to five quarters, so that what fell together does not rise together.
        let wait = (self.delay * (192 + jitter / 2) / 256).max(least);
        self.enter(now, State::Backoff, Some(now + wait));
    }
}
