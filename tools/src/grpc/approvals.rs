//! Previews and what waits for a person, on the wire.

use std::sync::Arc;

use aios_contracts::v1 as wire;
use aios_tool::preview::{Foreseen, Preview};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use super::convert::role;
use crate::approval::book::Order;
use crate::approval::{Asked, Book, Decision, Standing};
use crate::pipeline::{Pipeline, now_ms};

/// Changes that a list has of each call, and the longest text of each, in bytes: with 256 calls that is
/// well below one message.
const SHORT: usize = 10;
/// Calls that a list has: those that wait are at most 256.
const LISTED_MAX: usize = 300;
/// See [`SHORT`].
const TEXT_MAX: usize = 400;

pub(super) fn previewed((preview, decision): (Preview, String)) -> wire::PreviewResponse {
    wire::PreviewResponse {
        preview: Some(preview_to_wire(&preview, true)),
        decision,
    }
}

/// All calls in short, or the one of this id whole.
pub(super) fn list(book: &Book, id: &str) -> Result<wire::Approvals, Status> {
    let rules = book.rules().iter().map(ToString::to_string).collect();
    let all = book.all();
    if id.is_empty() {
        let mut shown: Vec<wire::Approval> =
            all.iter().map(|asked| approval(asked, false)).collect();
        // Those that wait first, if there are too many to be shown.
        let waits = |one: &wire::Approval| one.state() != wire::ApprovalState::Waiting;
        shown.sort_by_key(waits);
        shown.truncate(LISTED_MAX);
        shown.sort_by_key(|one| one.asked_ms);
        let approvals = shown;
        return Ok(wire::Approvals { approvals, rules });
    }
    let mut found = all.iter().filter(|asked| asked.id.starts_with(id));
    match (found.next(), found.next()) {
        (Some(asked), None) => Ok(wire::Approvals {
            approvals: vec![approval(asked, true)],
            rules,
        }),
        (Some(_), Some(_)) => Err(Status::failed_precondition(format!(
            "several calls begin with {id:?}; name more of it"
        ))),
        _ => Err(Status::not_found(format!("no call {id:?} waits"))),
    }
}

/// Sends all in short, now and after each change, until nobody listens.
pub(super) async fn watch(
    pipeline: Arc<Pipeline>,
    sender: Sender<Result<wire::Approvals, Status>>,
) {
    let mut changes = pipeline.book().subscribe();
    // Nothing waits for this stream when the daemon stops.
    let Ok(terminated) = aios_daemon::serve::terminated() else {
        return;
    };
    tokio::pin!(terminated);
    loop {
        changes.mark_unchanged();
        if sender.send(list(pipeline.book(), "")).await.is_err() {
            return;
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = sender.closed() => return,
            () = &mut terminated => return,
        }
    }
}

pub(super) fn order(request: wire::DecideApprovalRequest) -> Order {
    Order {
        role: role(request.role()),
        id: request.id,
        digest: request.digest,
        always: request.always,
        decision: Decision {
            allowed: request.allow,
            by: request.by,
            reason: request.reason,
            at_ms: now_ms(),
        },
    }
}

/// A call that waits; `whole`, or in short.
pub(super) fn approval(asked: &Asked, whole: bool) -> wire::Approval {
    let state = match asked.standing(now_ms()) {
        Standing::Waits => wire::ApprovalState::Waiting,
        Standing::Allowed => wire::ApprovalState::Allowed,
        Standing::Denied => wire::ApprovalState::Denied,
        Standing::Expired => wire::ApprovalState::Expired,
    };
    let text = |text: &str| match whole {
        true => text.to_owned(),
        false => short(text),
    };
    let decision = asked.decision.as_ref();
    wire::Approval {
        id: asked.id.clone(),
        agent: asked.call.actor.clone(),
        tool: asked.call.tool.clone(),
        arguments_json: text(&asked.input.to_string()),
        risk: i32::from(asked.risk),
        why: text(&asked.why),
        goal_id: asked.call.goal_id.clone(),
        goal: text(&asked.call.reason),
        on_behalf_of: text(&asked.call.on_behalf_of),
        asked_ms: asked.asked_ms,
        expires_ms: asked.expires_ms,
        preview: Some(preview_to_wire(&asked.preview, whole)),
        state: state.into(),
        decided_by: decision.map(|one| one.by.clone()).unwrap_or_default(),
        reason: decision.map(|one| one.reason.clone()).unwrap_or_default(),
        decided_ms: decision.map_or(0, |one| one.at_ms),
    }
}

fn preview_to_wire(preview: &Preview, whole: bool) -> wire::Preview {
    let most = if whole { usize::MAX } else { SHORT };
    let changes: Vec<wire::Foreseen> = preview
        .changes
        .iter()
        .take(most)
        .map(|one| foreseen(one, whole))
        .collect();
    wire::Preview {
        more: preview.count() - changes.len() as u64,
        changes,
        summary: short(&preview.summary()),
        digest: aios_ledger::hex(&preview.digest()),
    }
}

fn foreseen(one: &Foreseen, whole: bool) -> wire::Foreseen {
    let text = |text: &String| match whole {
        true => text.clone(),
        false => short(text),
    };
    wire::Foreseen {
        object: text(&one.object),
        before: text(&one.before),
        after: text(&one.after),
        diff: match whole {
            true => one.diff.clone(),
            false => String::new(),
        },
    }
}

fn short(text: &str) -> String {
    aios_tool::format::cut(text, TEXT_MAX)
}
