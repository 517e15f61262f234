//! `monitor.*`: how processor, memory, disks and network are doing now.

pub mod cpu;
pub mod disk;
pub mod gpu;
pub mod health;
pub mod memory;
pub mod network;
pub mod pressure;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<cpu::CpuUse>(),
        look::<memory::MemoryUse>(),
        look::<disk::DiskUse>(),
        look::<network::NetworkUse>(),
        look::<health::Health>(),
        look::<pressure::PressureNow>(),
        look::<gpu::GpuUse>(),
    ]
}
