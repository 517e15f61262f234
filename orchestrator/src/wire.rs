//! Goals as they travel, and as the memory keeps them: to and from the domain's types. Pure.
//!
//! A record of an older version, or a damaged one, is shown as it is and never refused: whoever
//! lists goals must see it.

use aios_contracts::v1;
use aios_goals::{
    Arguments, Call, End, Execution, Goal, Level, Role, State, Task, TaskState, ToolCall,
};
use serde_json::Value;

/// The only key of arguments that were no JSON object; its value is what they were.
const UNREADABLE: &str = "unreadable";

/// A goal's record.
pub fn goal_to_wire(goal: &Goal) -> v1::Goal {
    let (state, answer, reason, finished_ms) = state_to_wire(&goal.state);
    let waits = goal
        .tasks
        .iter()
        .any(|task| task.state == TaskState::Waiting);
    let state = match state {
        v1::GoalState::Running if waits => v1::GoalState::Waiting,
        state => state,
    };
    v1::Goal {
        id: goal.id.clone(),
        text: goal.text.clone(),
        state: state.into(),
        answer,
        reason,
        level: level_to_wire(goal.level).into(),
        submitted_by: goal.submitted_by.clone(),
        role: role_to_wire(goal.role).into(),
        created_ms: goal.created_ms,
        updated_ms: goal.updated_ms,
        finished_ms,
        tasks: goal
            .tasks
            .iter()
            .map(|task| task_to_wire(&goal.id, task))
            .collect(),
        call: goal.call.as_ref().map(|call| v1::ToolCall {
            tool: call.tool.clone(),
            arguments_json: call.arguments_json.clone(),
        }),
    }
}

/// A goal from its record.
pub fn goal(record: v1::Goal) -> Goal {
    let state = state(&record);
    let level = level(record.level());
    let role = role(record.role());
    Goal {
        id: record.id,
        text: record.text,
        call: record.call.map(call),
        submitted_by: record.submitted_by,
        role,
        created_ms: record.created_ms,
        updated_ms: record.updated_ms,
        level,
        tasks: record.tasks.into_iter().map(task).collect(),
        state,
    }
}

/// A call that an operator named.
pub fn call(call: v1::ToolCall) -> Call {
    Call {
        tool: call.tool,
        arguments_json: call.arguments_json,
    }
}

/// The record of a task of the goal with this id.
pub fn task_to_wire(goal_id: &str, task: &Task) -> v1::Task {
    let execution = |execution: &Execution| v1::Execution {
        id: execution.id.clone(),
        tool: execution.tool.clone(),
        arguments_json: json(&execution.arguments),
        output_json: execution.output_json.clone(),
        summary: execution.summary.clone(),
        reversible: execution.reversible,
    };
    v1::Task {
        goal_id: goal_id.to_owned(),
        index: u32::try_from(task.index).unwrap_or(u32::MAX),
        agent: task.agent.clone(),
        act: task.act.clone(),
        arguments_json: json(&task.arguments),
        state: task_state_to_wire(task.state).into(),
        summary: task.summary.clone(),
        error: task.error.clone(),
        confidence: task.confidence,
        level: level_to_wire(task.level).into(),
        executions: task.executions.iter().map(execution).collect(),
        started_ms: task.started_ms,
        finished_ms: task.finished_ms,
        waits_for: task.waits_for.clone(),
    }
}

/// A task from its record.
pub fn task(record: v1::Task) -> Task {
    let state = task_state(record.state());
    let level = level(record.level());
    Task {
        index: usize::try_from(record.index).unwrap_or(usize::MAX),
        agent: record.agent,
        act: record.act,
        arguments: arguments(&record.arguments_json),
        calls: Vec::new(),
        state,
        summary: record.summary,
        error: record.error,
        confidence: record.confidence,
        level,
        executions: record.executions.into_iter().map(execution).collect(),
        waits_for: record.waits_for,
        started_ms: record.started_ms,
        finished_ms: record.finished_ms,
    }
}

/// A tool call of a task, for its agent and for `aios-tools`.
pub fn tool_call_to_wire(call_id: String, call: &ToolCall) -> v1::SkillStep {
    v1::SkillStep {
        call_id,
        tool: call.tool.clone(),
        arguments_json: json(&call.arguments),
    }
}

/// Who planned, as a record has it.
pub fn level_to_wire(level: Option<Level>) -> v1::Level {
    match level {
        None => v1::Level::Unspecified,
        Some(Level::Reactive) => v1::Level::Reactive,
        Some(Level::Operational) => v1::Level::Operational,
        Some(Level::Tactical) => v1::Level::Tactical,
        Some(Level::Strategic) => v1::Level::Strategic,
    }
}

/// The submitter's role, as a record has it.
pub fn role_to_wire(role: Role) -> v1::Role {
    match role {
        Role::Viewer => v1::Role::Viewer,
        Role::Operator => v1::Role::Operator,
        Role::Admin => v1::Role::Admin,
    }
}

/// The role of a record; that of an operator in records of versions before.
pub fn role(role: v1::Role) -> Role {
    match role {
        v1::Role::Viewer => Role::Viewer,
        v1::Role::Unspecified | v1::Role::Operator => Role::Operator,
        v1::Role::Admin => Role::Admin,
    }
}

fn level(level: v1::Level) -> Option<Level> {
    match level {
        v1::Level::Unspecified => None,
        v1::Level::Reactive => Some(Level::Reactive),
        v1::Level::Operational => Some(Level::Operational),
        v1::Level::Tactical => Some(Level::Tactical),
        v1::Level::Strategic => Some(Level::Strategic),
    }
}

fn execution(record: v1::Execution) -> Execution {
    Execution {
        id: record.id,
        tool: record.tool,
        arguments: arguments(&record.arguments_json),
        output_json: record.output_json,
        summary: record.summary,
        reversible: record.reversible,
    }
}

/// State, answer, reason, and when it ended.
fn state_to_wire(state: &State) -> (v1::GoalState, String, String, i64) {
    let none = String::new;
    match state {
        State::Pending => (v1::GoalState::Pending, none(), none(), 0),
        State::Running => (v1::GoalState::Running, none(), none(), 0),
        State::Ended { end, at } => match end {
            End::Succeeded { answer } => (v1::GoalState::Succeeded, answer.clone(), none(), *at),
            End::Failed { reason } => (v1::GoalState::Failed, none(), reason.clone(), *at),
            End::Cancelled { reason } => (v1::GoalState::Cancelled, none(), reason.clone(), *at),
        },
    }
}

fn state(record: &v1::Goal) -> State {
    let reason = record.reason.clone();
    let end = match record.state() {
        v1::GoalState::Unspecified | v1::GoalState::Pending => return State::Pending,
        v1::GoalState::Running | v1::GoalState::Waiting => return State::Running,
        v1::GoalState::Succeeded => End::Succeeded {
            answer: record.answer.clone(),
        },
        v1::GoalState::Failed => End::Failed { reason },
        v1::GoalState::Cancelled => End::Cancelled { reason },
    };
    State::Ended {
        end,
        at: record.finished_ms,
    }
}

fn task_state_to_wire(state: TaskState) -> v1::TaskState {
    match state {
        TaskState::Pending => v1::TaskState::Pending,
        TaskState::Running => v1::TaskState::Running,
        TaskState::Waiting => v1::TaskState::Waiting,
        TaskState::Succeeded => v1::TaskState::Succeeded,
        TaskState::Failed => v1::TaskState::Failed,
        TaskState::Cancelled => v1::TaskState::Cancelled,
    }
}

fn task_state(state: v1::TaskState) -> TaskState {
    match state {
        v1::TaskState::Unspecified | v1::TaskState::Pending => TaskState::Pending,
        v1::TaskState::Running => TaskState::Running,
        v1::TaskState::Waiting => TaskState::Waiting,
        v1::TaskState::Succeeded => TaskState::Succeeded,
        v1::TaskState::Failed => TaskState::Failed,
        v1::TaskState::Cancelled => TaskState::Cancelled,
    }
}

fn json(arguments: &Arguments) -> String {
    Value::Object(arguments.clone()).to_string()
}

fn arguments(text: &str) -> Arguments {
    if text.trim().is_empty() {
        return Arguments::new();
    }
    serde_json::from_str(text).unwrap_or_else(|_| {
        let mut unreadable = Arguments::new();
        unreadable.insert(UNREADABLE.to_owned(), text.into());
        unreadable
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::{GoalState, Level as WireLevel, TaskState as WireTaskState};

    fn record(state: GoalState) -> v1::Goal {
        let ended = !matches!(
            state,
            GoalState::Pending | GoalState::Running | GoalState::Waiting
        );
        let succeeded = state == GoalState::Succeeded;
        v1::Goal {
            id: "g".into(),
            text: "write x to /srv/a".into(),
            state: state.into(),
            answer: if succeeded {
                "written".into()
            } else {
                String::new()
            },
            reason: if ended && !succeeded {
                "why".into()
            } else {
                String::new()
            },
            level: WireLevel::Operational.into(),
            submitted_by: "CN=ann serial 5".into(),
            role: v1::Role::Admin.into(),
            created_ms: 1,
            updated_ms: 2,
            finished_ms: if ended { 3 } else { 0 },
            tasks: vec![v1::Task {
                goal_id: "g".into(),
                index: 0,
                agent: "storage".into(),
                act: "fs.write".into(),
                arguments_json: r#"{"content":"x","path":"/srv/a"}"#.into(),
                state: WireTaskState::Running.into(),
                summary: "s".into(),
                error: "e".into(),
                confidence: 0.5,
                level: WireLevel::Reactive.into(),
                executions: vec![v1::Execution {
                    id: "e".into(),
                    tool: "fs.write".into(),
                    arguments_json: r#"{"content":"x"}"#.into(),
                    output_json: "{\"bytes\": 1}".into(),
                    summary: "1 B".into(),
                    reversible: true,
                }],
                started_ms: 4,
                finished_ms: 5,
                waits_for: String::new(),
            }],
            call: Some(v1::ToolCall {
                tool: "fs.write".into(),
                arguments_json: "{ not json".into(),
            }),
        }
    }

    #[test]
    fn a_record_is_the_same_after_it_was_a_goal() {
        for state in [
            GoalState::Pending,
            GoalState::Running,
            GoalState::Succeeded,
            GoalState::Failed,
            GoalState::Cancelled,
        ] {
            assert_eq!(goal_to_wire(&goal(record(state))), record(state));
        }
    }

    #[test]
    fn a_goal_waits_while_one_of_its_tasks_does() {
        let mut waiting = record(GoalState::Waiting);
        waiting.tasks[0].state = WireTaskState::Waiting.into();
        waiting.tasks[0].waits_for = "a".into();
        assert_eq!(goal_to_wire(&goal(waiting.clone())), waiting);
        let running = record(GoalState::Running);
        assert_eq!(goal(waiting).state, goal(running).state);
    }

    #[test]
    fn arguments_that_are_no_object_are_shown_and_never_a_call() {
        let damaged = v1::Task {
            arguments_json: "not json".into(),
            ..v1::Task::default()
        };
        let read = task(damaged);
        assert_eq!(read.arguments[UNREADABLE], "not json");
        assert_eq!(read.state, TaskState::Pending);
    }
}
