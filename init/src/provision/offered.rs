//! What maintenance mode was given over the network (`maintenance/src/service.rs`): it lies in the
//! daemon's own folder until it is installed or refused, and counts only on a node that has nothing.

use std::path::PathBuf;

fn folder() -> PathBuf {
    crate::places::state_dir().join("maintenance")
}

/// The `node.toml`.
pub fn node() -> PathBuf {
    folder().join("offered-node.toml")
}

/// The `config.toml` beside it.
pub fn config() -> PathBuf {
    folder().join("offered-config.toml")
}

/// Removes both: they hold a key, and were installed or refused.
pub fn forget() {
    for path in [node(), config()] {
        // Err: it is not there.
        let _ = std::fs::remove_file(path);
    }
}
