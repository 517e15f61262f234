//! `process.*`: what runs, and signals to it.

pub mod info;
pub mod list;
pub mod signal;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry
        .with::<list::List>()
        .with::<info::Info>()
        .with::<signal::Signal>()
}
