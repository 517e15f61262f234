//! `aios-tools`: the only way by which anything changes the system.
//!
//! 1. A tool is one type in one file: input, output, [`spec::Spec`], act, check. From that
//!    definition come validation, documentation and what the planner knows.
//! 2. Who calls is what the kernel says; what it may do is in its agent's manifest. Capabilities
//!    are checked on resolved values, and the act works on exactly what was checked.
//! 3. Nothing changes before the intent is durable in the ledger, and nothing is reported done
//!    before its post-condition was checked. When the ledger cannot be written, nothing runs.
//! 4. A reversible execution can be undone after a restart, byte for byte, or the undo says why not.
//! 5. Each act has its own thread, confined and under a deadline: a tool that hangs costs only its caller.
//!
//! 6. While the emergency stop holds ([`emergency`]), no agent has anything done, whoever asks.
//!
//! What must not live here: planning, and knowledge about goals.

pub mod allowance;
pub mod approval;
pub mod build;
pub mod capability;
pub mod config;
pub mod confine;
mod daemon;
pub mod data;
pub mod emergency;
pub mod executor;
pub mod export;
pub mod firewall;
pub mod fs;
pub mod git;
pub mod grants;
pub mod grpc;
pub mod head;
pub mod hw;
pub mod locks;
pub mod monitor;
pub mod net;
pub mod pipeline;
pub mod pkg;
pub mod policy;
pub mod pools;
pub mod process;
pub mod procfs;
pub mod program;
pub mod reclaim;
pub mod registry;
pub mod retention;
pub mod role;
pub mod schedule;
pub mod sec;
pub mod service;
pub mod settings;
pub mod slots;
pub mod storage;
pub mod store;
pub mod system;
pub mod tasks;
pub mod text;
#[cfg(test)]
mod trial;
pub mod unrecorded;
pub mod user;
pub mod verification;
pub mod web;

use std::process::ExitCode;

/// The daemon on `tools.sock`.
pub fn main() -> ExitCode {
    aios_daemon::run::run(daemon::run())
}
