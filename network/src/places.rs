//! Where things are, and how they get there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aios_daemon::configuration;

/// What is told to programs that look names up; `/etc/resolv.conf` leads there.
pub fn resolv_conf() -> PathBuf {
    std::env::var_os("AIOS_RESOLV_CONF")
        .map_or_else(|| PathBuf::from("/run/resolv.conf"), PathBuf::from)
}

/// The state, for people and other daemons ([`crate::state::State`]).
pub fn state() -> PathBuf {
    aios_daemon::socket::run_dir().join("network.json")
}

/// Our own files at run time.
pub fn folder() -> PathBuf {
    aios_daemon::socket::run_dir().join("network")
}

/// What interfaces were before they were ours ([`crate::before`]).
pub fn before() -> PathBuf {
    folder().join("before.json")
}

/// `/etc/aios`.
pub fn etc() -> PathBuf {
    aios_daemon::Places::of_this_process().etc
}

/// `/etc/aios/config.toml`.
pub fn config() -> PathBuf {
    etc().join(configuration::FILE)
}

/// The last configuration that was right, for a daemon that starts while the present one is wrong.
pub fn last_right() -> PathBuf {
    etc().join(configuration::LAST_RIGHT)
}

/// The operator's rules of the packet filter.
pub fn operators_rules() -> PathBuf {
    std::env::var_os("AIOS_FIREWALL_RULES")
        .map_or_else(|| PathBuf::from(aios_firewall::FILE), PathBuf::from)
}

/// Where dropbear reads who may log in.
pub const AUTHORIZED_KEYS: &str = "/root/.ssh/authorized_keys";
/// The keys of node.toml (`init/roles/src/provision/install.rs`).
pub const NODE_KEYS: &str = "/etc/aios/pki/ssh_keys";

/// Puts a text in its place, old or new, never half. Not synced: for files in memory.
///
/// # Errors
/// When it cannot be written.
pub fn put(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(text.as_bytes())?;
    fs::rename(&beside, path)
}
