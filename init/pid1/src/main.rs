//! PID 1: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    aios_init::init()
}
