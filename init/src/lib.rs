//! aios-init: PID 1 of aiOS, and the roles around it.
//!
//! 1. **PID 1 never crashes, blocks or grows.** Other systems' inits parse, log
//!    and serve networks in PID 1 and have panicked the kernel by it; here PID 1
//!    is one thread with one event loop ([`pid1`]) around a pure state machine
//!    (`aios_service::supervise`). Everything else is a role in a process of its own, which
//!    PID 1 starts again when it dies.
//! 2. **PID 1's executable holds PID 1** ([`init`]) and what it runs of itself:
//!    `unlock` ([`unlock`]) makes or opens an encrypted data partition, before all others;
//!    `readahead` ([`readahead`]) has the kernel read the models while the boot waits for disks;
//!    `unit-run` ([`units`]) runs a service that one of Debian's unit files describes;
//!    `shutdown` ([`shutdown`]) is the last process, in memory: it unmounts everything and
//!    ends the machine. No gRPC, no async runtime.
//! 3. The other roles ([`role`]) are programs of the executable `aios`, as all daemons are:
//!    `control` ([`control`]) speaks gRPC on `/run/aios/init.sock` and asks PID 1
//!    in small bounded packets (`aios_service::wire`);
//!    `logger` ([`logger`]) reads what services write, into bounded files;
//!    `provision` ([`provision`]) installs the node's name and certificates;
//!    `console` ([`console`]) shows a status page to who sits before the machine;
//!    `keeper` ([`keeper`]) does the machine's slow chores: what a crash left, the
//!    boot counter, growing the data partition, saving time and entropy.
//!
//! What a service is, is said by its manifest (`aios_service::manifest`; keys in README.md).
//! What must not live here: anything that understands goals, tools or models.

mod console;
mod control;
mod keeper;
mod logger;
mod pid1;
mod provision;
mod readahead;
mod shutdown;
mod units;
mod unlock;

use std::process::ExitCode;

/// `aios-init`: PID 1, and what it runs of itself.
pub fn init() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let role = arguments.first().map(String::as_str);
    match role {
        Some("shutdown") => shutdown::run(&arguments[1..]),
        // The kernel passes PID 1 whatever it did not understand on its command line.
        _ if std::process::id() == 1 => pid1::run(),
        Some("readahead") => readahead::run(),
        Some("unlock") => unlock::run(arguments.get(1..).unwrap_or_default()),
        Some("unit-run") => units::run::run(arguments.get(1)),
        _ => usage(
            "aios-init is PID 1 of aiOS; by hand it knows: unlock open|reset|recovery-key DEVICE\n",
        ),
    }
}

/// A role around PID 1, by the name of its program: `aios-control`, `aios-console`,
/// `aios-keeper`, `aios-logger`, `aios-provision`.
pub fn role(program: &str) -> ExitCode {
    match program {
        "aios-control" => report(control::run()),
        "aios-console" => report(console::run()),
        "aios-keeper" => report(keeper::run()),
        "aios-logger" => report(logger::run()),
        "aios-provision" => provision::run(),
        _ => usage("there is no such role of aios-init\n"),
    }
}

fn report(result: std::io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&format!("<3>{error}\n"));
            ExitCode::FAILURE
        }
    }
}

fn usage(text: &str) -> ExitCode {
    tell(text);
    ExitCode::from(64)
}

fn tell(text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
}
