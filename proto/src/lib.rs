//! The contracts between the parts of aiOS, and the few helpers that every
//! part needs to keep them.
//!
//! 1. [`v1`] is generated from `aios/v1/*.proto`; it is the wire format and
//!    stops at each daemon's service module.
//! 2. Who calls is what the kernel says: [`identity::caller`] reads the peer
//!    credentials of a Unix socket, never a field of the message.
//! 3. [`socket`] knows where each daemon listens, how to serve there and how to
//!    connect with a deadline.
//! 4. [`logging`] is the one line format that all daemons write.
//! 5. [`manifest`] is what an agent may do, as the operator wrote it.
//! 6. [`retry`] is how a caller outlives the restart of a daemon; [`kept`] is how a
//!    daemon's clients do not even notice it.
//! 7. [`emergency`] is the emergency stop on disk.
//! 8. [`services`] names those that every part counts on.
//!
//! What must not live here: anything that only one part uses.

pub mod daemon;
pub mod demand;
pub mod emergency;
pub mod identity;
pub mod kept;
pub mod logging;
pub mod manifest;
pub mod retry;
pub mod services;
pub mod socket;

pub use aios_files::{durable, unrecorded};

/// Generated messages, clients and servers of the package `aios.v1`.
#[allow(missing_docs, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("aios.v1");
}
