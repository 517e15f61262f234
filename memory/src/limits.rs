//! What is too large or malformed is refused before it is queued.

use aios_contracts::v1::{Decision, Event, Goal, PutGoalRequest, RememberRequest, Task};
use prost::Message as _;

use crate::error::Error;

/// An id, in characters. A UUID has 36.
const ID_MAX: usize = 64;

/// The shortest prefix by which a goal can be found, in characters.
const PREFIX_MIN: usize = 6;

/// A goal without its tasks, in bytes: its text is at most 2,000 characters, its
/// answer what fits some screens.
pub const GOAL_MAX: usize = 256 * 1024;

/// A goal with its tasks, in bytes: it must fit a message (4 MiB).
pub const GOAL_WITH_TASKS_MAX: usize = 3584 * 1024;

/// Tasks of one goal. Plans are a handful.
const TASKS_MAX: u32 = 1024;

/// A decision, in bytes.
const DECISION_MAX: usize = 64 * 1024;

/// An event, in bytes: a line.
const EVENT_MAX: usize = 8 * 1024;

/// A text to be remembered or recalled by, in bytes. The embedding model reads
/// some hundred words.
const TEXT_MAX: usize = 16 * 1024;

/// A request to remember or to recall, in bytes: room for those that are refused with a reason.
pub const REMEMBERED_MAX: usize = 64 * 1024;

/// A kind's name, in characters.
const KIND_MAX: usize = 64;

/// A reference, in bytes: a path at most.
const REFERENCE_MAX: usize = 4096;

/// Checks a goal, the tasks in it, and the decisions about it.
///
/// # Errors
/// `Invalid` or `TooLarge`, saying what and how much is allowed.
pub fn put_goal(request: &PutGoalRequest) -> Result<(), Error> {
    let none = || Error::Invalid("there is no goal in the request".to_owned());
    let goal = request.goal.as_ref().ok_or_else(none)?;
    self::goal(goal)?;
    goal.tasks.iter().try_for_each(task)?;
    request.decisions.iter().try_for_each(decision)?;
    let tasks = goal.tasks.iter().map(|task| &task.goal_id);
    let decisions = request.decisions.iter().map(|decision| &decision.goal_id);
    match tasks.chain(decisions).find(|id| **id != goal.id) {
        None => Ok(()),
        Some(other) => Err(Error::Invalid(format!(
            "with goal {} came something about goal {other}",
            goal.id
        ))),
    }
}

fn goal(goal: &Goal) -> Result<(), Error> {
    id("goal id", &goal.id)?;
    let tasks: usize = goal.tasks.iter().map(|task| task.encoded_len()).sum();
    at_most(
        "the goal",
        goal.encoded_len().saturating_sub(tasks),
        GOAL_MAX,
    )
}

fn task(task: &Task) -> Result<(), Error> {
    id("goal id", &task.goal_id)?;
    if task.index >= TASKS_MAX {
        return Err(Error::Invalid(format!(
            "the task index {} is not below {TASKS_MAX}",
            task.index
        )));
    }
    at_most(
        "the task",
        task.encoded_len(),
        GOAL_WITH_TASKS_MAX - GOAL_MAX,
    )
}

fn decision(decision: &Decision) -> Result<(), Error> {
    id("decision id", &decision.id)?;
    id("goal id", &decision.goal_id)?;
    at_most("the decision", decision.encoded_len(), DECISION_MAX)
}

/// Checks an event.
///
/// # Errors
/// As [`put_goal`].
pub fn event(event: &Event) -> Result<(), Error> {
    kind(&event.kind)?;
    at_most("the event", event.encoded_len(), EVENT_MAX)
}

/// Checks what shall be remembered.
///
/// # Errors
/// As [`put_goal`].
pub fn remember(request: &RememberRequest) -> Result<(), Error> {
    kind(&request.kind)?;
    text(&request.text)?;
    at_most("the reference", request.reference.len(), REFERENCE_MAX)
}

/// Checks a text to be embedded.
///
/// # Errors
/// As [`put_goal`].
pub fn text(text: &str) -> Result<(), Error> {
    if text.trim().is_empty() {
        return Err(Error::Invalid("the text is empty".to_owned()));
    }
    at_most("the text", text.len(), TEXT_MAX)
}

/// Checks the beginning of a goal's id.
///
/// # Errors
/// As [`put_goal`].
pub fn prefix(prefix: &str) -> Result<(), Error> {
    id("goal id", prefix)?;
    if prefix.len() < PREFIX_MIN {
        return Err(Error::Invalid(format!(
            "a goal id can be shortened to {PREFIX_MIN} characters, not to {}",
            prefix.len()
        )));
    }
    Ok(())
}

/// How many to list: what was asked for, within reason.
pub fn list(asked: u32, default: u32, most: u32) -> u32 {
    match asked {
        0 => default,
        asked => asked.min(most),
    }
}

fn kind(kind: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=KIND_MAX).contains(&kind.len()) && kind.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a kind is 1 to {KIND_MAX} letters, digits, '.', '_' or '-'"
    )))
}

/// Ids are letters, digits and dashes: nothing that means something elsewhere.
fn id(what: &str, id: &str) -> Result<(), Error> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if (1..=ID_MAX).contains(&id.len()) && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "a {what} is 1 to {ID_MAX} letters, digits or dashes"
    )))
}

fn at_most(what: &str, bytes: usize, most: usize) -> Result<(), Error> {
    if bytes <= most {
        return Ok(());
    }
    Err(Error::TooLarge(format!(
        "{what} has {bytes} bytes; at most {most} can be kept"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_ids_are_refused() {
        let check = |id: &str, expected: bool| {
            let outcome = goal(&Goal {
                id: id.into(),
                ..Default::default()
            });
            assert_eq!(outcome.is_ok(), expected, "{id:?}");
        };
        check("0190ab12-7d3c-7000-8000-000000000000", true);
        for id in ["", "a b", "../x", "%", "a\0b", "é", "_", &"a".repeat(65)] {
            check(id, false);
        }
        assert!(prefix("abcde").is_err());
        assert!(prefix("abcdef").is_ok());
        assert!(prefix("abcde%").is_err());
    }

    #[test]
    fn hostile_sizes_are_refused() {
        let too_large =
            |outcome| assert!(matches!(outcome, Err(Error::TooLarge(_))), "{outcome:?}");
        let big = "x".repeat(5_000_000);
        let id = "goal-1".to_owned();
        too_large(goal(&Goal {
            id: id.clone(),
            text: big.clone(),
            ..Default::default()
        }));
        too_large(task(&Task {
            goal_id: id.clone(),
            summary: big.clone(),
            ..Default::default()
        }));
        let wild = Decision {
            id: id.clone(),
            goal_id: id.clone(),
            reason: big.clone(),
            ..Default::default()
        };
        too_large(decision(&wild));
        too_large(event(&Event {
            kind: "x".into(),
            text: big.clone(),
            ..Default::default()
        }));
        too_large(text(&big));
        assert!(text(" \n").is_err());
        assert!(
            task(&Task {
                goal_id: id,
                index: u32::MAX,
                ..Default::default()
            })
            .is_err()
        );
        assert!(event(&Event::default()).is_err(), "an event without a kind");
    }

    #[test]
    fn a_list_has_a_default_and_an_end() {
        assert_eq!(list(0, 50, 1000), 50);
        assert_eq!(list(7, 50, 1000), 7);
        assert_eq!(list(u32::MAX, 50, 1000), 1000);
    }
}
