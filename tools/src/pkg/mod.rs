//! `pkg.*`: the packages that are installed, read from dpkg's database.

pub mod database;
pub mod info;
pub mod list;

use crate::registry::Registry;

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry.with::<list::List>().with::<info::Info>()
}
