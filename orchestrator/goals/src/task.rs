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
    /// When it was given to its agent last; 0 before.
    pub started_ms: UnixMillis,
    /// When it ended; 0 before.
    pub finished_ms: UnixMillis,
}

impl Task {
    /// Is it still to be done, or under way?
    pub fn is_open(&self) -> bool {
        matches!(self.state, TaskState::Pending | TaskState::Running)
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
