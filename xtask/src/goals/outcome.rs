//! What became of a goal, as `aiosctl --json goal show` tells it.

use std::time::Duration;

use serde_json::Value;

/// How a goal ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    pub id: String,
    /// `succeeded`, `failed`, `cancelled`, `waiting`; `refused` when it was not taken, `timeout` when it did not end.
    pub state: String,
    /// Final text and question, without an echo of the goal.
    pub answer: String,
    /// What ran, or was to run when nothing did, in order.
    pub tools: Vec<String>,
    /// The executions that can be undone, oldest first.
    pub reversible: Vec<String>,
    /// It waits for an approval.
    pub waits_for_approval: bool,
    /// From its submission to its end, by the appliance's clock.
    pub took: Duration,
}

impl Outcome {
    /// Of a goal's document.
    pub fn of(goal: &Value) -> Self {
        let text = |key: &str| goal[key].as_str().unwrap_or_default();
        let tasks = goal["tasks"].as_array().map_or(&[][..], Vec::as_slice);
        let state = text("state").to_owned();
        let said: Vec<&str> = ["answer", "reason", "question"]
            .into_iter()
            .map(text)
            .filter(|said| !said.is_empty())
            .collect();
        let executions = tasks.iter().flat_map(executions);
        let reversible = executions.filter(|execution| execution["reversible"] == true);
        let waits = |task: &Value| {
            task["state"] == "waiting"
                && task["waits_for"].as_str().is_some_and(|id| !id.is_empty())
        };
        Self {
            id: text("id").to_owned(),
            answer: without_echo(&said.join("\n"), text("text")),
            tools: tasks.iter().flat_map(tools).collect(),
            reversible: reversible
                .filter_map(|execution| Some(execution["id"].as_str()?.to_owned()))
                .collect(),
            waits_for_approval: state == "waiting" && tasks.iter().any(waits),
            took: Duration::from_millis(goal["elapsed_ms"].as_u64().unwrap_or_default()),
            state,
        }
    }

    /// A goal that the appliance did not take, for this reason.
    pub fn refused(reason: String) -> Self {
        Self {
            state: "refused".to_owned(),
            answer: reason,
            ..Self::default()
        }
    }

    pub fn succeeded(&self) -> bool {
        self.state == "succeeded"
    }

    /// Did it end with a question, or with doubt about what is meant?
    pub fn asks(&self) -> bool {
        if self.succeeded() || self.waits_for_approval {
            return false;
        }
        let answer = self.answer.to_lowercase();
        self.state == "waiting" || answer.contains("not sure") || answer.trim_end().ends_with('?')
    }
}

fn executions(task: &Value) -> &[Value] {
    task["executions"].as_array().map_or(&[], Vec::as_slice)
}

/// The tools of a task: of its executions, or its act when it has none. A task that still waits ran nothing.
fn tools(task: &Value) -> Vec<String> {
    let name = |value: &Value| value.as_str().map(str::to_owned);
    let ran: Vec<String> = executions(task)
        .iter()
        .filter_map(|execution| name(&execution["tool"]))
        .collect();
    match task["state"].as_str() {
        Some("waiting" | "pending" | "cancelled") => ran,
        _ if ran.is_empty() => name(&task["act"]).into_iter().collect(),
        _ => ran,
    }
}

/// The text without the goal's own words, where they stand whole. A goal of one word is no echo: it may be
/// the answer's own word.
fn without_echo(text: &str, goal: &str) -> String {
    let goal = goal.trim();
    match goal.split_whitespace().count() {
        0 | 1 => text.to_owned(),
        _ => text.replace(goal, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_ran_and_what_can_be_undone_is_told_in_order() {
        let goal = json!({
            "id": "g", "state": "succeeded", "answer": "done", "reason": "", "elapsed_ms": 70,
            "text": "copy it and show it",
            "tasks": [
                {"act": "skill.x", "state": "succeeded", "executions": [
                    {"id": "e1", "tool": "fs.copy", "reversible": true},
                    {"id": "e2", "tool": "fs.read", "reversible": false},
                    {"id": "e3", "tool": "fs.write", "reversible": true},
                ]},
                {"act": "net.ping", "state": "failed", "executions": []},
            ],
        });
        let outcome = Outcome::of(&goal);
        assert_eq!(
            outcome.tools,
            ["fs.copy", "fs.read", "fs.write", "net.ping"]
        );
        assert_eq!(outcome.reversible, ["e1", "e3"]);
        assert_eq!(outcome.took, Duration::from_millis(70));
        assert!(outcome.succeeded() && !outcome.asks());
    }

    #[test]
    fn an_approval_is_no_question_and_ran_nothing() {
        let goal = json!({
            "state": "waiting",
            "tasks": [{"act": "fs.delete", "state": "waiting", "waits_for": "a1"}],
        });
        let outcome = Outcome::of(&goal);
        assert!(outcome.waits_for_approval && !outcome.asks());
        assert!(outcome.tools.is_empty());
    }

    #[test]
    fn doubt_and_questions_are_asking() {
        let check = |state: &str, reason: &str, expected: bool| {
            let outcome = Outcome::of(&json!({ "state": state, "reason": reason }));
            assert_eq!(outcome.asks(), expected, "{reason}");
        };
        check(
            "failed",
            "I am not sure what is wanted; the nearest acts: x",
            true,
        );
        check("failed", "which file?", true);
        check("waiting", "", true);
        check("failed", "this is beyond what I can do", false);
    }

    #[test]
    fn the_goals_own_words_are_no_answer() {
        let said = |answer: &str, goal: &str| {
            Outcome::of(&json!({"state": "failed", "reason": answer, "text": goal})).answer
        };
        assert_eq!(
            said("cannot do \"say mango now\"", "say mango now"),
            "cannot do \"\""
        );
        assert_eq!(said("hostname: aios", "hostname"), "hostname: aios");
    }
}
