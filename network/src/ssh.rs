//! The `ssh` role: recovery by SSH. Puts the configured keys in their place,
//! makes the node's host key at the first start, and becomes dropbear. Without
//! a key nothing listens.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use aios_config::{Ssh, reader};
use aios_daemon::Places;
use aios_daemon::durable;
use anyhow::{Context, Result, ensure};

use crate::places::{AUTHORIZED_KEYS, NODE_KEYS};

/// The host key: on the data partition, made by this node, and only its own.
const HOST_KEY: &str = "/var/lib/aios/ssh/ed25519";

/// Will there be somebody who may log in?
pub fn is_open(ssh: &Ssh) -> bool {
    !keys(ssh).is_empty()
}

/// Who may log in: whom the configuration says, else whom node.toml said.
fn keys(ssh: &Ssh) -> Vec<String> {
    let given = || keys_in(&fs::read_to_string(NODE_KEYS).unwrap_or_default());
    ssh.authorized_keys.clone().unwrap_or_else(given)
}

fn keys_in(text: &str) -> Vec<String> {
    let is_key = |line: &&str| !line.is_empty() && !line.starts_with('#');
    let lines = text.lines().map(str::trim).filter(is_key);
    lines.map(str::to_owned).collect()
}

/// The role. Returns when there is nobody who may log in, or when it failed.
///
/// # Errors
/// When a key cannot be written, or dropbear cannot be run.
pub fn run() -> Result<()> {
    let config = Places::of_this_process().config::<reader::Ssh>();
    let ssh = config.table::<Ssh>();
    let keys = keys(ssh);
    // Each time, so that keys of a configuration that is gone are gone.
    install(&keys, Path::new(AUTHORIZED_KEYS)).context("cannot install the keys")?;
    if keys.is_empty() {
        tracing::info!("no key is configured: nothing listens on port {}", ssh.port);
        return Ok(());
    }
    make_host_key(Path::new(HOST_KEY))?;
    let port = ssh.port.to_string();
    // Foreground, log to stderr, no password, no forwarding either way, ends idle sessions
    // after an hour and dead connections after two minutes.
    let error = Command::new("/usr/sbin/dropbear")
        .args(["-F", "-E", "-s", "-g", "-j", "-k", "-m", "-T", "3"])
        .args(["-I", "3600", "-K", "30"])
        .args(["-p", &port, "-r", HOST_KEY, "-P", "/run/dropbear.pid"])
        .exec();
    Err(error).context("cannot run dropbear")
}

/// Puts the configured keys in place of all others, durably.
fn install(keys: &[String], path: &Path) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)?;
    if keys.is_empty() {
        return durable::remove(path);
    }
    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    durable::replace(path, text.as_bytes())
}

fn make_host_key(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside); // Left by a power cut, or not there.
    let made = Command::new("/usr/bin/dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(&beside)
        .output()
        .context("cannot run dropbearkey")?;
    let said = String::from_utf8_lossy(&made.stderr);
    ensure!(
        made.status.success(),
        "no host key could be made: {}",
        said.trim()
    );
    File::open(&beside)?.sync_all()?;
    fs::rename(&beside, path).context("cannot put the host key in its place")?;
    File::open(folder)?.sync_all()?;
    let print = String::from_utf8_lossy(&made.stdout);
    let print = print.lines().find(|line| line.starts_with("Fingerprint"));
    tracing::info!("made this node's host key. {}", print.unwrap_or_default());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_key_opens_the_port() {
        assert!(keys_in("\n# ssh-ed25519 AAAA\n \n").is_empty());
        assert_eq!(
            keys_in("# mine\nssh-ed25519 AAAA me\n"),
            ["ssh-ed25519 AAAA me"]
        );
    }

    #[test]
    fn configured_keys_replace_all_others_and_none_means_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".ssh/authorized_keys");
        install(&["a".to_owned(), "b".to_owned()], &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "a\nb\n");
        install(&["c".to_owned()], &path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "c\n");
        install(&[], &path).unwrap();
        assert!(!path.exists());
    }
}
