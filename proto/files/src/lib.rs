//! Small files that several parts of aiOS share.
//!
//! 1. [`durable`] replaces and removes a file such that a power cut leaves it old or new.
//! 2. [`unrecorded`] keeps what must still go into the ledger.
//! 3. [`clock`] is the time as records have it.
//! 4. [`group`] lets callers that want something written at once share the write.
//! 5. [`space`] is how full a disk may be.
//! 6. [`AIOS_GID`] is the group that may enter `/run/aios`, [`IDENTITIES`] who else has a number of
//!    aiOS's own ([`OWN_IDS`]).
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

/// The uids and gids of aiOS's own accounts: no package's account has one of them. Debian gives
/// packages' accounts the numbers from 100 upwards and from 999 downwards.
pub const OWN_IDS: std::ops::RangeInclusive<u32> = 900..=949;

/// aiOS's accounts, as TOML: a list `identity` of `name` and `uid`.
pub const IDENTITIES: &str = include_str!("../../identities.toml");
