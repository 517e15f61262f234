//! `schedule.create`: has something done later.

use aios_tool::argument::Text;
use aios_tool::file::meta::Meta;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

use super::book::{FOLDER, Schedules};
use super::file::{ID_LEN, Schedule};
use super::order::Order;
use super::when::{self, When};
use super::zone;
use crate::pipeline::now_ms;

/// The tool `schedule.create`.
pub struct Create;

arguments! {
    /// Arguments of `schedule.create`.
    pub struct Input {
        /// What is done: a goal in plain words (`check disk usage`, at most 2,000 characters), or one
        /// call: `{"tool": "fs.delete", "arguments": {"path": "/srv/old"}}` (at most 32 KiB of JSON). It is
        /// done in the name and with the role of whoever orders it.
        pub order: Order,
        /// When: `2026-12-01 03:00` or `in 10 minutes` (once), `every 15 minutes`, `daily 02:00`,
        /// `weekly sunday 04:30`, `monthly 1 05:00`, or the five fields of a cron line (`0 5 * * 1-5`).
        /// In the node's time zone; not more often than once a minute; at most 200 characters.
        pub when: Text,
    }
}

/// The schedule.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Its id, by which it is deleted or run.
    pub schedule: String,
    /// What is done, in a line.
    pub order: String,
    /// When it is done.
    pub when: String,
    /// When it is due first, Unix milliseconds.
    pub next_ms: i64,
    /// The same on the node's clock.
    pub next: String,
}

impl Tool for Create {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "schedule.create",
            "Has a goal or one call of a tool carried out later, once or again and again.",
        )
        .risk(Risk::Medium)
        .needing("schedule", "create", "schedules")
        .reading_the_machine()
        .within_own(FOLDER)
        .example(json!({
            "order": {"tool": "fs.disk_usage", "arguments": {"path": "/srv"}}, "when": "daily 02:00"
        }))
    }

    fn relate(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        if context.operator().subject.is_empty() {
            return Err(ToolError::Invalid(
                "order: nobody is named in whose name it would be done".into(),
            ));
        }
        parsed(input).map(drop)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output {
            schedule,
            order,
            when,
            next,
            ..
        } = output;
        format!("schedule {schedule}, {when}: {order}; first {next}")
    }
}

impl Edit for Create {
    fn effect() -> Effect {
        Effect::of(
            "the schedule is kept as it was ordered",
            &["schedule", "plan"],
        )
        .undone_by(Undo::ChangeSet)
        .not_idempotent()
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let schedules = context.part::<Schedules>()?;
        let schedule = schedule(input, context)?;
        let path = schedules.path(&schedule.id);
        if aios_tool::file::state::State::at(&path)? != aios_tool::file::state::State::Absent {
            return Err(ToolError::Precondition(format!(
                "there is a schedule {} already; give the order again",
                schedule.id
            )));
        }
        schedules.has_room(&schedule.by, &zone::of_node())?;
        let own = (
            rustix::process::geteuid().as_raw(),
            rustix::process::getegid().as_raw(),
        );
        Plan::within_own(FOLDER, context).file(&path, schedule.text()?, Meta::new(0o600, own))
    }

    /// Without a moment: that is another at each look.
    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        Self::plan(input, context)?;
        let (_, text) = parsed(input)?;
        let when = match text.contains('T') {
            true => input.when.to_string(), // a moment: as it was said
            false => text,
        };
        let operator = context.operator();
        let mut after = format!(
            "{}: {}, for {} with the role {}",
            format::printable(&when),
            input.order.shown(),
            format::printable(&operator.subject),
            operator.role
        );
        if let Order::Call(call) = &input.order
            && let Some(grant) = &call.grant
        {
            after += &format!(
                "; risk {}, needs {}; resolved arguments {}",
                grant.facts.risk,
                format::printable(&grant.facts.needs.join(", ")),
                format::printable(&grant.facts.input.to_string())
            );
        }
        Ok(Foreseen::of("schedule", "absent", &after).into())
    }

    fn output(_: &Input, changed: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let (schedules, zone) = (context.part::<Schedules>()?, zone::of_node());
        let kept = schedules.find(&id(context)?, &zone)?;
        let lost = || ToolError::Unverified("the schedule is not due any more".into());
        let after = kept.created_ms;
        let next_ms = kept.when.next(after, after, &zone).ok_or_else(lost)?;
        debug_assert!(changed.len() <= 1, "one file");
        Ok(Output {
            order: kept.order.shown(),
            when: kept.when_text,
            schedule: kept.id,
            next_ms,
            next: when::shown(next_ms, &zone),
        })
    }
}

/// When it is done, and the text by which that is kept.
fn parsed(input: &Input) -> Result<(When, String), ToolError> {
    let text = input.when.as_str();
    let when = When::parse(text, now_ms(), &zone::of_node())
        .map_err(|why| ToolError::Invalid(format!("when: {why}")))?;
    let written = when.written(text);
    Ok((when, written))
}

fn schedule(input: &Input, context: &Context) -> Result<Schedule, ToolError> {
    let (when, when_text) = parsed(input)?;
    let operator = context.operator();
    Ok(Schedule {
        id: id(context)?,
        by: operator.subject.clone(),
        role: operator.role,
        created_ms: now_ms(),
        when_text,
        when,
        order: input.order.clone(),
        digest: String::new(),
    }
    .sealed())
}

/// The schedule's id follows from the execution, so that a repetition finds it.
fn id(context: &Context) -> Result<String, ToolError> {
    let digits = context.execution().get(..ID_LEN);
    digits
        .filter(|digits| super::file::is_id(digits))
        .map(str::to_owned)
        .ok_or_else(|| ToolError::Failed("the execution has no id to name a schedule by".into()))
}
