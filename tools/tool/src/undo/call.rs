//! Taking an act back by another call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Inverse, Sealed, Undoing};
use crate::error::ToolError;

/// What is known of the state that such an act left: nothing. The call that takes it back captures
/// and checks for itself.
const UNKNOWN: &str = "";

/// A call that takes an act back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InverseCall {
    /// The tool.
    pub tool: String,
    /// The tool's arguments.
    pub arguments: Value,
    /// What is true afterwards, for people: `nginx is started again`.
    pub undone: String,
}

impl Inverse for InverseCall {
    /// The call takes its own locks.
    fn locks(&self) -> Vec<String> {
        Vec::new()
    }

    fn state(&self) -> Result<String, ToolError> {
        Ok(UNKNOWN.to_owned())
    }

    fn before(&self) -> &str {
        UNKNOWN
    }

    fn check(&self, _all: &[Sealed]) -> Result<(), ToolError> {
        Ok(())
    }

    /// The call's id follows from the undo's name, so that an undo that goes on does not call twice.
    fn take_back(&self, undoing: &Undoing<'_>, index: usize) -> Result<(), ToolError> {
        let id = format!("undo/{}/{index}", undoing.name);
        undoing.calls.call(&id, &self.tool, &self.arguments)
    }

    fn undone(&self) -> String {
        self.undone.clone()
    }
}
