//! Puts a node's files in their places.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Uid, fchown};

use aios_config::node::Node;

use aios_service::accounts::{self, Account};
use aios_service::places;

/// Where a node's files go, and whose the key is.
pub struct Places {
    pki: PathBuf,
    host_name: PathBuf,
    ssh_keys: PathBuf,
    key_owner: Account,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            pki: places::etc_dir().join("pki"),
            host_name: PathBuf::from("/etc/hostname"),
            ssh_keys: places::etc_dir().join("pki/ssh_keys"),
            key_owner: accounts::find("aios-orchestrator").unwrap_or_else(Account::root),
        }
    }
}

impl Places {
    /// Has a node.toml been installed before?
    pub fn is_provisioned(&self) -> bool {
        ["ca.crt", "node.crt", "node.key"]
            .iter()
            .all(|name| self.pki.join(name).exists())
    }

    /// Who the node belongs to, PEM; empty when that cannot be read.
    pub fn authority(&self) -> String {
        std::fs::read_to_string(self.pki.join("ca.crt")).unwrap_or_default()
    }

    /// Is it this node already?
    pub fn has(&self, node: &Node) -> bool {
        let certificate = std::fs::read_to_string(self.pki.join("node.crt"));
        certificate.is_ok_and(|certificate| certificate == node.pki.certificate)
            && self.is_provisioned()
    }
}

/// # Errors
/// The first file that could not be put in its place.
pub fn install(places: &Places, node: &Node) -> Result<(), String> {
    let root = Account::root();
    std::fs::create_dir_all(&places.pki)
        .map_err(|error| format!("cannot make {}: {error}", places.pki.display()))?;
    let pki = |name: &str| places.pki.join(name);
    put(&pki("node.key"), &node.pki.key, 0o400, &places.key_owner)?;
    put(&pki("ca.crt"), &node.pki.ca, 0o444, &root)?;
    put(&pki("node.crt"), &node.pki.certificate, 0o444, &root)?;
    put(
        &places.host_name,
        &format!("{}\n", node.node.name),
        0o644,
        &root,
    )?;
    // For the service ssh, which takes the configuration's instead if it has any.
    let keys = &node.ssh.authorized_keys;
    let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
    put(&places.ssh_keys, &text, 0o600, &root)
}

/// A configuration, readable for every daemon.
///
/// # Errors
/// That it could not be put in its place.
pub fn put_config(path: &Path, text: &str) -> Result<(), String> {
    put(path, text, 0o644, &Account::root())
}

fn put(path: &Path, text: &str, mode: u32, owner: &Account) -> Result<(), String> {
    write_atomically(path, text.as_bytes(), mode, owner)
        .map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// Old or new, never half: written beside, synced, renamed, folder synced.
fn write_atomically(path: &Path, bytes: &[u8], mode: u32, owner: &Account) -> io::Result<()> {
    let beside = path.with_extension("new");
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(bytes)?;
    fchown(
        &file,
        Some(Uid::from_raw(owner.uid)),
        Some(Gid::from_raw(owner.gid)),
    )?;
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    path.parent()
        .map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

#[cfg(test)]
mod tests {
    use aios_config::node;

    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_file_is_replaced_with_its_mode_and_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.key");
        let me = Account {
            uid: Uid::effective().as_raw(),
            gid: Gid::effective().as_raw(),
            ..Account::root()
        };
        write_atomically(&path, b"old", 0o400, &me).unwrap();
        std::fs::write(path.with_extension("new"), "left by a power cut").unwrap();
        write_atomically(&path, b"new", 0o400, &me).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!((metadata.mode() & 0o777, metadata.uid()), (0o400, me.uid));
        assert!(!path.with_extension("new").exists());
    }

    #[test]
    fn only_a_node_that_is_new_or_another_is_put_on_record() {
        let folder = tempfile::tempdir().unwrap();
        let places = Places {
            pki: folder.path().to_owned(),
            ..Places::default()
        };
        let node = |certificate: &str| Node {
            node: node::Name {
                name: "web-1".to_owned(),
                issued: 0,
            },
            pki: node::Pki {
                ca: "authority".to_owned(),
                certificate: certificate.to_owned(),
                key: "key".to_owned(),
            },
            ssh: node::Ssh::default(),
        };
        assert!(!places.has(&node("first")));
        for (name, text) in [
            ("ca.crt", "authority"),
            ("node.key", "key"),
            ("node.crt", "first"),
        ] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        assert!(places.has(&node("first")));
        assert!(!places.has(&node("second")));
    }
}
