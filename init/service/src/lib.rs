//! The floor on which PID 1 and the roles around it stand.
//!
//! 1. What a service is: its [`manifest`], the [`accounts`] that services run as, the
//!    [`syscalls`] that a sandbox denies.
//! 2. How services are kept running: [`supervise`], a pure state machine.
//! 3. What the processes say to each other: [`wire`] (PID 1 and control), [`notify`] (services to
//!    PID 1), [`conditions`] (what this boot lacks), [`exit`] (statuses).
//! 4. What several of them do to this host: [`host`], [`network`], [`seed`], [`boots`], [`running`],
//!    [`console`], [`time`]; and [`installer`], which says when they leave it alone.
//!
//! What must not live here: gRPC, an async runtime, structured logging (a test of PID 1's crate asks
//! `cargo tree`), and whatever only one process needs.

// PID 1 must not panic: no index, no assertion that can fail at run time.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::disallowed_macros))]

pub mod accounts;
pub mod boots;
pub mod conditions;
pub mod console;
pub mod exit;
pub mod host;
pub mod installer;
pub mod manifest;
pub mod names;
pub mod network;
pub mod notify;
pub mod places;
pub mod running;
pub mod seed;
pub mod supervise;
pub mod syscalls;
pub mod time;
pub mod wire;
