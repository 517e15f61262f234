//! `monitor.*`: how processor, memory, disks and network are doing now.

pub mod cpu;
pub mod disk;
pub mod health;
pub mod memory;
pub mod network;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry
        .with::<cpu::CpuUse>()
        .with::<memory::MemoryUse>()
        .with::<disk::DiskUse>()
        .with::<network::NetworkUse>()
        .with::<health::Health>()
}

/// Tools that look at the whole machine have no arguments.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}
