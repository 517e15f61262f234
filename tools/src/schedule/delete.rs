//! `schedule.delete`: has something no longer done.

use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

use super::book::{FOLDER, Schedules, may_touch};
use super::file::Schedule;
use super::{ScheduleId, zone};
use aios_tool::argument::Remove;

/// The tool `schedule.delete`.
pub struct Delete;

arguments! {
    /// Arguments of `schedule.delete`.
    pub struct Input {
        /// The schedule, by its id as `schedule.list` shows it: eight hexadecimal digits.
        pub schedule: ScheduleId<Remove>,
    }
}

/// What is no longer done.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The id that it had.
    pub schedule: String,
}

impl Tool for Delete {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "schedule.delete",
            "Deletes a schedule, so that what it says is no longer done. A run under way goes on.",
        )
        .risk(Risk::Medium)
        .reading_the_machine()
        .within_own(FOLDER)
        .example(json!({"schedule": "7f3a2c1e"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!("schedule {} is deleted", output.schedule)
    }
}

impl Edit for Delete {
    fn effect() -> Effect {
        Effect::of("there is no such schedule", &["delete", "remove", "cancel"])
            .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        found(input, context)?;
        let path = context.part::<Schedules>()?.path(input.schedule.as_str());
        Plan::within_own(FOLDER, context).absent(&path)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let schedule = found(input, context)?;
        let before = format!("{}: {}", schedule.when_text, schedule.order.shown());
        let object = format!("schedule {}", schedule.id);
        Ok(Foreseen::of(object, &before, "absent").into())
    }

    fn output(input: &Input, _: &[Entry], _: &Context) -> Result<Output, ToolError> {
        Ok(Output {
            schedule: input.schedule.to_string(),
        })
    }
}

fn found(input: &Input, context: &Context) -> Result<Schedule, ToolError> {
    let schedules = context.part::<Schedules>()?;
    let schedule = schedules.find(input.schedule.as_str(), &zone::of_node())?;
    may_touch(&schedule, context.operator())?;
    Ok(schedule)
}
