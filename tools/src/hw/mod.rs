//! `hw.*`: what the machine is made of.

pub mod cpu;
pub mod info;
pub mod memory;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry
        .with::<info::Info>()
        .with::<cpu::CpuInfo>()
        .with::<memory::MemoryInfo>()
}
