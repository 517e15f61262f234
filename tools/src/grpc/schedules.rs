//! Schedules on the wire.

use aios_contracts::v1 as wire;

use super::convert::role_to_wire;
use crate::pipeline::{Run, Taken};
use crate::schedule::file::Schedule;
use crate::schedule::list::{Listed, Shown};
use crate::schedule::order::Order;

pub(super) fn all(listed: Listed) -> wire::Schedules {
    let schedules = listed.schedules.into_iter();
    wire::Schedules {
        schedules: schedules.map(|(one, shown)| schedule(one, shown)).collect(),
        unreadable: listed.unreadable,
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
