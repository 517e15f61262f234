//! A goal as it happens, for people: what is new since it was last seen.

use aios_contracts::v1::{Goal, Level, Task, TaskState};

use crate::json;
use crate::output::{escape, format};

/// The longest value printed in a trace, in characters; `goal show --json` has all.
const VALUE_MAX: usize = 160;

/// The lines that tell how `now` differs from `before`. Already escaped.
pub fn changes(before: &Goal, now: &Goal) -> Vec<String> {
    let mut lines = Vec::new();
    if before.level() == Level::Unspecified && now.level() != Level::Unspecified {
        lines.push(format!("planned at the {} level", json::level(now.level())));
    }
    for task in &now.tasks {
        let seen = before.tasks.iter().find(|seen| seen.index == task.index);
        lines.extend(task_changes(seen, task));
    }
    lines
}

/// How the goal ended, for people. Already escaped.
pub fn ending(goal: &Goal) -> String {
    let took = format::duration(json::elapsed_ms(goal));
    let state = json::goal_state(goal);
    let said = if goal.answer.is_empty() {
        &goal.reason
    } else {
        &goal.answer
    };
    let said = escape::text(said.trim_end());
    match said.is_empty() {
        true => format!("{state} after {took}"),
        false => format!("{state} after {took}\n\n{said}"),
    }
}

/// A whole goal, for people. Already escaped.
pub fn whole(goal: &Goal) -> String {
    let mut lines = vec![
        format!("goal {}", escape::line(&goal.id)),
        format!(
            "  {:?} by {}",
            escape::line(&goal.text),
            escape::line(&goal.submitted_by)
        ),
        format!("  given {}", format::time(goal.created_ms)),
    ];
    lines.extend(changes(&Goal::default(), goal));
    if json::is_finished(goal) {
        lines.push(ending(goal));
    } else {
        lines.push(json::goal_state(goal));
    }
    lines.join("\n")
}

fn task_changes(before: Option<&Task>, now: &Task) -> Vec<String> {
    let mut lines = Vec::new();
    if before.is_none() {
        lines.push(format!(
            "[{}] {}: {} {}",
            now.index + 1,
            escape::line(&now.agent),
            escape::line(&now.act),
            short(&now.arguments_json),
        ));
    }
    let seen = before.map_or(0, |before| before.executions.len());
    for execution in now.executions.iter().skip(seen) {
        let undoable = if execution.reversible {
            "  (can be undone)"
        } else {
            ""
        };
        lines.push(format!(
            "      {} {} -> {}",
            escape::line(&execution.tool),
            short(&execution.arguments_json),
            short(&execution.summary),
        ));
        lines.push(format!(
            "      execution {}{undoable}",
            escape::line(&execution.id)
        ));
    }
    let waited = before.map_or("", |before| before.waits_for.as_str());
    if !now.waits_for.is_empty() && now.waits_for != waited {
        lines.push(format!(
            "    a person is asked: aiosctl approvals show {}",
            escape::line(&now.waits_for)
        ));
    }
    let was_finished = before.is_some_and(json::task_is_finished);
    if json::task_is_finished(now) && !was_finished {
        let what = match now.state() {
            TaskState::Succeeded => short(&now.summary),
            _ if now.error.is_empty() => short(&now.summary),
            _ => short(&now.error),
        };
        lines.push(format!("    {}: {what}", json::task_state(now)));
    }
    lines
}

/// One line, escaped, cut to what can be read at a glance.
fn short(text: &str) -> String {
    let safe = escape::line(text);
    match safe.char_indices().nth(VALUE_MAX) {
        Some((end, _)) => format!("{}…", &safe[..end]),
        None => safe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_contracts::v1::{Execution, GoalState};

    fn goal(state: TaskState, executions: usize) -> Goal {
        let execution = Execution {
            id: "e1".into(),
            tool: "fs.write".into(),
            arguments_json: r#"{"path":"/srv/x"}"#.into(),
            summary: "wrote 5 bytes".into(),
            reversible: true,
            ..Default::default()
        };
        Goal {
            level: Level::Operational.into(),
            tasks: vec![Task {
                agent: "storage".into(),
                act: "fs.write".into(),
                arguments_json: r#"{"path":"/srv/x"}"#.into(),
                summary: "wrote\x1b[2J".into(),
                state: state.into(),
                executions: vec![execution; executions],
                ..Default::default()
            }],
            ..Default::default()
        }
    }

    #[test]
    fn each_change_is_told_once_and_escaped() {
        let planned = goal(TaskState::Pending, 0);
        assert_eq!(
            changes(&Goal::default(), &planned),
            [
                "planned at the operational level",
                r#"[1] storage: fs.write {"path":"/srv/x"}"#
            ]
        );
        let done = goal(TaskState::Succeeded, 1);
        assert_eq!(
            changes(&planned, &done),
            [
                r#"      fs.write {"path":"/srv/x"} -> wrote 5 bytes"#,
                "      execution e1  (can be undone)",
                "    succeeded: wrote\\u{1b}[2J",
            ]
        );
        assert!(changes(&done, &done).is_empty());
    }

    #[test]
    fn the_ending_gives_the_answer_or_the_reason() {
        let check = |goal: &Goal, expected: &str| assert_eq!(ending(goal), expected);
        let mut goal = Goal {
            state: GoalState::Succeeded.into(),
            answer: "/ is 4% full\n".into(),
            created_ms: 5,
            finished_ms: 1_260,
            ..Default::default()
        };
        check(&goal, "succeeded after 1.25 s\n\n/ is 4% full");
        goal.state = GoalState::Failed.into();
        goal.answer.clear();
        goal.reason = "no tool does that".into();
        check(&goal, "failed after 1.25 s\n\nno tool does that");
    }

    #[test]
    fn a_long_value_is_cut_between_characters() {
        assert_eq!(short(&"é".repeat(500)).chars().count(), VALUE_MAX + 1);
    }
}
