//! The wire's messages as JSON documents: field names as in the `.proto` files,
//! enumerations as lower-case words, embedded JSON as JSON.

use aios_contracts::v1::{
    AgentInfo, Approval, AuditEntry, BootTimeline, EmergencyState, Execution, Foreseen, Goal,
    GoalState, Level, LogLine, Model, Preview, Role, Schedule, ScheduleRun, Service, Slots,
    SystemStatus, Task, TaskState, Tool,
};
use serde_json::{Value, json};

/// An enumeration's value as a word: `GOAL_STATE_FAILED` is `failed`.
pub fn word(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix)
        .unwrap_or(name)
        .to_ascii_lowercase()
}

/// `pending`, `running`, `succeeded`, `failed`, `cancelled`.
pub fn goal_state(goal: &Goal) -> String {
    word(goal.state().as_str_name(), "GOAL_STATE_")
}

/// As [`goal_state`].
pub fn task_state(task: &Task) -> String {
    word(task.state().as_str_name(), "TASK_STATE_")
}

/// `reactive`, `operational`, `tactical`, `strategic`; empty when not planned yet.
pub fn level(level: Level) -> String {
    match level {
        Level::Unspecified => String::new(),
        level => word(level.as_str_name(), "LEVEL_"),
    }
}

/// `ready`, `degraded`, …
pub fn service_state(service: &Service) -> String {
    word(service.state().as_str_name(), "SERVICE_STATE_")
}

/// `low`, `medium`, `high`, `critical`.
pub fn risk(tool: &Tool) -> String {
    word(tool.risk().as_str_name(), "RISK_")
}

/// `operator`, `admin`; `unspecified` of a node that does not say it.
pub fn least_role(tool: &Tool) -> String {
    word(tool.least_role().as_str_name(), "ROLE_")
}

/// `debug`, `info`, `warning`, `error`.
pub fn log_level(line: &LogLine) -> String {
    word(line.level().as_str_name(), "LOG_LEVEL_")
}

/// `available`, `loading`, `ready`, `failed`.
pub fn model_state(model: &Model) -> String {
    word(model.state().as_str_name(), "MODEL_STATE_")
}

/// The slots.
pub fn slots(slots: &Slots) -> Value {
    let slot = |slot: &aios_contracts::v1::Slot| {
        json!({
            "name": slot.name,
            "release": slot.release,
            "version": slot.version,
            "good": slot.good,
            "tries": slot.tries,
        })
    };
    json!({
        "running": slots.running,
        "first": slots.first,
        "floor": slots.floor,
        "boot_id": slots.boot_id,
        "slots": slots.slots.iter().map(slot).collect::<Vec<_>>(),
    })
}

/// `waiting`, `allowed`, `denied`, `expired`.
pub fn approval_state(approval: &Approval) -> String {
    word(approval.state().as_str_name(), "APPROVAL_STATE_")
}

/// `waits`, `runs`, `suspended`, `done`.
pub fn schedule_state(schedule: &Schedule) -> String {
    word(schedule.state().as_str_name(), "SCHEDULE_STATE_")
}

/// `viewer`, `operator`, `admin`.
pub fn role(role: Role) -> String {
    word(role.as_str_name(), "ROLE_")
}

/// What is to be done later.
pub fn schedule(one: &Schedule) -> Value {
    let run = |last: &ScheduleRun| {
        json!({
            "due_ms": last.due_ms, "ended_ms": last.ended_ms, "goal_id": last.goal_id,
            "succeeded": last.succeeded, "text": last.text,
        })
    };
    let call = one
        .call
        .as_ref()
        .map(|call| json!({ "tool": call.tool, "arguments": embedded(&call.arguments_json) }));
    json!({
        "id": one.id, "state": schedule_state(one), "goal": one.goal, "call": call,
        "when": one.when, "next_ms": one.next_ms, "next": one.next, "by": one.by,
        "role": role(one.role()), "created_ms": one.created_ms, "reason": one.reason,
        "goal_id": one.goal_id, "last": one.last.as_ref().map(run), "remark": one.remark,
        "digest": one.digest,
    })
}

/// A call that waits for a person.
pub fn approval(approval: &Approval) -> Value {
    json!({
        "id": approval.id, "state": approval_state(approval), "agent": approval.agent,
        "tool": approval.tool, "arguments": embedded(&approval.arguments_json),
        "risk": word(approval.risk().as_str_name(), "RISK_"), "why": approval.why,
        "goal_id": approval.goal_id, "goal": approval.goal,
        "on_behalf_of": approval.on_behalf_of, "asked_ms": approval.asked_ms,
        "expires_ms": approval.expires_ms, "decided_by": approval.decided_by,
        "reason": approval.reason, "decided_ms": approval.decided_ms,
        "preview": approval.preview.as_ref().map(preview),
    })
}

/// What a call would do.
pub fn preview(preview: &Preview) -> Value {
    let one = |one: &Foreseen| {
        json!({
            "object": one.object, "before": one.before, "after": one.after, "diff": one.diff,
        })
    };
    json!({
        "summary": preview.summary, "more": preview.more, "digest": preview.digest,
        "changes": preview.changes.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Text that should be JSON, as JSON; as a string when it is not.
pub fn embedded(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// Has the goal ended?
pub fn is_finished(goal: &Goal) -> bool {
    matches!(
        goal.state(),
        GoalState::Succeeded | GoalState::Failed | GoalState::Cancelled
    )
}

/// Has the task ended?
pub fn task_is_finished(task: &Task) -> bool {
    matches!(
        task.state(),
        TaskState::Succeeded | TaskState::Failed | TaskState::Cancelled
    )
}

/// A goal with its tasks.
pub fn goal(goal: &Goal) -> Value {
    json!({
        "id": goal.id, "text": goal.text, "state": goal_state(goal),
        "answer": goal.answer, "reason": goal.reason, "level": level(goal.level()),
        "submitted_by": goal.submitted_by, "created_ms": goal.created_ms,
        "updated_ms": goal.updated_ms, "finished_ms": goal.finished_ms,
        "elapsed_ms": elapsed_ms(goal),
        "call": goal.call.as_ref().map(|call| json!({
            "tool": call.tool, "arguments": embedded(&call.arguments_json),
        })),
        "tasks": goal.tasks.iter().map(task).collect::<Vec<_>>(),
    })
}

/// From submission to the end, or to the last change.
pub fn elapsed_ms(goal: &Goal) -> u64 {
    let end = match goal.finished_ms {
        0 => goal.updated_ms,
        finished => finished,
    };
    end.saturating_sub(goal.created_ms).try_into().unwrap_or(0)
}

/// A task with its executions.
pub fn task(task: &Task) -> Value {
    json!({
        "index": task.index, "agent": task.agent, "act": task.act,
        "arguments": embedded(&task.arguments_json), "state": task_state(task),
        "summary": task.summary, "error": task.error, "confidence": task.confidence,
        "level": level(task.level()), "started_ms": task.started_ms,
        "finished_ms": task.finished_ms, "waits_for": task.waits_for,
        "executions": task.executions.iter().map(execution).collect::<Vec<_>>(),
    })
}

/// One tool call that was made.
pub fn execution(execution: &Execution) -> Value {
    json!({
        "id": execution.id, "tool": execution.tool,
        "arguments": embedded(&execution.arguments_json),
        "output": embedded(&execution.output_json),
        "summary": execution.summary, "reversible": execution.reversible,
    })
}

/// How the appliance is.
pub fn status(status: &SystemStatus) -> Value {
    json!({
        "version": status.version, "node": status.node, "state": status.state,
        "uptime_ms": status.uptime_ms, "ready_ms": status.ready_ms,
        "degraded": status.degraded, "not_in_force": status.not_in_force, "last_crash": status.last_crash,
        "services_ready": status.services_ready, "services_total": status.services_total,
        "agents_connected": status.agents_connected, "agents_total": status.agents_total,
        "goals_running": status.goals_running,
        "memory_total_bytes": status.memory_total_bytes,
        "memory_available_bytes": status.memory_available_bytes,
        "you": status.you,
        "emergency": status.emergency.as_ref().map(emergency),
    })
}

/// The emergency stop.
pub fn emergency(state: &EmergencyState) -> Value {
    json!({
        "stopped": state.stopped, "by": state.by, "reason": state.reason,
        "since_ms": state.since_ms, "goals_suspended": state.goals_suspended,
        "remarks": state.remarks,
    })
}

/// The boot's phases and events.
pub fn boot(boot: &BootTimeline) -> Value {
    json!({
        "way": boot.way, "ready_ms": boot.ready_ms, "degraded": boot.degraded,
        "last_crash": boot.last_crash,
        "conditions": boot.conditions.iter().map(|condition| json!({
            "id": condition.id, "detail": condition.detail,
        })).collect::<Vec<_>>(),
        "phases": boot.phases.iter().map(|phase| json!({
            "number": phase.number, "name": phase.name,
            "started_ms": phase.started_ms, "finished_ms": phase.finished_ms,
        })).collect::<Vec<_>>(),
        "events": boot.events.iter().map(|event| json!({
            "at_ms": event.at_ms, "text": event.text,
        })).collect::<Vec<_>>(),
    })
}

/// A service.
pub fn service(service: &Service) -> Value {
    json!({
        "name": service.name, "description": service.description,
        "state": service_state(service), "pid": service.pid, "restarts": service.restarts,
        "since_boot_ms": service.since_boot_ms, "last_exit": service.last_exit,
        "without": service.without, "phase": service.phase,
        "memory_bytes": service.memory_bytes, "status": service.status,
    })
}

/// An agent.
pub fn agent(agent: &AgentInfo) -> Value {
    json!({
        "name": agent.name, "description": agent.description, "tools": agent.tools,
        "capabilities": agent.capabilities, "tasks_done": agent.tasks_done,
        "tasks_failed": agent.tasks_failed, "doing": agent.doing,
        "connected": agent.connected, "pid": agent.pid,
    })
}

/// A tool.
pub fn tool(tool: &Tool) -> Value {
    json!({
        "name": tool.name, "description": tool.description,
        "input_schema": embedded(&tool.input_schema_json),
        "output_schema": embedded(&tool.output_schema_json),
        "capabilities": tool.capabilities, "risk": risk(tool),
        "mutating": tool.mutating, "idempotent": tool.idempotent,
        "reversible": tool.reversible, "timeout_ms": tool.timeout_ms,
        "post_condition": tool.post_condition,
        "least_role": least_role(tool),
    })
}

/// A model.
pub fn model(model: &Model) -> Value {
    json!({
        "name": model.name, "state": model_state(model), "path": model.path,
        "size_bytes": model.size_bytes, "architecture": model.architecture,
        "context_length": model.context_length, "embedding_length": model.embedding_length,
        "generates": model.generates, "builtin": model.builtin,
        "worker_pid": model.worker_pid, "error": model.error,
    })
}

/// An entry of the ledger.
pub fn audit(entry: &AuditEntry) -> Value {
    json!({
        "index": entry.index, "time_ms": entry.time_ms, "kind": entry.kind,
        "actor": entry.actor, "on_behalf_of": entry.on_behalf_of, "tool": entry.tool,
        "execution_id": entry.execution_id, "call_id": entry.call_id,
        "goal_id": entry.goal_id, "task_index": entry.task_index, "reason": entry.reason,
        "decision": entry.decision, "input_sha256": entry.input_sha256,
        "output_sha256": entry.output_sha256, "outcome": entry.outcome,
    })
}

/// A line of a log.
pub fn log(line: &LogLine) -> Value {
    json!({
        "time_ms": line.time_ms, "service": line.service,
        "level": log_level(line), "text": line.text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_reads_as_one_document() {
        let message = Goal {
            id: "g".into(),
            state: GoalState::Succeeded.into(),
            level: Level::Operational.into(),
            created_ms: 10,
            finished_ms: 35,
            tasks: vec![Task {
                state: TaskState::Succeeded.into(),
                arguments_json: r#"{"path":"/srv"}"#.into(),
                executions: vec![Execution {
                    output_json: "not json".into(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        };
        let document = goal(&message);
        let check = |pointer, expected: Value| {
            assert_eq!(document.pointer(pointer), Some(&expected), "{pointer}");
        };
        check("/state", json!("succeeded"));
        check("/level", json!("operational"));
        check("/elapsed_ms", json!(25));
        check("/tasks/0/arguments/path", json!("/srv"));
        check("/tasks/0/executions/0/output", json!("not json"));
        check("/call", Value::Null);
    }
}
