//! `schedule.run_now`: has a schedule carried out now, beside its own times.

use std::time::UNIX_EPOCH;

use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

use super::book::{FOLDER, Schedules, may_touch};
use super::file::Schedule;
use super::{ScheduleId, zone};
use aios_tool::argument::Start;

/// The tool `schedule.run_now`.
pub struct RunNow;

arguments! {
    /// Arguments of `schedule.run_now`.
    pub struct Input {
        /// The schedule, by its id as `schedule.list` shows it: eight hexadecimal digits.
        pub schedule: ScheduleId<Start>,
    }
}

/// What is done now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The schedule's id.
    pub schedule: String,
    /// What is done, in a line.
    pub order: String,
}

impl Tool for RunNow {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "schedule.run_now",
            "Has a schedule carried out now, beside its own times: it begins within a few seconds.",
        )
        .risk(Risk::Medium)
        .reading_the_machine()
        .within_own(FOLDER)
        .changing_own_state()
        .example(json!({"schedule": "7f3a2c1e"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { schedule, order } = output;
        format!("schedule {schedule} begins within a few seconds: {order}")
    }
}

impl Change for RunNow {
    fn effect() -> Effect {
        Effect::of("the schedule is carried out now", &["run", "start"]).not_idempotent()
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let schedule = ready(input, context)?;
        let object = format!("schedule {}", schedule.id);
        let after = format!("runs now: {}", schedule.order.shown());
        Ok(Foreseen::of(object, "waits", &after).into())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let schedule = ready(input, context)?;
        context.part::<Schedules>()?.change(&schedule.id, |state| {
            state.requested = context.execution().to_owned()
        })?;
        Ok(output(&schedule))
    }

    fn verify(input: &Input, _: &Output, context: &Context) -> Result<(), ToolError> {
        match was_taken(input, context)? {
            true => Ok(()),
            false => Err(ToolError::Unverified(
                "nobody knows that it is to run".into(),
            )),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let schedules = context.part::<Schedules>()?;
        let state = schedules.state(input.schedule.as_str());
        // Taken already, and perhaps over: it is not run twice for one order.
        let since = interrupted
            .started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let since = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
        let ran = state.last.is_some_and(|last| last.ended_ms >= since) || state.running.is_some();
        if state.requested != interrupted.execution && !ran {
            return Ok(None);
        }
        let schedule = schedules.find(input.schedule.as_str(), &zone::of_node())?;
        Ok(Some(output(&schedule)))
    }
}

fn output(schedule: &Schedule) -> Output {
    Output {
        schedule: schedule.id.clone(),
        order: schedule.order.shown(),
    }
}

/// The schedule, when it can be carried out now.
fn ready(input: &Input, context: &Context) -> Result<Schedule, ToolError> {
    let schedules = context.part::<Schedules>()?;
    let schedule = schedules.find(input.schedule.as_str(), &zone::of_node())?;
    may_touch(&schedule, context.operator())?;
    let state = schedules.state(&schedule.id);
    let refused = |why: String| Err(ToolError::Precondition(format!("schedule {why}")));
    if !state.suspended.is_empty() {
        return refused(format!(
            "{} is suspended: {}; delete it and order it again",
            schedule.id, state.suspended
        ));
    }
    match state.running {
        Some(running) => refused(format!("{} runs: goal {}", schedule.id, running.goal_id)),
        None => Ok(schedule),
    }
}

/// Is it to run, or does it run, or did it?
fn was_taken(input: &Input, context: &Context) -> Result<bool, ToolError> {
    let state = context.part::<Schedules>()?.state(input.schedule.as_str());
    let taken = state.running.is_some() || state.last.is_some();
    Ok(state.requested == context.execution() || taken)
}
