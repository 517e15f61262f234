//! `pkg.*`: Debian packages. What an order changes is found out by `aios-packages`, in a shadow of the
//! root; it is made here, as one change set ([`order`]).

pub mod files;
pub mod info;
pub mod list;
mod order;
pub mod orders;
pub mod search;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, look};

use orders::{Autoremove, Install, Ordered, Purge, Remove, Upgrade};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<files::Files>(),
        look::<info::Info>(),
        look::<list::List>(),
        look::<search::Search>(),
        change::<Ordered<Autoremove>>(),
        change::<Ordered<Install>>(),
        change::<Ordered<Purge>>(),
        change::<Ordered<Remove>>(),
        change::<Ordered<Upgrade>>(),
    ]
}
