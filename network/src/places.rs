//! Where things are, and how they get there.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use aios_config::Config;

/// What is told to programs that look names up; `/etc/resolv.conf` leads there.
pub fn resolv_conf() -> PathBuf {
    std::env::var_os("AIOS_RESOLV_CONF")
        .map_or_else(|| PathBuf::from("/run/resolv.conf"), PathBuf::from)
}

/// The state, for people and other daemons ([`crate::state::State`]).
pub fn state() -> PathBuf {
    aios_proto::socket::run_dir().join("network.json")
}

/// Our own files at run time.
pub fn folder() -> PathBuf {
    aios_proto::socket::run_dir().join("network")
}

/// What interfaces were before they were ours ([`crate::before`]).
pub fn before() -> PathBuf {
    folder().join("before.json")
}

/// The last configuration that was right, for a daemon that starts while it is wrong.
pub fn last_right() -> PathBuf {
    folder().join("config.toml")
}

/// `/etc/aios/config.toml`.
pub fn config() -> PathBuf {
    let etc = std::env::var_os("AIOS_ETC_DIR");
    etc.map_or_else(|| PathBuf::from("/etc/aios"), PathBuf::from)
        .join("config.toml")
}

/// Where dropbear reads who may log in.
pub const AUTHORIZED_KEYS: &str = "/root/.ssh/authorized_keys";
/// The keys of node.toml (`init/roles/src/provision/install.rs`).
pub const NODE_KEYS: &str = "/etc/aios/pki/ssh_keys";

/// The configuration that holds: the one there, the last right one while that is wrong, or the
/// default one.
pub fn in_force() -> Config {
    let read = |path: PathBuf| read_config(&path).map(|(config, _)| config);
    read(config())
        .or_else(|_| read(last_right()))
        .unwrap_or_default()
}

/// The configuration there, and its text; without the file, the default one, which is no text.
///
/// # Errors
/// Every mistake in it, one per line.
pub fn read_config(path: &Path) -> anyhow::Result<(Config, String)> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => anyhow::bail!("cannot read {}: {error}", path.display()),
        Ok(text) => text,
    };
    let config = aios_config::parse(&text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("{} is not right: {}", path.display(), lines.join(" | "))
    })?;
    Ok((config, text))
}

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
