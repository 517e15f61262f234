//! Is a schedule due? Pure: whatever the clock does, no time is run twice.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::file::Schedule;
use super::when::When;

/// A clock that was set back further than this, in milliseconds, was wrong before, or is wrong now: the
/// schedule goes on by the clock as it is, until that is right again. One that was set back less repeats
/// nothing.
const SET_BACK_MS: i64 = 86_400_000;
/// Times that were missed are counted up to this many.
const MISSED_MAX: u32 = 100;

/// What became of a schedule so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// Until when it is decided what ran, Unix milliseconds; absent: from when it was ordered.
    pub decided_ms: Option<i64>,
    /// The same by a clock that is far behind that moment.
    pub behind_ms: Option<i64>,
    /// What is under way.
    pub running: Option<Running>,
    /// The execution by which somebody has it run now; empty when nobody has.
    pub requested: String,
    /// How the last run ended.
    pub last: Option<Ended>,
    /// What else there is to say of the last time that it was due.
    pub remark: String,
    /// Why it is no longer carried out; empty while it is.
    pub suspended: String,
    /// Its file was not there when it was looked for last.
    pub gone: bool,
}

/// A run under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// When it was due, Unix milliseconds.
    pub due_ms: i64,
    /// The goal that carries it out.
    pub goal_id: String,
}

/// How a run ended.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// When it was due, Unix milliseconds.
    pub due_ms: i64,
    /// When it ended, Unix milliseconds.
    pub ended_ms: i64,
    /// The goal that carried it out.
    pub goal_id: String,
    /// Did it succeed?
    pub succeeded: bool,
    /// The goal's answer, or why it failed.
    pub text: String,
}

impl State {
    /// Whatever was due up to this moment (Unix milliseconds) is decided, whatever the clock showed before.
    pub fn decide_all(&mut self, now_ms: i64) {
        self.decided_ms = Some(now_ms);
        self.behind_ms = None;
    }

    /// What was due up to this moment (Unix milliseconds) is decided.
    pub fn decide(&mut self, schedule: &Schedule, now_ms: i64) {
        match is_behind(schedule, self, now_ms) && !schedule.is_once() {
            true => self.behind_ms = Some(now_ms),
            false => self.decided_ms = Some(now_ms),
        }
    }
}

/// What is to be done about a schedule now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing.
    No,
    /// Nothing is run; from here on times are counted by a clock that is far behind.
    SetBack,
    /// It is run.
    Run {
        /// When it was due, Unix milliseconds.
        due_ms: i64,
        /// How many more times it was due since, which are not made up for.
        missed: u32,
        /// Not by the clock: somebody has it run now.
        by_hand: bool,
    },
    /// It is due, and is not run.
    Skip {
        /// When it was due, Unix milliseconds.
        due_ms: i64,
        /// Why not.
        why: &'static str,
        /// Not by the clock: somebody has it run now.
        by_hand: bool,
    },
}

/// What is skipped while the emergency stop holds.
pub const STOPPED: &str = "skipped: an emergency stop held";
/// What is skipped while the run before has not ended.
pub const OVERLAPS: &str = "skipped: the run before it had not ended";

/// What is to be done about a schedule at this moment (Unix milliseconds); `stopped`: the emergency stop
/// holds.
pub fn decide(
    schedule: &Schedule,
    state: &State,
    now_ms: i64,
    zone: &TimeZone,
    stopped: bool,
) -> Due {
    if !state.suspended.is_empty() {
        return Due::No;
    }
    if base(schedule, state, now_ms).is_none() && !is_over(schedule, state) {
        return Due::SetBack;
    }
    let due = due(schedule, state, now_ms, zone);
    let due_ms = match (due, state.requested.is_empty()) {
        (Some(due), _) => due,
        (None, false) => now_ms,
        (None, true) => return Due::No,
    };
    let by_hand = due.is_none();
    let skip = |why| Due::Skip {
        due_ms,
        why,
        by_hand,
    };
    if stopped {
        return skip(STOPPED);
    }
    if state.running.is_some() {
        return skip(OVERLAPS);
    }
    Due::Run {
        due_ms,
        missed: due.map_or(0, |due| missed(schedule, due, now_ms, zone)),
        by_hand,
    }
}

/// When it is due next, as the clock is now; nothing when it is over or suspended.
pub fn next(schedule: &Schedule, state: &State, now_ms: i64, zone: &TimeZone) -> Option<i64> {
    if !state.suspended.is_empty() || is_over(schedule, state) {
        return None;
    }
    let after = base(schedule, state, now_ms).map_or(now_ms, |base| base.max(now_ms));
    schedule.when.next(after, schedule.created_ms, zone)
}

/// Was it to be done once, and is that decided?
pub fn is_over(schedule: &Schedule, state: &State) -> bool {
    match schedule.when {
        When::Once(at) => state.decided_ms.is_some_and(|decided| decided >= at),
        _ => false,
    }
}

/// The first time that it was due and that is not decided yet.
fn due(schedule: &Schedule, state: &State, now_ms: i64, zone: &TimeZone) -> Option<i64> {
    if is_over(schedule, state) {
        return None;
    }
    let after = base(schedule, state, now_ms)?;
    let next = schedule.when.next(after, schedule.created_ms, zone);
    next.filter(|next| *next <= now_ms)
}

/// The moment up to which all is decided; nothing when the clock was set back far since that was noted.
fn base(schedule: &Schedule, state: &State, now_ms: i64) -> Option<i64> {
    if !is_behind(schedule, state, now_ms) {
        return Some(decided(schedule, state));
    }
    state
        .behind_ms
        .filter(|behind| behind.saturating_sub(now_ms) <= SET_BACK_MS)
}

/// Is the clock far behind what is decided?
fn is_behind(schedule: &Schedule, state: &State, now_ms: i64) -> bool {
    decided(schedule, state).saturating_sub(now_ms) > SET_BACK_MS
}

fn decided(schedule: &Schedule, state: &State) -> i64 {
    state.decided_ms.unwrap_or(schedule.created_ms)
}

fn missed(schedule: &Schedule, first: i64, now_ms: i64, zone: &TimeZone) -> u32 {
    let mut after = first;
    let mut missed = 0;
    while missed < MISSED_MAX
        && let Some(next) = schedule.when.next(after, schedule.created_ms, zone)
        && next <= now_ms
    {
        after = next;
        missed += 1;
    }
    missed
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
