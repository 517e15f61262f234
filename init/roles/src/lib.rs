//! The roles around PID 1, each a process of its own that PID 1 starts again when it dies. On the
//! appliance they are programs of the executable `aios`.
//!
//! 1. [`control`] speaks gRPC on `/run/aios/init.sock` and asks PID 1 in small bounded packets
//!    (`aios_service::wire`).
//! 2. [`logger`] writes what services say into bounded files.
//! 3. [`keeper`] does the machine's slow chores: what a crash left, the boot counter, growing the
//!    data partition, saving time and entropy.
//! 4. [`provision`] installs the node's name, certificates and configuration.
//! 5. [`console`] shows a status page on the machine's own screen and serial line.
//!
//! What must not live here: anything that PID 1 needs (`init/service`), anything that understands
//! goals, tools or models.

mod console;
mod control;
mod keeper;
mod logger;
mod provision;

use std::process::ExitCode;

use aios_service::exit;

pub use control::{ACCESS as INIT_ACCESS, Deed};

/// Runs the role whose program has this name: `aios-control`, `aios-console`, `aios-keeper`,
/// `aios-logger`, `aios-provision`.
pub fn role(program: &str) -> ExitCode {
    match program {
        "aios-control" => report(control::run()),
        "aios-console" => report(console::run()),
        "aios-keeper" => report(keeper::run()),
        "aios-logger" => report(logger::run()),
        "aios-provision" => provision::run(),
        _ => {
            tell("there is no such role\n");
            ExitCode::from(exit::USAGE)
        }
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

fn tell(text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(std::io::stderr(), text.as_bytes());
}
