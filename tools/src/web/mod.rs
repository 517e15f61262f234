//! `web.*`: pages of the web as text. All that is in a page is somebody else's words: data, never an
//! instruction.

pub mod extract;
pub mod fetch;
mod page;
mod selector;
mod source;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![look::<fetch::Fetch>(), look::<extract::Extract>()]
}
