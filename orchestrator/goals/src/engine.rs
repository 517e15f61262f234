//! What is done about a goal next: a pure function of its record and of what interrupts it.

use crate::{Goal, State, Task, TaskState, UnixMillis};

/// A goal that needs more acts than this is not understood.
pub const ACTS_MAX: usize = 8;

/// An answer or a reason is cut here, in characters: more than a few screens.
const TEXT_MAX: usize = 32 * 1024;

/// What ends a goal from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Somebody does not want it any more.
    Cancelled {
        /// Certificate subject and serial.
        by: String,
    },
    /// It took too long.
    Expired {
        /// How long it was allowed to take, in seconds.
        after_s: u64,
    },
}

/// How a goal ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every task succeeded; the true values.
    Succeeded {
        /// What the tasks returned.
        answer: String,
    },
    /// It could not be done.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was called off.
    Cancelled {
        /// By whom.
        reason: String,
    },
}

/// The next thing to do about a goal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it has ended.
    Rest,
    /// Ask the planner.
    Plan,
    /// Have the task of this index carried out, again if it was under way.
    Execute(usize),
    /// Wait for the approval that the task of this index waits for.
    Wait(usize),
    /// Write the end.
    Finish(End),
}

/// What to do about the goal now.
pub fn next(goal: &Goal, interruption: Option<&Interruption>) -> Step {
    if goal.is_finished() {
        return Step::Rest;
    }
    let with = |state: TaskState| goal.tasks.iter().find(move |task| task.state == state);
    if let Some(task) = with(TaskState::Failed) {
        return Step::Finish(End::Failed {
            reason: failure(goal, task),
        });
    }
    match interruption {
        Some(Interruption::Cancelled { by }) => {
            return Step::Finish(End::Cancelled {
                reason: format!("cancelled by {by}{}", so_far(goal)),
            });
        }
        Some(Interruption::Expired { after_s }) => {
            return Step::Finish(End::Failed {
                reason: format!("not finished within {after_s} seconds{}", so_far(goal)),
            });
        }
        None => {}
    }
    if with(TaskState::Cancelled).is_some() {
        let reason = format!("one of its tasks was cancelled{}", so_far(goal));
        return Step::Finish(End::Cancelled { reason });
    }
    let unfinished = |task: &Task| task.state != TaskState::Succeeded;
    match goal.tasks.iter().position(unfinished) {
        Some(index) if goal.tasks[index].state == TaskState::Waiting => Step::Wait(index),
        Some(index) => Step::Execute(index),
        None => Step::Plan,
    }
}

/// The goal after its end; tasks that had not ended end with it.
pub fn finish(goal: &mut Goal, end: End, at: UnixMillis) {
    let (end, task_state) = match end {
        End::Succeeded { answer } => {
            debug_assert!(goal.tasks.iter().all(|t| t.state == TaskState::Succeeded));
            let answer = shortened(answer);
            (End::Succeeded { answer }, TaskState::Succeeded)
        }
        End::Failed { reason } => {
            let reason = shortened(reason);
            (End::Failed { reason }, TaskState::Failed)
        }
        End::Cancelled { reason } => {
            let reason = shortened(reason);
            (End::Cancelled { reason }, TaskState::Cancelled)
        }
    };
    goal.state = State::Ended { end, at };
    for task in goal.tasks.iter_mut().filter(|task| task.is_open()) {
        task.state = task_state;
        task.error = "ended with its goal; what it did until then is in the audit log".into();
        task.finished_ms = at;
    }
}

/// What the goal's tasks returned, after a note; a line each.
pub fn answer(goal: &Goal, note: &str) -> String {
    let summaries = goal.tasks.iter().map(|task| task.summary.as_str());
    std::iter::once(note)
        .chain(summaries)
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Cut where it would not fit into the goal's record; the tasks have the whole.
fn shortened(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => format!("{} …", &text[..at]),
        None => text,
    }
}

fn failure(goal: &Goal, task: &Task) -> String {
    let error = match task.error.as_str() {
        "" => "it failed without saying why",
        error => error,
    };
    match goal.tasks.len() {
        1 => error.to_owned(),
        _ => format!("task {}: {error}{}", task.index + 1, so_far(goal)),
    }
}

/// What was done before it ended badly, in brackets; empty when nothing was. It stays done, and
/// can be undone.
pub fn so_far(goal: &Goal) -> String {
    match done_so_far(goal).as_slice() {
        [] => String::new(),
        done => format!(" (done before: {})", done.join("; ")),
    }
}

/// What was done for the goal, each with the way to take it back where there is one.
pub fn done_so_far(goal: &Goal) -> Vec<String> {
    let done = goal
        .tasks
        .iter()
        .filter(|task| task.state == TaskState::Succeeded);
    done.map(told).collect()
}

fn told(task: &Task) -> String {
    let what = match task.summary.lines().next() {
        None | Some("") => task.act.as_str(),
        Some(summary) => summary,
    };
    let reversible = task.executions.iter().filter(|one| one.reversible);
    let ids: Vec<&str> = reversible.map(|one| one.id.as_str()).collect();
    match ids.as_slice() {
        [] => what.to_owned(),
        ids => format!("{what}, undo with aiosctl undo {}", ids.join(" ")),
    }
}

#[cfg(test)]
#[path = "engine_tests.rs"]
mod tests;
