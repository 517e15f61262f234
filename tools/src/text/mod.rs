//! `text.*`: comparing texts.

pub mod diff;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![look::<diff::Diff>()]
}
