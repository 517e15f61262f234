//! What maintenance mode was given over the network (`maintenance/src/service.rs`): it lies in the
//! daemon's own folder until it is installed or refused, and counts only on a node that has nothing.

use std::net::SocketAddr;
use std::path::PathBuf;

fn folder() -> PathBuf {
    aios_service::places::state_dir().join("maintenance")
}

/// The `node.toml`.
pub fn node() -> PathBuf {
    folder().join("offered-node.toml")
}

/// The `config.toml` beside it.
pub fn config() -> PathBuf {
    folder().join("offered-config.toml")
}

/// Who offered it, by maintenance mode's word; nothing but an address is believed.
pub fn by() -> Option<SocketAddr> {
    super::read_own(&address())?.trim().parse().ok()
}

fn address() -> PathBuf {
    folder().join("offered-by")
}

/// Removes them: they hold a key, and were installed or refused.
pub fn forget() {
    for path in [node(), config(), address()] {
        // Err: it is not there.
        let _ = std::fs::remove_file(path);
    }
}
