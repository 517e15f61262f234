//! What dependencies may be: cargo-deny holds them to `deny.toml`.

use std::process::Command;

use anyhow::Result;

use crate::{exec, paths};

/// Checks licences, bans and sources of all dependencies.
///
/// # Errors
/// With everything that is not allowed, or when cargo-deny cannot be installed.
pub fn check() -> Result<()> {
    exec::ensure_cargo_tool("deny", "checks licences and sources of dependencies")?;
    exec::run(
        "dependencies: licences, bans, sources",
        deny().args(["check", "licenses", "bans", "sources"]),
    )
}

/// Checks the dependencies against RustSec's advisories. `Ok(Some(why))`: the database, which changes
/// from day to day, cannot be fetched, and nothing was checked.
///
/// # Errors
/// When a dependency has an advisory or was yanked.
pub fn advisories() -> Result<Option<String>> {
    exec::ensure_cargo_tool("deny", "checks advisories about dependencies")?;
    if let Err(error) = exec::output(deny().args(["fetch", "db"])) {
        return Ok(Some(format!("{error:#}")));
    }
    exec::run(
        "dependencies: advisories",
        deny().args(["check", "--disable-fetch", "advisories"]),
    )?;
    Ok(None)
}

fn deny() -> Command {
    let mut command = Command::new("cargo");
    command.arg("deny").current_dir(paths::repository());
    command
}
