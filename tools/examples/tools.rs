//! Writes `docs/tools.md` to the standard output.

use std::io::Write as _;

#[path = "../tests/page/mod.rs"]
mod page;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(page::page().as_bytes())
}
