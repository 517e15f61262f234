//! `aios-orchestrator`: takes goals, plans them, has agents carry them out, and
//! answers with what is true.
//!
//! 1. **A goal is durable before it is acknowledged, a task before it is
//!    dispatched.** After a crash or a power cut unfinished goals go on where they
//!    were: a task under way is given to its agent again, with the same call ids,
//!    so that no effect happens twice.
//! 2. **A goal ends.** It has a deadline and a limit of acts; it ends as succeeded
//!    only if every task did, otherwise as failed or cancelled with a reason.
//! 3. **Nothing runs that the registry's schemas reject**, whoever planned it: a
//!    known procedure, the operator model, a skill or the operator himself.
//! 4. **Only an order leads to a change, and done means all of it** ([`guard`]): no level of the
//!    planner can pass by.
//! 5. **What to do next is decided by pure functions** ([`aios_goals::engine::next`], [`plan::bind`],
//!    [`api::roles`]); the effects are in [`goals`], [`agents`] and [`api`].
//! 6. **Who asks on port 9090 is what the client certificate says**, and every RPC
//!    has a least role. Whoever is refused is put on record.
//! 7. What is missing (an agent, the model, the certificates) makes the system
//!    degraded, never stuck: it is tried again in the background.
//! 8. **While the emergency stop holds nothing is planned and nothing is run** ([`emergency`]).
//!
//! What must not live here: anything that touches the system (that is `aios-tools`),
//! and anything that must last (that is `aios-memory`).

pub mod agents;
pub mod api;
pub mod approvals;
pub mod boot;
pub mod clients;
pub mod config;
pub mod degraded;
pub mod dispatch;
pub mod emergency;

pub mod goals;
pub mod good;
pub mod guard;
pub mod plan;
pub mod record;
pub mod registry;
pub mod schedules;
pub mod sessions;
pub mod standing;
pub mod store;
pub mod update;
pub mod wire;
pub mod witness;

use std::process::ExitCode;

/// The daemon: goal engine, planner, router and management API.
pub fn main() -> ExitCode {
    aios_daemon::run::run(async {
        let places = aios_daemon::Places::of_this_process();
        config::Config::load(places).build()?.run().await
    })
}
