//! The frame of a daemon: all that a daemon needs beside what it is for.
//!
//! 1. **A daemon is a service, an access table and a manifest.** [`run`] starts it, [`serve`] listens,
//!    says READY, and gives calls under way their time at the end.
//! 2. **Whoever has no right is turned away at the door**, before a byte is read, and nobody takes the
//!    place of another: connections, requests and bytes are limited by account ([`limits`]).
//! 3. **Who calls is what the kernel says** ([`access::Callers`]), never a field of a message. Who may
//!    call what is one table for each service ([`access::Access`]).
//! 4. **A daemon starts whatever is wrong with `config.toml`**: [`Places::config`] gives it its own
//!    tables, the last right ones while the file is wrong ([`crate::InForce`]).
//! 5. **No client is refused while a daemon restarts**: PID 1 keeps its listeners ([`kept`]), and callers
//!    wait for it ([`retry`], [`demand`]).
//! 6. One line format for all ([`logging`]), one clock ([`aios_files::clock`]), one text for an error and its
//!    causes ([`error`]).
//!
//! Contracts on the disk that several daemons share are here too: [`manifest`], [`emergency`],
//! [`services`]; those that PID 1 shares, and durable writing, are in `aios-files`.
//!
//! What must not live here: anything that only one daemon uses.

pub mod access;
pub mod budget;
pub mod configuration;
pub mod demand;
pub mod emergency;
pub mod error;
mod frames;
pub mod guests;
pub mod identity;
pub mod idle;
pub mod incoming;
pub mod kept;
pub mod limits;
pub mod logging;
pub mod manifest;
pub mod places;
pub mod rate;
pub mod retry;
pub mod run;
pub mod serve;
pub mod services;
pub mod socket;
pub mod watchdog;

pub use access::{Access, Callers, Who};
pub use configuration::InForce;
pub use places::Places;
