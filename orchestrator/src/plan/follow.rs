//! What follows from a plan that the guard cleared: a further task, or the goal's end. Pure.

use aios_goals::engine::{ACTS_MAX, answer, so_far};
use aios_goals::{End, Goal, Task, TaskState};

use super::Next;
use crate::guard::Cleared;

/// A further task of a goal all of whose tasks succeeded, or its end.
///
/// # Errors
/// The end.
pub fn follow(goal: &Goal, cleared: &Cleared) -> Result<Task, End> {
    let plan = cleared.plan();
    match &plan.next {
        Next::Done { note } if goal.tasks.is_empty() && note.is_empty() => Err(End::Failed {
            reason: "nothing was done for it".into(),
        }),
        Next::Done { note } => Err(End::Succeeded {
            answer: answer(goal, note),
        }),
        Next::Refuse(reason) => Err(End::Failed {
            reason: format!("{reason}{}", so_far(goal)),
        }),
        Next::Act(_) if goal.tasks.len() >= ACTS_MAX => Err(End::Failed {
            reason: format!("it needs more than {ACTS_MAX} acts{}", so_far(goal)),
        }),
        Next::Act(act) => Ok(Task {
            index: goal.tasks.len(),
            act: act.name().to_owned(),
            arguments: act.arguments().clone(),
            calls: act.calls().to_vec(),
            state: TaskState::Pending,
            confidence: plan.confidence,
            level: plan.level,
            ..Task::default()
        }),
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
