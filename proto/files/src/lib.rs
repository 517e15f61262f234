//! Small files that several parts of aiOS share.
//!
//! 1. [`durable`] replaces and removes a file such that a power cut leaves it old or new.
//! 2. [`unrecorded`] keeps what must still go into the ledger.
//! 3. [`clock`] is the time as records have it.
//! 4. [`group`] lets callers that want something written at once share the write.
//! 5. [`space`] is how full a disk may be.
//! 6. [`AIOS_GID`] is the group that may enter `/run/aios`.
//!
//! PID 1 uses this crate. What must not live here: gRPC, an async runtime, logging.

#![forbid(unsafe_code)]

pub mod clock;
pub mod durable;
pub mod group;
pub mod space;
pub mod unrecorded;

/// The group (gid) that may enter `/run/aios`.
pub const AIOS_GID: u32 = 900;
