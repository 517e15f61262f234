//! Between the wire's types and those of the daemon. Pure.

use aios_contracts::v1 as wire;
use aios_daemon::identity::Principal;
use aios_ledger::Entry;
use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tool::spec::{Least, Risk};
use aios_tool::tool::ErasedTool;

use crate::{pipeline, tasks};

/// Items of one list in an answer.
const LIST_MAX: usize = 1000;

pub(super) fn role(role: wire::Role) -> Role {
    match role {
        wire::Role::Admin => Role::Admin,
        wire::Role::Operator => Role::Operator,
        wire::Role::Viewer | wire::Role::Unspecified => Role::Viewer,
    }
}

/// The role of the operator that a caller asks for; none when root asks for itself.
pub(super) fn operator(caller: &Principal, told: wire::Role) -> Option<Role> {
    match (caller, told) {
        (Principal::Root, wire::Role::Unspecified) => None,
        (_, told) => Some(role(told)),
    }
}

pub(super) fn role_to_wire(role: Role) -> wire::Role {
    match role {
        Role::Admin => wire::Role::Admin,
        Role::Operator => wire::Role::Operator,
        Role::Viewer => wire::Role::Viewer,
    }
}

pub(super) fn risk(risk: Risk) -> wire::Risk {
    match risk {
        Risk::Low => wire::Risk::Low,
        Risk::Medium => wire::Risk::Medium,
        Risk::High => wire::Risk::High,
        Risk::Critical => wire::Risk::Critical,
    }
}

pub(super) fn task(request: wire::RegisterTaskRequest) -> tasks::Task {
    let role = role(request.role());
    let step = |step: wire::SkillStep| tasks::Step {
        call_id: step.call_id,
        tool: step.tool,
        arguments_json: step.arguments_json,
    };
    tasks::Task {
        agent: request.agent,
        goal_id: request.goal_id,
        task_index: request.task_index,
        reason: request.reason,
        on_behalf_of: request.on_behalf_of,
        role,
        steps: request.steps.into_iter().map(step).collect(),
    }
}

pub(super) fn dropped_to_wire(dropped: pipeline::Dropped) -> wire::ReclaimStorageResponse {
    let one = |one: pipeline::DroppedExecution| wire::ReclaimedExecution {
        execution_id: one.id,
        tool: one.tool,
        goal_id: one.goal_id,
        ended_ms: one.ended_ms,
        bytes: one.bytes,
    };
    wire::ReclaimStorageResponse {
        executions: dropped.executions.len() as u64,
        bytes: dropped.bytes(),
        remarks: dropped.remarks.into_iter().take(LIST_MAX).collect(),
        dropped: dropped
            .executions
            .into_iter()
            .take(LIST_MAX)
            .map(one)
            .collect(),
    }
}

pub(super) fn answer_to_wire(answer: pipeline::Answer) -> wire::CallResponse {
    wire::CallResponse {
        execution_id: answer.execution_id,
        output_json: answer.output.to_string(),
        summary: answer.summary,
        reversible: answer.reversible,
        replayed: answer.replayed,
    }
}

pub(super) fn outcome_to_wire(outcome: Option<tasks::Outcome>) -> wire::CallOutcome {
    match outcome {
        None => wire::CallOutcome::default(),
        Some(Ok(answer)) => wire::CallOutcome {
            succeeded: Some(match answer.output.is_null() {
                true => wire::CallResponse {
                    output_json: String::new(), // too large to be kept
                    ..answer_to_wire(answer)
                },
                false => answer_to_wire(answer),
            }),
            ..wire::CallOutcome::default()
        },
        Some(Err(ToolError::Waits { approval, .. })) => wire::CallOutcome {
            waits_for: approval,
            ..wire::CallOutcome::default()
        },
        Some(Err(error)) => wire::CallOutcome {
            failed: error.to_string(),
            ..wire::CallOutcome::default()
        },
    }
}

pub(super) fn entry_to_wire(entry: Entry) -> wire::AuditEntry {
    wire::AuditEntry {
        index: entry.index,
        time_ms: entry.time_ms,
        kind: entry.kind,
        actor: entry.actor,
        on_behalf_of: entry.on_behalf_of,
        tool: entry.tool,
        execution_id: entry.execution_id,
        call_id: entry.call_id,
        goal_id: entry.goal_id,
        task_index: entry.task_index,
        reason: entry.reason,
        decision: entry.decision,
        input_sha256: entry.input_sha256,
        output_sha256: entry.output_sha256,
        outcome: entry.outcome,
    }
}

pub(super) fn described(tool: &dyn ErasedTool) -> wire::Tool {
    let spec = tool.spec();
    let risk = risk(spec.risk);
    let effect = spec.effect();
    wire::Tool {
        name: spec.name.clone(),
        description: spec.description.clone(),
        input_schema_json: tool.input_schema().to_string(),
        output_schema_json: tool.output_schema().to_string(),
        capabilities: spec.capabilities.clone(),
        risk: risk.into(),
        mutating: spec.changes(),
        idempotent: effect.is_none_or(|effect| effect.idempotent),
        reversible: spec.is_reversible(),
        timeout_ms: spec.timeout_ms,
        post_condition: effect
            .map_or("nothing is changed", |effect| &effect.post_condition)
            .to_owned(),
        least_role: least_role(spec.least).into(),
    }
}

/// The role with which at least some calls of the tool may be ordered.
fn least_role(least: Least) -> wire::Role {
    match least {
        Least::Operator | Least::AdminForOwn => wire::Role::Operator,
        Least::Admin => wire::Role::Admin,
    }
}
