//! `hw.*`: what the machine is made of.

pub mod cpu;
pub mod info;
pub mod memory;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<info::Info>(),
        look::<cpu::CpuInfo>(),
        look::<memory::MemoryInfo>(),
    ]
}
