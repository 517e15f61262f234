//! What nearly every tool uses: `use aios_tool::prelude::*;`.

pub use schemars::JsonSchema;
pub use serde::{Deserialize, Serialize};
pub use serde_json::json;

pub use crate::context::Context;
pub use crate::edit::{Edit, Plan};
pub use crate::error::ToolError;
pub use crate::preview::Preview;
pub use crate::spec::{Declaration, Effect, Least, Risk, Undo};
pub use crate::tool::{Change, Interrupted, Look, Tool};
pub use crate::undo::Capture;
pub use crate::{argument, arguments, choices, file, format};
