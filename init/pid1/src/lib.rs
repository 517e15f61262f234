//! aios-init: PID 1 of aiOS, and what it runs of its own executable.
//!
//! 1. **PID 1 never crashes, blocks or grows.** It is one thread: it boots ([`boot`]), then runs one
//!    event loop ([`run`]) around a pure state machine (`aios_service::supervise`), then ends the
//!    machine ([`shutdown`]). In the loop nothing waits for anything but `epoll`.
//! 2. **It never ends by itself**: an error is logged and the loop goes on; a panic or a fault, which
//!    would be a bug, reboots the machine ([`crash`]).
//! 3. What is parsed (manifests, accounts) is parsed once, before the loop.
//! 4. There is no gRPC, no async runtime and no structured logging in this crate's tree of
//!    dependencies; `tests/dependencies.rs` asks `cargo tree`. What needs those is a role in a
//!    process of its own (`init/roles`).
//! 5. The same executable is also `unlock` (`aios_disk::unlock`: makes or opens an encrypted data
//!    partition), `readahead` ([`readahead`]: has the kernel read the models while the boot waits
//!    for disks), `unit-run` (`aios_units::run`: runs the service of one of Debian's unit files) and
//!    `shutdown`, the last process, in memory.
//!
//! What a service is, its manifest says (`aios_service::manifest`; keys in `init/README.md`).
//! What must not live here: anything that understands goals, tools or models.

// PID 1 must not panic: no index, no assertion that can fail at run time.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::disallowed_macros))]

mod boot;
mod crash;
mod mounts;
mod readahead;
mod run;
mod shutdown;

use std::process::ExitCode;

use aios_service::console::Console;
use aios_service::exit;
use aios_service::manifest::Way;
use aios_service::time::pause;

use run::{Clock, Supervisor};

/// `aios-init`: PID 1, and what it runs of itself.
pub fn init() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((role, rest)) if role == "shutdown" => shutdown::run(rest),
        // The kernel passes PID 1 whatever it did not understand on its command line.
        _ if std::process::id() == 1 => live(),
        Some((role, _)) if role == "readahead" => readahead::run(),
        Some((role, rest)) if role == "unlock" => aios_disk::unlock::run(rest),
        Some((role, rest)) if role == "unit-run" => aios_units::run::run(rest.first()),
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    let text =
        "aios-init is PID 1 of aiOS; by hand it knows: unlock open|reset|recovery-key DEVICE\n";
    // Err: nobody listens.
    let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
    ExitCode::from(exit::USAGE)
}

/// The life of PID 1: boots, supervises, and ends only by ending the system.
fn live() -> ExitCode {
    let way = Way::here();
    let clock = Clock::new(way);
    let begun = clock.now();
    let booted = boot::boot(way, begun);
    let supervisor = Supervisor::new(way, clock, booted.console, booted.manifests);
    let mut supervisor = match supervisor {
        Ok(supervisor) => supervisor,
        Err((console, error)) => return cannot_go_on(way, &console, &error),
    };
    supervisor.note_begin(begun);
    supervisor.note_missing(booted.missing.into_iter());
    let (end, unclean) = supervisor.run();
    let watchdog = supervisor.watchdog();
    shutdown::begin(end, way, unclean, watchdog)
}

/// No event loop can be had. On a machine: reboots after a while, in the hope
/// that it was passing.
fn cannot_go_on(way: Way, console: &Console, error: &str) -> ExitCode {
    console.announce(&format!("PID 1 cannot go on: {error}"));
    if way == Way::Machine {
        pause(10_000);
        let _ = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
    }
    ExitCode::FAILURE
}
