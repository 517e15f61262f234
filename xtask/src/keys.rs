//! The key that signs update bundles. Its public half goes into every root that is
//! built here: a system takes updates from whoever built it.

use std::path::PathBuf;

use aios_update::keys::{self, SigningKey};
use anyhow::{Context, Result};

/// The private key; made, and told of, when there is none yet.
///
/// # Errors
/// When it cannot be read or made.
pub fn signing() -> Result<SigningKey> {
    let path = path()?;
    if path.exists() {
        return Ok(keys::private(&path)?);
    }
    let folder = path.parent().context("the key's path has no folder")?;
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let key = keys::create(&path)?;
    eprintln!(
        "made the key that signs updates: {}\n  Keep it and a copy of it: systems built with it take updates signed by no other key.",
        path.display()
    );
    Ok(key)
}

/// The public half, as it goes into the root.
///
/// # Errors
/// As [`signing`].
pub fn public() -> Result<String> {
    Ok(keys::public_pem(&signing()?)?)
}

/// Where the private key is.
///
/// # Errors
/// When there is no home folder.
pub fn path() -> Result<PathBuf> {
    keys::builders().context("HOME is not set; name the key with AIOS_UPDATE_KEY=FILE")
}
