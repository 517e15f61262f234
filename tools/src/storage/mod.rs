//! `storage.*`: block devices and file systems.

pub mod usage;
pub mod volumes;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry.with::<volumes::Volumes>().with::<usage::Usage>()
}
