//! `aios-work`: runs programs that exist, each in a sandbox of its own.
//!
//! 1. A program is run with an argument vector, never through a shell, with no environment but what it
//!    is given, and no standard input but what it is given.
//! 2. It runs as the owner of the folder that it works in, without any Linux capability, and can get
//!    none. A folder of root's is worked in as root without capabilities: that is an account that may
//!    write to what the program sees, and it sees next to nothing ([`sandbox`]).
//! 3. It sees the programs and libraries of the system, read-only; its folder; what its caller names;
//!    a `/tmp` of its own; no process but its own, and no network unless it is granted.
//! 4. Its folder is read-only, or its own, or a **shadow**: an overlay over the folder, which stays as
//!    it is. What it wrote there is a list of changes, which aios-tools makes and takes back
//!    (`aios_tool::changes`).
//! 5. When its time is over, or its caller goes away, it is killed with all that it has started: they
//!    are a PID namespace, which ends with its first process.
//!
//! What must not live here: tools, the decision who may run what, and any change of the system.

mod daemon;
pub mod sandbox;
pub mod service;

use std::process::ExitCode;

/// The daemon on `work.sock`, or, by its first argument, a process on its way into a sandbox.
pub fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.first().and_then(|word| word.to_str()) {
        Some(sandbox::ENTER) => sandbox::enter(&arguments[1..]),
        Some(sandbox::INSIDE) => sandbox::inside(&arguments[1..]),
        _ => aios_daemon::run::run(daemon::run()),
    }
}
