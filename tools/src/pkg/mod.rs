//! `pkg.*`: Debian packages. What an order changes is found out by `aios-packages`, in a shadow of the
//! root; it is made here, as one change set ([`order`]).

pub mod autoremove;
pub mod files;
pub mod info;
pub mod install;
pub mod list;
mod order;
pub mod purge;
pub mod remove;
pub mod search;
pub mod upgrade;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        change::<autoremove::Autoremove>(),
        look::<files::Files>(),
        look::<info::Info>(),
        change::<install::Install>(),
        look::<list::List>(),
        change::<purge::Purge>(),
        change::<remove::Remove>(),
        look::<search::Search>(),
        change::<upgrade::Upgrade>(),
    ]
}
