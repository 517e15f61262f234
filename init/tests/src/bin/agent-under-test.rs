//! A real agent, for the tests; on the appliance it is a program of `aios`.

use std::process::ExitCode;

fn main() -> ExitCode {
    aios_agents::main()
}
