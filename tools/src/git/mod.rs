//! `git.*`: repositories, by Debian's git in a sandbox ([`repository`]).

pub mod add;
pub mod branch;
pub mod branches;
pub mod checkout;
pub mod clone;
pub mod commit;
pub mod diff;
pub mod init;
pub mod log;
mod repository;
pub mod status;

use std::sync::Arc;

use aios_tool::tool::{ErasedTool, change, edit, look};

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        edit::<init::Act>(),
        change::<clone::Act>(),
        look::<status::Status>(),
        edit::<add::Act>(),
        edit::<commit::Act>(),
        look::<log::Log>(),
        look::<diff::Diff>(),
        look::<branches::Branches>(),
        edit::<branch::Act>(),
        edit::<checkout::Act>(),
    ]
}
