//! The agent runtime: what all eight agents have in common, which is everything
//! but their manifest.
//!
//! 1. **An agent touches the system only through `aios-tools`.** It has no
//!    network, a private view of the file system and no capability; all it can do
//!    is ask for tool calls, and what it may ask for is decided there, by its uid.
//! 2. **It takes only tasks of its domain.** A task's act, and for a single
//!    call its tool, must be one that the manifest's `tools` names.
//! 3. **A task done twice is done once.** Each step comes with its call id:
//!    `aios-tools` answers a call id that it has seen with what it recorded, so
//!    that a retry after any crash is safe.
//! 4. **It is SUCCEEDED only when every step is.** The first step that fails
//!    ends the task; the steps before it stay on record, each can be undone.
//! 5. **Nobody believes it.** It makes only the calls that the orchestrator has registered for it with
//!    `aios-tools`, and the orchestrator asks `aios-tools` what became of them.
//! 6. It keeps nothing: what must last is in the memory and in the ledger.
//!
//! The pure part is [`task`] (is the task fit? what is its summary?), the effects
//! are in [`work`] (the calls) and [`service`] (the socket).

pub mod config;
pub mod service;
pub mod task;
pub mod work;

use std::process::ExitCode;

/// `aios-agent NAME`: one agent, as its manifest says.
pub fn main() -> ExitCode {
    aios_daemon::run::run(async {
        let config = config::Config::load(std::env::args().nth(1))?;
        config.build()?.run().await.map_err(anyhow::Error::from)
    })
}
