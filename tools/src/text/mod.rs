//! `text.*`: comparing texts.

pub mod diff;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry.with::<diff::Diff>()
}
