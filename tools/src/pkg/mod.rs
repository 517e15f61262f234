//! `pkg.*`: the packages that are installed, read from dpkg's database.

pub mod database;
pub mod info;
pub mod list;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![look::<list::List>(), look::<info::Info>()]
}
