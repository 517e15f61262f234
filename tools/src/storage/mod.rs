//! `storage.*`: block devices and file systems.

pub mod usage;
pub mod volumes;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![look::<volumes::Volumes>(), look::<usage::Usage>()]
}
