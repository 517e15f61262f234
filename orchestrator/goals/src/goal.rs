//! A goal.

use crate::engine::End;
use crate::{Role, Task, UnixMillis};

/// What an operator wants, and what was done about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Goal {
    /// A UUID.
    pub id: String,
    /// The operator's words; for a call that the operator named, the call as text.
    pub text: String,
    /// The call, when the operator named a tool instead of using words.
    pub call: Option<Call>,
    /// Certificate subject and serial.
    pub submitted_by: String,
    /// What they may do; holds for all that is done for the goal.
    pub role: Role,
    /// When it was submitted.
    pub created_ms: UnixMillis,
    /// When its record changed last.
    pub updated_ms: UnixMillis,
    /// The highest level that planned for it; `None` while nobody did.
    pub level: Option<Level>,
    /// What was planned for it, in order.
    pub tasks: Vec<Task>,
    /// Where it stands.
    pub state: State,
}

impl Goal {
    /// How it ended, if it has.
    pub fn end(&self) -> Option<&End> {
        match &self.state {
            State::Ended { end, .. } => Some(end),
            State::Pending | State::Running => None,
        }
    }

    /// Has it ended?
    pub fn is_finished(&self) -> bool {
        self.end().is_some()
    }

    /// Has it ended as succeeded?
    pub fn has_succeeded(&self) -> bool {
        matches!(self.end(), Some(End::Succeeded { .. }))
    }
}

/// Where a goal stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// It waits for its turn.
    #[default]
    Pending,
    /// It is worked on.
    Running,
    /// It has ended.
    Ended {
        /// How.
        end: End,
        /// When.
        at: UnixMillis,
    },
}

/// A tool call as an operator wrote it: not yet held against the tool's schema.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The tool's name, `fs.write`.
    pub tool: String,
    /// JSON, or what the operator took for it.
    pub arguments_json: String,
}

/// Who planned, from the cheapest to the most expensive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The operator's own call, or a procedure that succeeded before.
    Reactive,
    /// The built-in operator model.
    Operational,
    /// A local generative model.
    Tactical,
    /// An external model.
    Strategic,
}
