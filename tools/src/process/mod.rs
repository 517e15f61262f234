//! `process.*`: what runs, signals to it, and running something.

pub mod info;
pub mod list;
pub mod signal;
pub mod spawn;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<list::List>(),
        look::<info::Info>(),
        change::<signal::Signal>(),
        change::<spawn::Spawn>(),
    ]
}
