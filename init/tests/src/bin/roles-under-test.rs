//! The roles around PID 1 by the name that this is called by, for the tests; on the appliance they
//! are programs of `aios`.

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let called = std::env::args().next().unwrap_or_default();
    let name = Path::new(&called).file_name().unwrap_or_default();
    aios_roles::role(&name.to_string_lossy())
}
