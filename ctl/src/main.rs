//! The executable for the operator's machine: the library's commands, and `aiosctl mcp`.

#[cfg(feature = "mcp")]
mod mcp;

use std::process::ExitCode;

#[cfg(feature = "mcp")]
fn main() -> ExitCode {
    use aiosctl::cli::{Cli, Command};
    use clap::Parser as _;

    match Cli::parse() {
        Cli {
            global,
            command: Command::Mcp(arguments),
        } => aiosctl::execute(mcp::serve(global, arguments)),
        cli => aiosctl::execute(aiosctl::commands::run(cli)),
    }
}

#[cfg(not(feature = "mcp"))]
fn main() -> ExitCode {
    aiosctl::main()
}
