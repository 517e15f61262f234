//! `aiosctl`, the operator's command line.
//!
//! 1. It talks to one appliance at a time: mTLS gRPC to the management API
//!    (`aios/v1/management.proto`). The appliance is known by the fixed name
//!    [`pki::NODE_SERVER_NAME`] in its certificate, whatever its address.
//! 2. The certificate authority lives here, with the operator ([`pki`]); its key
//!    never leaves this machine and no key is ever printed.
//! 3. People get tables, programs get JSON (`--json`); both from the same
//!    answers. What came from the appliance is escaped before it reaches a
//!    terminal ([`output::escape`]).
//! 4. An error says what failed, where, and what to do ([`error::Failure`]), and
//!    the exit code says its kind ([`error::Exit`]).
//! 5. The audit ledger is verified here, not only by the appliance that wrote it.
//!
//! What must not live here: anything that decides on behalf of the appliance.

pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
pub mod diagnose;
pub mod error;
pub mod files;
pub mod goals;
pub mod json;
pub mod maintenance;
pub mod output;
pub mod pki;
pub mod probe;
pub mod remembered;
pub mod tls;
pub mod trace;

use std::process::ExitCode;

use clap::Parser as _;

/// Parses the arguments, runs the command, reports a failure on stderr.
pub fn main() -> ExitCode {
    execute(commands::run(cli::Cli::parse()))
}

/// Runs a command to its end and reports a failure on stderr.
pub fn execute(command: impl Future<Output = Result<error::Exit, error::Failure>>) -> ExitCode {
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error::Failure::failed(format!("cannot start: {error}")))
        .and_then(|runtime| {
            let outcome = runtime.block_on(command);
            // A read of standard input cannot be broken off; the process ends without it.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(exit) => ExitCode::from(exit as u8),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit as u8)
        }
    }
}
