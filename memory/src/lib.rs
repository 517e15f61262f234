//! `aios-memory`: goals, tasks, decisions, events and recall, in SQLite.
//!
//! 1. **A write has reached the disk when its call returns** (WAL, `synchronous=FULL`).
//!    Writes that wait at the same time share one commit ([`database`]).
//! 2. **A damaged database stops nothing.** It is moved aside with an error event, and
//!    memory begins afresh ([`open`]); the audit ledger, which is not here, still tells
//!    what was done.
//! 3. **Only those who need it may call**, by the kernel's word ([`access`]). What they
//!    send is checked for size and form before it is queued ([`limits`]).
//! 4. Events live in a ring ([`events`]); warnings and errors are kept on disk too.
//! 5. What is remembered is found by meaning ([`recall`]): the model runtime embeds,
//!    the search is exact. While the runtime is away, remembering works and recall
//!    says UNAVAILABLE.
//!
//! The `Goal`, `Task`, `Decision` and `Event` messages are stored as they are encoded on
//! the wire: this daemon is their keeper, not their interpreter. The columns beside a
//! message are those that are searched by.
//!
//! What must not live here: what the records mean, and who does what next; that is
//! `aios-orchestrator`.

pub mod access;
pub mod config;
pub mod database;
pub mod embedder;
pub mod error;
pub mod events;
pub mod index;
pub mod limits;
pub mod longterm;
pub mod open;
pub mod recall;
pub mod server;
pub mod service;
pub mod working;

pub use config::Config;
pub use server::{ServeError, serve};

use std::process::ExitCode;

use aios_daemon::Places;

/// The daemon: reads its configuration, serves until it is told to stop.
pub fn main() -> ExitCode {
    aios_daemon::run::run(async {
        let served = serve(Config::load(&Places::of_this_process())).await;
        served.map_err(|error| aios_daemon::error::chain(&error))
    })
}
