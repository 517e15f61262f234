//! `aios-packages`: what installing or removing Debian packages changes.
//!
//! 1. apt and dpkg never touch the running system. They run in a **shadow** of its root: an overlay
//!    over it, in namespaces for mounts, processes and, while dpkg runs, the network ([`shadow`]).
//!    When they fail, are killed or fill the disk, the shadow is thrown away and nothing has happened.
//! 2. What they wrote is read from the overlay's upper layer ([`collect`]): files, users, links, the
//!    package database, whatever a maintainer script did. That list is the dry run, the change set
//!    and the undo.
//! 3. aios-tools makes the changes and takes them back (`aios_tool::changes`), through the pipeline
//!    that every call goes through. This daemon changes nothing but its own folder.
//! 4. Scripts of packages start no service: `policy-rc.d` denies it, they see no process but their
//!    own, and there is no `/run/systemd/system`. PID 1 starts services.
//!
//! What must not live here: tools, and any change of the running system.

pub mod apt;
pub mod collect;
mod daemon;
pub mod database;
pub mod service;
pub mod shadow;
pub mod transaction;

use std::process::ExitCode;

/// The daemon on `packages.sock`, or, by its first argument, a process on its way into a shadow.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|word| word.to_str()) {
        Some(shadow::ENTER) => shadow::enter(&arguments[1..]),
        Some(shadow::INSIDE) => shadow::inside(&arguments[1..]),
        _ => aios_daemon::run::run(daemon::run()),
    }
}
