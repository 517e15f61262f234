//! `hw.*`: what the machine is made of.

pub mod cpu;
pub mod gpu;
pub(crate) mod graphics;
pub mod info;
pub mod memory;
pub mod network;
pub mod sensors;
pub mod storage;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<info::Info>(),
        look::<cpu::CpuInfo>(),
        look::<gpu::Gpu>(),
        look::<memory::MemoryInfo>(),
        look::<network::Network>(),
        look::<sensors::Sensors>(),
        look::<storage::Storage>(),
    ]
}
