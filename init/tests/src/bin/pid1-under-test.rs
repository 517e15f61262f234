//! PID 1's executable, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    aios_init::init()
}
