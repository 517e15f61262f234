//! The operator's and the node's certificates for one instance, made as a
//! person would make them: with `aiosctl pki`.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::ctl::Ctl;

/// The operator's configuration file for the instance in `folder`.
pub fn config(folder: &Path) -> PathBuf {
    folder.join("operator").join("config.toml")
}

/// Makes what is missing, and points the operator at `port`. Answers where the
/// node's provisioning file is.
///
/// # Errors
/// When `aiosctl` fails, with what it said.
pub fn ensure(aiosctl: &Path, folder: &Path, port: u16) -> Result<PathBuf> {
    let ctl = Ctl::new(aiosctl, &config(folder));
    let node = folder.join("node.toml");
    let endpoint = format!("127.0.0.1:{port}");
    if node.exists() {
        ctl.run(&["config", "set", "endpoint", &endpoint])?;
        return Ok(node);
    }
    if !folder.join("operator/pki/ca.key").exists() {
        ctl.run(&["pki", "init"])?;
    }
    ctl.run(&[
        "--endpoint",
        &endpoint,
        "pki",
        "operator",
        "admin",
        "--role",
        "admin",
    ])?;
    // Last: its being there says that all is.
    let path = node.display().to_string();
    ctl.run(&[
        "pki",
        "node",
        "aios",
        "--address",
        "127.0.0.1",
        "--output",
        &path,
    ])?;
    Ok(node)
}
