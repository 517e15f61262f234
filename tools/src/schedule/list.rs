//! `schedule.list`: what is to be done later, and what became of it so far.

use aios_role::Role;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;
use jiff::tz::TimeZone;

use super::book::{FOLDER, Schedules};
use super::due::{self, State};
use super::file::Schedule;
use super::{when, zone};
use crate::pipeline::now_ms;

/// The tool `schedule.list`.
pub struct List;

/// A schedule.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Shown {
    /// Its id, by which it is deleted or run.
    pub schedule: String,
    /// What is done, in a line: a goal in words, or a tool and its arguments.
    pub order: String,
    /// When: `daily 02:00`.
    pub when: String,
    /// Who ordered it: certificate subject and serial.
    pub by: String,
    /// With which role it is done.
    pub role: String,
    /// `waits`, `runs`, `suspended`, or `done`: once, and it was.
    pub state: String,
    /// Why it is suspended; empty when it is not.
    pub reason: String,
    /// When it is due next, Unix milliseconds; absent when it is suspended or done.
    pub next_ms: Option<i64>,
    /// The same on the node's clock.
    pub next: Option<String>,
    /// The goal that carries it out now; empty when none does.
    pub goal_id: String,
    /// The last run.
    pub last: Option<LastRun>,
    /// What else there is to say of the last time that it was due: that it was skipped, or late.
    pub remark: String,
}

/// How a run ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LastRun {
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

/// All schedules.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The schedules, the oldest first.
    pub schedules: Vec<Shown>,
    /// Files in their folder that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// The schedules, each with what is shown of it.
#[derive(Debug)]
pub struct Listed {
    /// The oldest first.
    pub schedules: Vec<(Schedule, Shown)>,
    /// Files that cannot be read, and why.
    pub unreadable: Vec<String>,
}

/// All schedules, as they are shown.
pub fn listed(schedules: &Schedules, now_ms: i64, zone: &TimeZone) -> Listed {
    let listing = schedules.read(zone);
    let all = listing.schedules.into_iter().map(|one| {
        let state = schedules.state(&one.id);
        let shown = shown(&one, state, now_ms, zone);
        (one, shown)
    });
    let damage = schedules.damage();
    let damage = (!damage.is_empty()).then(|| damage.to_owned());
    Listed {
        schedules: all.collect(),
        unreadable: damage.into_iter().chain(listing.unreadable).collect(),
    }
}

fn shown(schedule: &Schedule, state: State, now_ms: i64, zone: &TimeZone) -> Shown {
    let next_ms = due::next(schedule, &state, now_ms, zone);
    let word = match (&state.running, state.suspended.is_empty()) {
        (Some(_), _) => "runs",
        (None, false) => "suspended",
        (None, true) if due::is_over(schedule, &state) => "done",
        (None, true) => "waits",
    };
    let last = state.last.map(|ended| LastRun {
        due_ms: ended.due_ms,
        ended_ms: ended.ended_ms,
        goal_id: ended.goal_id,
        succeeded: ended.succeeded,
        text: ended.text,
    });
    Shown {
        schedule: schedule.id.clone(),
        order: schedule.order.shown(),
        when: schedule.when_text.clone(),
        by: format::printable(&schedule.by),
        role: Role::name(schedule.role).to_owned(),
        state: word.to_owned(),
        reason: state.suspended,
        next_ms,
        next: next_ms.map(|next| when::shown(next, zone)),
        goal_id: state.running.map_or_else(String::new, |run| run.goal_id),
        last,
        remark: state.remark,
    }
}

impl Shown {
    /// The schedule for people, in a line.
    fn line(&self) -> String {
        let Self {
            schedule,
            order,
            when,
            state,
            ..
        } = self;
        let next = match &self.next {
            Some(next) => format!(", next {next}"),
            None => String::new(),
        };
        let last = match &self.last {
            Some(LastRun {
                succeeded, text, ..
            }) => {
                let how = if *succeeded { "succeeded" } else { "failed" };
                format!("; the last run {how}: {text}")
            }
            None => String::new(),
        };
        let because = |text: &str| match text {
            "" => String::new(),
            text => format!("; {text}"),
        };
        let (reason, remark) = (because(&self.reason), because(&self.remark));
        format!("{schedule} {when}: {order} ({state}{next}){reason}{last}{remark}")
    }
}

impl Tool for List {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "schedule.list",
            "Lists what is to be done later, with the next time of each and how its last run ended.",
        )
        .needing("schedule", "read", "schedules")
        .reading_the_machine()
        .within_own(FOLDER)
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let many = match output.schedules.len() {
            0 => "nothing is scheduled".to_owned(),
            1 => "1 schedule".to_owned(),
            many => format!("{many} schedules"),
        };
        let lines = output.schedules.iter().map(Shown::line);
        let unreadable = output
            .unreadable
            .iter()
            .map(|why| format!("cannot be read: {why}"));
        let all = std::iter::once(many).chain(lines).chain(unreadable);
        all.collect::<Vec<_>>().join("\n")
    }
}

impl Look for List {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let schedules = context.part::<Schedules>()?;
        let listed = listed(schedules, now_ms(), &zone::of_node());
        Ok(Output {
            schedules: listed
                .schedules
                .into_iter()
                .map(|(_, shown)| shown)
                .collect(),
            unreadable: listed.unreadable,
        })
    }
}
