//! A goal's tasks, and the tool calls that they consist of.

use serde_json::{Map, Value};

use crate::{Level, UnixMillis};

/// Arguments by their names.
pub type Arguments = Map<String, Value>;

/// One act of a goal, given to one agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// Its place among the goal's tasks, from 0.
    pub index: usize,
    /// The agent that it was given to; empty before.
    pub agent: String,
    /// The tool or skill.
    pub act: String,
    /// The act's arguments.
    pub arguments: Arguments,
    /// The tool calls that the act consists of, as they were checked when it was planned; empty
    /// for a task that was read back from the memory.
    pub calls: Vec<ToolCall>,
    /// Where it stands.
    pub state: TaskState,
    /// One line for the operator, made from what the tools returned.
    pub summary: String,
    /// Why it failed or was cancelled; empty otherwise.
    pub error: String,
    /// How sure its planner was, 0 to 1.
    pub confidence: f64,
    /// Who planned it.
    pub level: Option<Level>,
    /// The tool calls that were made for it, in order.
    pub executions: Vec<Execution>,
    /// The approval that it waits for; empty when it waits for none.
    pub waits_for: String,
    /// When it was given to its agent last; 0 before.
    pub started_ms: UnixMillis,
    /// When it ended; 0 before.
    pub finished_ms: UnixMillis,
}

impl Task {
    /// Is it still to be done, or under way?
    pub fn is_open(&self) -> bool {
        matches!(
            self.state,
            TaskState::Pending | TaskState::Running | TaskState::Waiting
        )
    }

    /// The task as it ends, by what is on record of its calls, in their order. `told` is why its agent
    /// did not carry it out, as far as that is known: a reason, never a proof.
    #[must_use]
    pub fn settled(
        self,
        calls: &[ToolCall],
        records: Vec<Made>,
        told: &str,
        at: UnixMillis,
    ) -> Self {
        debug_assert_eq!(calls.len(), records.len());
        let mut task = Self {
            executions: Vec::new(), // a task that is resumed gets all of them again
            waits_for: String::new(),
            ..self
        };
        for (place, (call, made)) in calls.iter().zip(records).enumerate() {
            let why = match made {
                Made::Succeeded(execution) => {
                    task.executions.push(execution);
                    continue;
                }
                Made::Failed(why) => why,
                Made::Waits(approval) => {
                    return Self {
                        state: TaskState::Waiting,
                        waits_for: approval,
                        ..task
                    };
                }
                Made::Never if !told.is_empty() => return task.failed(told.to_owned(), at),
                Made::Never => format!("agent {} did not make this call", task.agent),
            };
            let tool = &call.tool;
            let error = match calls.len() {
                1 => format!("{tool}: {why}"),
                count => format!("step {} of {count}, {tool}: {why}", place + 1),
            };
            return task.failed(error, at);
        }
        let summaries = task.executions.iter().map(|one| one.summary.as_str());
        let summaries: Vec<&str> = summaries.filter(|text| !text.is_empty()).collect();
        Self {
            summary: summaries.join("; "),
            state: TaskState::Succeeded,
            error: String::new(),
            finished_ms: at,
            ..task
        }
    }

    /// The task as it ends, failed for this reason.
    #[must_use]
    pub fn failed(self, error: String, at: UnixMillis) -> Self {
        Self {
            state: TaskState::Failed,
            error,
            finished_ms: at,
            ..self
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TaskState {
    /// It is planned.
    #[default]
    Pending,
    /// An agent has it.
    Running,
    /// One of its calls waits for a person.
    Waiting,
    /// Each of its calls was made, and each post-condition was checked.
    Succeeded,
    /// One of its calls was not.
    Failed,
    /// Its goal was called off.
    Cancelled,
}

/// A tool call that is to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// The tool's name, `fs.write`.
    pub tool: String,
    /// Its arguments, which fit the tool's schema.
    pub arguments: Arguments,
}

/// What is on record of a call that was to be made.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// It was made, and its post-condition was checked.
    Succeeded(Execution),
    /// It was refused or failed, and why.
    Failed(String),
    /// A person is asked first: the approval's id.
    Waits(String),
    /// It was not made.
    Never,
}

/// The id by which `aios-tools` knows a step of a task again. A goal's id has no slash (it is a UUID), so
/// that no two steps have the same.
pub fn call_id(goal_id: &str, task_index: usize, step: usize) -> String {
    format!("{goal_id}/{task_index}/{step}")
}

/// A tool call that was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Execution {
    /// Its id, by which it is undone.
    pub id: String,
    /// The tool's name.
    pub tool: String,
    /// What it was told.
    pub arguments: Arguments,
    /// What it returned: JSON, not parsed, because only clients read it; empty when it was too
    /// large to keep.
    pub output_json: String,
    /// One line about it.
    pub summary: String,
    /// Can it be undone?
    pub reversible: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(tool: &str) -> ToolCall {
        ToolCall {
            tool: tool.into(),
            arguments: Arguments::new(),
        }
    }

    fn made(summary: &str) -> Made {
        Made::Succeeded(Execution {
            summary: summary.into(),
            ..Execution::default()
        })
    }

    #[test]
    fn a_task_is_what_is_on_record_of_its_calls() {
        let page = || [call("fs.mkdir"), call("fs.write")];
        let check = |records: [Made; 2], told: &str, expected: Result<&str, &str>| {
            let task = Task {
                agent: "task".into(),
                ..Task::default()
            };
            let task = task.settled(&page(), records.to_vec(), told, 5);
            let ended = match task.state {
                TaskState::Succeeded => Ok(task.summary.as_str()),
                _ => Err(task.error.as_str()),
            };
            assert_eq!(ended, expected);
            let done = records
                .iter()
                .take_while(|made| matches!(made, Made::Succeeded(_)));
            assert_eq!(task.executions.len(), done.count());
        };
        let failed = || Made::Failed("no space".into());
        check([made("made"), made("wrote")], "", Ok("made; wrote"));
        check([made(""), made("wrote")], "crashed", Ok("wrote"));
        check(
            [made("made"), failed()],
            "",
            Err("step 2 of 2, fs.write: no space"),
        );
        check(
            [made("made"), Made::Never],
            "",
            Err("step 2 of 2, fs.write: agent task did not make this call"),
        );
        check([Made::Never, Made::Never], "it is away", Err("it is away"));
    }

    #[test]
    fn a_retry_has_the_same_call_id_and_no_other_step_has() {
        assert_eq!(call_id("g", 2, 0), "g/2/0");
        assert_ne!(call_id("g", 2, 0), call_id("g", 2, 1));
        assert_ne!(call_id("g", 2, 0), call_id("g", 0, 2));
    }

    #[test]
    fn a_task_waits_with_the_call_that_waits_and_goes_on_from_there() {
        let page = [call("fs.mkdir"), call("fs.write")];
        let records = vec![made("made"), Made::Waits("a".into())];
        let task = Task::default().settled(&page, records, "asked", 5);
        assert_eq!(
            (task.state, task.waits_for.as_str()),
            (TaskState::Waiting, "a")
        );
        assert!(task.is_open());
        let task = task.settled(&page, vec![made("made"), made("wrote")], "", 6);
        assert_eq!(
            (task.state, task.waits_for.as_str()),
            (TaskState::Succeeded, "")
        );
    }
}
