//! An execution of a mutating call: under way, and ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use aios_role::Role;
use aios_tool::error::ToolError;
use aios_tool::undo::{Sealed, Step};

/// Names the space of execution ids (RFC 9562, version 5); any fixed value does.
const EXECUTIONS: Uuid = Uuid::from_u128(0x6169_4f53_2d74_6f6f_6c73_2d65_7865_6375);

/// The execution that a caller's call id stands for.
pub fn execution_id(actor: &str, call_id: &str) -> String {
    Uuid::new_v5(&EXECUTIONS, format!("{actor}\0{call_id}").as_bytes()).to_string()
}

/// Who called what, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The caller, by the kernel's word.
    pub actor: String,
    /// Unique per intended effect.
    pub call_id: String,
    /// The tool's name.
    pub tool: String,
    /// SHA-256 of tool and arguments, hex.
    pub input_sha256: String,
    /// The goal it is for.
    pub goal_id: String,
    /// The goal's task.
    pub task_index: u32,
    /// Why, for people.
    pub reason: String,
    /// The operator's subject, as told.
    pub on_behalf_of: String,
    /// The policy's decision.
    pub decision: String,
    /// The least role of an operator that may have it made, and have it taken back. The version before
    /// this one did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub least: Option<Role>,
}

impl Call {
    /// Is it a call of the same tool with the same arguments?
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.tool, &self.input_sha256) == (&other.tool, &other.input_sha256)
    }
}

/// An execution that has no outcome yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Its id.
    pub execution_id: String,
    /// The call.
    pub call: Call,
    /// The resolved input.
    pub input: Value,
    /// The capabilities that it needed. Nothing reads them here; the version before this one does,
    /// when an update is taken back.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How to take it back.
    pub steps: Vec<Step>,
    /// When it was begun, Unix milliseconds.
    pub started_ms: i64,
    /// The ledger's size before the intent: its entries are not before it.
    pub ledger_len: u64,
    /// A former process died in it, and its effect was not reached.
    pub interrupted: bool,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its id.
    pub execution_id: String,
    /// The call.
    pub call: Call,
    /// Output and summary, or what went wrong.
    pub result: Result<Success, ToolError>,
    /// How to take it back; empty when that cannot be done.
    pub steps: Vec<Sealed>,
    /// The undo that was begun, and may have been interrupted: it goes on under this name.
    #[serde(default)]
    pub undo_begun: Option<String>,
    /// When it was taken back, Unix milliseconds.
    pub undone_ms: Option<i64>,
    /// What it kept for undo was dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reclaimed: Option<Reclaimed>,
}

/// Who dropped what an execution kept for undo, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reclaimed {
    /// The operator, or the policy.
    pub by: String,
    /// Unix milliseconds.
    pub at_ms: i64,
}

/// What a successful call answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// The output, as JSON.
    pub output: Value,
    /// For the operator.
    pub summary: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_belongs_to_its_caller_and_call_id() {
        assert_eq!(execution_id("a", "1"), execution_id("a", "1"));
        assert_ne!(execution_id("a", "1"), execution_id("b", "1"));
        assert_ne!(execution_id("a", "1"), execution_id("a", "2"));
    }
}
