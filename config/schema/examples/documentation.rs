//! Writes `docs/configuration.md` to the standard output.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(aios_config::documentation().as_bytes())
}
