//! Schedules on the wire.

use aios_contracts::v1 as wire;
use aios_tool::format::cut;
use tonic::Status;

use super::convert::role_to_wire;
use crate::pipeline::{Run, Taken};
use crate::schedule::file::Schedule;
use crate::schedule::list::{Listed, Shown};
use crate::schedule::order::Order;

/// The longest text of what is ordered in a list, in bytes.
const TEXT_MAX: usize = 400;

/// All schedules in short, or the one of this id whole.
pub(super) fn all(listed: Listed, id: &str) -> Result<wire::Schedules, Status> {
    let Listed {
        schedules,
        unreadable,
    } = listed;
    let is_whole = !id.is_empty();
    let mut found = schedules;
    found.retain(|(one, _)| one.id.starts_with(id));
    match found.len() {
        0 if is_whole => return Err(Status::not_found(format!("there is no schedule {id:?}"))),
        2.. if is_whole => {
            return Err(Status::failed_precondition(format!(
                "several schedules begin with {id:?}; name more of it"
            )));
        }
        _ => {}
    }
    let mut schedules: Vec<_> = found
        .into_iter()
        .map(|(one, shown)| schedule(one, shown))
        .collect();
    if !is_whole {
        schedules.iter_mut().for_each(shorten);
    }
    Ok(wire::Schedules {
        schedules,
        unreadable,
    })
}

/// A thousand schedules are one message of at most 4 MiB.
fn shorten(one: &mut wire::Schedule) {
    one.goal = cut(&one.goal, TEXT_MAX);
    if let Some(call) = &mut one.call {
        call.arguments_json = cut(&call.arguments_json, TEXT_MAX);
    }
}

pub(super) fn taken(taken: Taken) -> wire::TakenSchedules {
    wire::TakenSchedules {
        runs: taken.runs.into_iter().map(run).collect(),
        troubles: taken.troubles,
    }
}

fn schedule(one: Schedule, shown: Shown) -> wire::Schedule {
    let (goal, call) = order(&one.order);
    let state = match shown.state.as_str() {
        "runs" => wire::ScheduleState::Runs,
        "suspended" => wire::ScheduleState::Suspended,
        "done" => wire::ScheduleState::Done,
        _ => wire::ScheduleState::Waits,
    };
    wire::Schedule {
        id: one.id,
        goal,
        call,
        when: one.when_text,
        by: one.by,
        role: role_to_wire(one.role).into(),
        created_ms: one.created_ms,
        state: state.into(),
        reason: shown.reason,
        next_ms: shown.next_ms.unwrap_or_default(),
        next: shown.next.unwrap_or_default(),
        goal_id: shown.goal_id,
        last: shown.last.map(|last| wire::ScheduleRun {
            due_ms: last.due_ms,
            ended_ms: last.ended_ms,
            goal_id: last.goal_id,
            succeeded: last.succeeded,
            text: last.text,
        }),
        remark: shown.remark,
        digest: one.digest,
    }
}

fn run(run: Run) -> wire::DueRun {
    let (goal, call) = order(&run.order);
    wire::DueRun {
        schedule: run.schedule,
        goal_id: run.goal_id,
        goal,
        call,
        by: run.by,
        role: role_to_wire(run.role).into(),
    }
}

fn order(order: &Order) -> (String, Option<wire::ToolCall>) {
    match order {
        Order::Goal(words) => (words.clone(), None),
        Order::Call(call) => {
            let call = wire::ToolCall {
                tool: call.tool.clone(),
                arguments_json: order.arguments_json(),
            };
            (String::new(), Some(call))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::book::Schedules;
    use crate::schedule::list::listed;
    use jiff::tz::TimeZone;

    #[test]
    fn a_list_is_short_and_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let schedules = Schedules::open(&root, 0).unwrap();
        for id in ["0000000a", "0000000b"] {
            let text = format!(
                "format = 1\nby = \"CN=ann\"\nrole = \"operator\"\ncreated_ms = 0\n\
                 when = \"daily 02:00\"\norder = '\"{}\"'\ndigest = \"\"\n",
                "x".repeat(2000)
            );
            std::fs::write(schedules.path(id), text).unwrap();
        }
        let ask = |id: &str| all(listed(&schedules, 0, &TimeZone::UTC), id);
        let lengths = |id: &str| -> Vec<usize> {
            let found = ask(id).unwrap().schedules.into_iter();
            found.map(|one| one.goal.len()).collect()
        };
        assert!(lengths("").iter().all(|length| *length <= TEXT_MAX));
        assert_eq!(lengths("").len(), 2);
        assert_eq!(lengths("0000000b"), [2000]);
        assert_eq!(ask("9").unwrap_err().code(), tonic::Code::NotFound);
        assert_eq!(
            ask("0").unwrap_err().code(),
            tonic::Code::FailedPrecondition
        );
    }
}
