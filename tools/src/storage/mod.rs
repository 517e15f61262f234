//! `storage.*`: block devices and file systems.

pub mod cleanup;
pub mod usage;
pub mod volumes;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<volumes::Volumes>(),
        look::<usage::Usage>(),
        change::<cleanup::Cleanup>(),
    ]
}
