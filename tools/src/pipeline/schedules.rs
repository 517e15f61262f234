//! Schedules: which are due, whether what was ordered still means the same, and what became of them.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use aios_ledger::Entry;
use aios_role::Role;
use aios_tool::context::{Context, Operator};
use aios_tool::error::ToolError;
use aios_tool::format;
use aios_tool::tool::{ErasedTool, Prepared};
use jiff::tz::TimeZone;
use serde_json::Value;
use uuid::Uuid;

use super::audit::{cut, fitting, now_ms};
use super::{Pipeline, Request};
use crate::approval::Verdict;
use crate::schedule::due::{self, Due, Ended, Running, State};
use crate::schedule::file::{Schedule, Standing};
use crate::schedule::grant::{Facts, Judge, Judged};
use crate::schedule::list::{Listed, listed};
use crate::schedule::order::Order;
use crate::schedule::{when, zone};
use crate::unrecorded;

/// How long it may take to find out where the paths of one order lead.
const JUDGE_LIMIT: Duration = Duration::from_secs(10);
/// A run that is later than this says so, in milliseconds.
const LATE_MS: i64 = 60_000;
/// Runs that are handed out at once; the others come with the next look.
const RUNS_MAX: usize = 32;
/// The longest outcome that is kept, in bytes.
const OUTCOME_MAX: usize = 500;
/// Who makes these records.
const ACTOR: &str = "aios-tools";

/// What is to be done now.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    /// Runs that nobody watches yet.
    pub runs: Vec<Run>,
    /// What is wrong with schedules, for people.
    pub troubles: Vec<String>,
}

/// A run that is to be carried out as a goal.
#[derive(Clone, Debug)]
pub struct Run {
    /// The schedule.
    pub schedule: String,
    /// The id of the goal.
    pub goal_id: String,
    /// In whose name.
    pub by: String,
    /// With which role.
    pub role: Role,
    /// What is to be done.
    pub order: Order,
}

impl Pipeline {
    /// Which runs are to be carried out now: those that are due, and those under way that are none of the
    /// goals that the caller watches. `stopped`: the emergency stop holds, and what is due is skipped.
    ///
    /// # Errors
    /// `Unavailable` when what is due cannot be put on record; then it is not run.
    pub fn take_schedules(&self, watched: &[String], stopped: bool) -> Result<Taken, ToolError> {
        let _one_at_a_time = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let stopped = stopped || self.emergency.stopped().is_some();
        let (now, zone) = (now_ms(), zone::of_node());
        let listing = self.schedules.read(&zone);
        self.schedules.note(&listing, now)?;
        let mut taken = Taken::default();
        let damage = self.schedules.damage();
        taken
            .troubles
            .extend((!damage.is_empty()).then(|| damage.to_owned()));
        taken.troubles.extend(listing.unreadable);
        for schedule in listing.schedules {
            self.consider(&schedule, now, &zone, stopped)?;
            let state = self.schedules.state(&schedule.id);
            if !state.suspended.is_empty() {
                let why = &state.suspended;
                taken
                    .troubles
                    .push(format!("{} is suspended: {why}", schedule.id));
            }
            if let Some(Running { goal_id, .. }) = state.running
                && !stopped
                && !watched.contains(&goal_id)
                && taken.runs.len() < RUNS_MAX
            {
                taken.runs.push(Run {
                    schedule: schedule.id,
                    goal_id,
                    by: schedule.by,
                    role: schedule.role,
                    order: schedule.order,
                });
            }
        }
        Ok(taken)
    }

    fn consider(
        &self,
        schedule: &Schedule,
        now: i64,
        zone: &TimeZone,
        stopped: bool,
    ) -> Result<(), ToolError> {
        let state = self.schedules.state(&schedule.id);
        match due::decide(schedule, &state, now, zone, stopped) {
            Due::No => Ok(()),
            Due::SetBack => {
                let id = &schedule.id;
                self.schedules
                    .change(id, |state| state.behind_ms = Some(now))
            }
            Due::Skip {
                due_ms,
                why,
                by_hand,
            } => {
                let due = when::shown(due_ms, zone);
                let skipped = |state: &mut State| {
                    state.remark = format!("{why} ({due})");
                    state.requested.clear();
                    if !by_hand {
                        state.decide(schedule, now);
                    }
                };
                match state.remark.starts_with(why) {
                    true => self.schedules.change(&schedule.id, skipped), // on record the first time
                    false => {
                        let detail = format!("{due}: {why}");
                        self.decided("schedule.skipped", schedule, "", &detail, skipped)
                    }
                }
            }
            Due::Run {
                due_ms,
                missed,
                by_hand,
            } => {
                let judged = self.judged(schedule);
                if let Standing::Void(why) = schedule.standing(judged.as_ref()) {
                    return self.suspend_schedule(schedule, &why);
                }
                let (due, how) = (
                    when::shown(due_ms, zone),
                    if by_hand { "by hand" } else { "due" },
                );
                let remark = match (now.saturating_sub(due_ms) > LATE_MS, missed) {
                    (false, _) => String::new(),
                    (true, 0) => format!("it was late: due {due}"),
                    (true, more) => {
                        format!("it was late: due {due}; {more} more times are not made up for")
                    }
                };
                let goal_id = Uuid::now_v7().to_string();
                let detail = format!("{how} {due}: {}", schedule.order.shown());
                self.decided("schedule.run", schedule, &goal_id, &detail, |state| {
                    let goal_id = goal_id.clone();
                    state.running = Some(Running { due_ms, goal_id });
                    state.remark = remark;
                    state.requested.clear();
                    if !by_hand {
                        state.decide(schedule, now);
                    }
                })
            }
        }
    }

    /// Keeps what was decided about a schedule and puts it on record, or does neither. A full disk so fills
    /// no ledger.
    fn decided(
        &self,
        kind: &str,
        schedule: &Schedule,
        goal_id: &str,
        what: &str,
        change: impl FnOnce(&mut State),
    ) -> Result<(), ToolError> {
        let before = self.schedules.state(&schedule.id);
        self.schedules.change(&schedule.id, change)?;
        self.note_schedule(kind, schedule, goal_id, what)
            .or_else(|error| {
                self.schedules
                    .change(&schedule.id, |state| *state = before)?;
                Err(error)
            })
    }

    /// What the call of a schedule would do now; nothing for a goal in words.
    fn judged(&self, schedule: &Schedule) -> Option<Result<Judged, ToolError>> {
        let call = schedule.call()?;
        let context = Context::new(
            std::sync::Arc::clone(&self.surroundings),
            &format!("schedule-{}", schedule.id),
            Instant::now() + JUDGE_LIMIT,
        );
        let context = context.ordered_by(Operator {
            subject: schedule.by.clone(),
            role: schedule.role,
        });
        let arguments = Value::Object(call.arguments.clone());
        let judge = context.part::<Judge>();
        Some(judge.and_then(|judge| judge.judge(&call.tool, arguments, &context)))
    }

    /// A run has ended. `void`: why its schedule is no longer to be carried out; empty when it is.
    ///
    /// # Errors
    /// `NotFound` when no schedule has this run; `Unavailable` when it cannot be kept.
    pub fn end_schedule(
        &self,
        goal_id: &str,
        succeeded: bool,
        text: &str,
        void: &str,
    ) -> Result<(), ToolError> {
        let id = self.schedules.of_goal(goal_id).ok_or_else(|| {
            ToolError::NotFound(format!("no schedule has a run of the goal {goal_id:?}"))
        })?;
        let ended_ms = now_ms();
        let outcome = if succeeded { "succeeded" } else { "failed" };
        let told = cut(&format::printable(text), OUTCOME_MAX);
        if let Ok(schedule) = self.schedules.find(&id, &zone::of_node()) {
            let detail = format!("{outcome}: {told}");
            self.note_schedule("schedule.ended", &schedule, goal_id, &detail)?;
            if !void.is_empty() {
                self.suspend_schedule(&schedule, void)?;
            }
        }
        self.schedules.change(&id, |state| {
            let Some(running) = state.running.take() else {
                return;
            };
            state.last = Some(Ended {
                due_ms: running.due_ms,
                ended_ms,
                goal_id: running.goal_id,
                succeeded,
                text: told,
            });
        })
    }

    /// All schedules, as they are shown to people.
    pub fn schedules(&self) -> Listed {
        listed(&self.schedules, now_ms(), &zone::of_node())
    }

    /// What becomes of a call that a schedule has made: `verdict`, or that it runs because it was allowed
    /// when it was ordered.
    ///
    /// # Errors
    /// `Denied` when it is not the call that was ordered; then the schedule is suspended.
    pub(super) fn by_schedule(
        &self,
        request: &Request,
        tool: &dyn ErasedTool,
        prepared: &Prepared,
        verdict: Verdict,
    ) -> Result<Verdict, ToolError> {
        let Some(id) = self.schedules.of_goal(&request.goal_id) else {
            return Ok(verdict);
        };
        let schedule = self.schedules.find(&id, &zone::of_node())?;
        let Some(call) = schedule.call() else {
            return Ok(verdict); // a goal in words: its calls were not known
        };
        let judged = Ok(Judged {
            facts: Facts::of(tool, prepared)?,
            needs: prepared.demands.needs.clone(),
            asks: match &verdict {
                Verdict::Asks(why) => Some(why.clone()),
                Verdict::Runs(_) => None,
            },
        });
        let standing = match call.tool == request.tool {
            true => schedule.standing(Some(&judged)),
            false => Standing::Void(format!("{} was not ordered", request.tool)),
        };
        match (standing, verdict) {
            (Standing::Holds, Verdict::Asks(why)) => Ok(Verdict::Runs(format!(
                "allowed when schedule {id} was ordered ({why})"
            ))),
            (Standing::Holds, verdict) => Ok(verdict),
            (Standing::Void(why), _) => {
                self.suspend_schedule(&schedule, &why)?;
                Err(ToolError::Denied(format!("schedule {id} is void: {why}")))
            }
        }
    }

    fn suspend_schedule(&self, schedule: &Schedule, why: &str) -> Result<(), ToolError> {
        let why = format::printable(why);
        tracing::warn!("schedule {} is suspended: {why}", schedule.id);
        let kept = why.clone();
        self.decided("schedule.suspended", schedule, "", &why, |state| {
            state.suspended = kept;
            state.requested.clear();
        })
    }

    fn note_schedule(
        &self,
        kind: &str,
        schedule: &Schedule,
        goal_id: &str,
        what: &str,
    ) -> Result<(), ToolError> {
        let detail = format!("{}: {what}", schedule.id);
        self.append(&fitting(Entry {
            goal_id: goal_id.to_owned(),
            ..unrecorded::entry(ACTOR, kind, &schedule.by, &detail)
        }))
        .map(drop)
    }
}
