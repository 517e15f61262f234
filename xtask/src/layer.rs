//! What aiOS puts on top of Debian's packages in the root file system.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::binaries::{self, Binary};
use crate::{cache, exec, keys, paths};

/// The group of everything of aiOS's.
const AIOS_GID: u32 = 900;

/// What the read-only root must offer as mount points, and folders that other
/// parts expect.
const FOLDERS: [&str; 19] = [
    "boot",
    "data",
    "dev",
    "etc/aios/pki",
    "home/workspaces",
    "lower",
    "mnt",
    "proc",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr/lib/aios/models",
    "usr/lib/aios/skills",
    "var/lib/aios",
    "var/lib/aios/models",
    "var/log/aios",
    "var/tmp",
    "root",
];

/// Small files and their content.
const FILES: [(&str, &str); 5] = [
    ("etc/hostname", "aios\n"),
    (
        "etc/hosts",
        "127.0.0.1 localhost aios\n::1 localhost aios\n",
    ),
    (
        "etc/fstab",
        "# Nothing here: aios-init mounts what there is.\n",
    ),
    ("etc/machine-id", ""),
    // Packages are installed here, not started: PID 1 starts what its manifests name.
    ("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n"),
];

/// Symbolic links: where, and to what.
const LINKS: [(&str, &str); 3] = [
    ("usr/sbin/init", "/usr/lib/aios/aios-init"),
    // aios-network writes there.
    ("etc/resolv.conf", "/run/resolv.conf"),
    ("etc/mtab", "/proc/self/mounts"),
];

/// Adds what layers are made from to a key.
///
/// # Errors
/// When an input cannot be read.
pub fn key(key: cache::Key, binaries: &[Binary], models: &Path) -> Result<cache::Key> {
    let repository = paths::repository();
    let mut key = key
        .file("identities", &repository.join("proto/identities.toml"))?
        .tree(&repository.join("image/etc"))?
        .tree(&repository.join("brain/skills"))?
        .text(
            "models",
            &models.file_name().unwrap_or_default().to_string_lossy(),
        );
    for binary in binaries {
        key = key.file(binary.name, &binary.path)?;
    }
    Ok(key
        .text("build time", &build_time())
        .text("update key", &keys::public()?))
}

/// Unix seconds of the last commit: no clock of the appliance may be behind it.
/// Empty outside a git checkout.
pub fn build_time() -> String {
    let mut git = Command::new("git");
    git.current_dir(paths::repository())
        .args(["log", "-1", "--format=%ct"]);
    exec::output(&mut git).unwrap_or_default().trim().to_owned()
}

/// Puts everything in place below `root`.
///
/// # Errors
/// When a file cannot be written or a part is missing.
pub fn apply(root: &Path, binaries: &[Binary], models: &Path) -> Result<()> {
    let repository = paths::repository();
    for folder in FOLDERS {
        fs::create_dir_all(root.join(folder)).with_context(|| folder.to_owned())?;
    }
    for folder in ["tmp", "var/tmp"] {
        fs::set_permissions(root.join(folder), Permissions::from_mode(0o1777))?;
    }
    write(&root.join("usr/lib/aios/build-time"), &build_time(), 0o644)?;
    let trusted = root.join("usr/lib/aios/update.pub");
    write(&trusted, &keys::public()?, 0o644)?;
    // Certificates are for everyone; provisioning gives the key to its owner alone.
    fs::set_permissions(root.join("etc/aios/pki"), Permissions::from_mode(0o755))?;
    for (path, content) in FILES {
        write(
            &root.join(path),
            content,
            if content.starts_with("#!") {
                0o755
            } else {
                0o644
            },
        )?;
    }
    for (path, target) in LINKS {
        let path = root.join(path);
        drop(fs::remove_file(&path)); // It may not be there.
        symlink(target, &path).with_context(|| path.display().to_string())?;
    }
    accounts(
        root,
        &fs::read_to_string(repository.join("proto/identities.toml"))?,
    )?;
    copy_tree(&repository.join("image/etc"), &root.join("etc"))?;
    copy_tree(
        &repository.join("brain/skills"),
        &root.join("usr/lib/aios/skills"),
    )?;
    copy_tree(models, &root.join("usr/lib/aios/models"))?;
    binaries
        .iter()
        .try_for_each(|binary| binaries::install(binary, root))
}

/// Copies files: executable ones 0755, others 0644, whatever the umask was.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let files = cache::files(from)?;
    ensure!(!files.is_empty(), "{} is empty", from.display());
    for name in files {
        let (source, target) = (from.join(&name), to.join(&name));
        let executable = fs::metadata(&source)?.permissions().mode() & 0o100 != 0;
        fs::create_dir_all(target.parent().unwrap_or(to))?;
        drop(fs::remove_file(&target)); // A link of Debian's would be followed.
        fs::copy(&source, &target).with_context(|| target.display().to_string())?;
        let mode = if executable { 0o755 } else { 0o644 };
        fs::set_permissions(&target, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Writes a file anew, whatever was there and whatever the umask is.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, content: &str, mode: u32) -> Result<()> {
    drop(fs::remove_file(path)); // It may not be there.
    fs::write(path, content).with_context(|| path.display().to_string())?;
    Ok(fs::set_permissions(path, Permissions::from_mode(mode))?)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    name: String,
    uid: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identities {
    identity: Vec<Identity>,
}

/// Writes aiOS's accounts into passwd, group and shadow: no password, no shell.
fn accounts(root: &Path, table: &str) -> Result<()> {
    let identities: Identities = toml::from_str(table).context("proto/identities.toml")?;
    let append = |file: &str, mode: u32, lines: String| {
        let path = root.join(file);
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        write(&path, &(text + &lines), mode)
    };
    append("etc/passwd", 0o644, passwd(&identities))?;
    append("etc/shadow", 0o640, shadow(&identities))?;
    let path = root.join("etc/shadow");
    write(&path, &without_dates(&fs::read_to_string(&path)?), 0o640)?;
    append("etc/group", 0o644, format!("aios:x:{AIOS_GID}:\n"))?;
    append("etc/gshadow", 0o640, "aios:!::\n".to_owned())
}

fn passwd(identities: &Identities) -> String {
    let line = |identity: &Identity| {
        let (name, uid) = (&identity.name, identity.uid);
        format!("{name}:x:{uid}:{AIOS_GID}:aiOS:/nonexistent:/usr/sbin/nologin\n")
    };
    identities.identity.iter().map(line).collect()
}

fn shadow(identities: &Identities) -> String {
    identities
        .identity
        .iter()
        .map(|identity| format!("{}:!:::::::\n", identity.name))
        .collect()
}

/// Debian's packages write the day on which an account was made.
fn without_dates(shadow: &str) -> String {
    let line = |line: &str| {
        let mut fields: Vec<&str> = line.split(':').collect();
        if let Some(day) = fields.get_mut(2) {
            *day = "";
        }
        fields.join(":") + "\n"
    };
    shadow.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_neither_password_nor_shell() {
        let one: Identities =
            toml::from_str("[[identity]]\nname = \"aios-tools\"\nuid = 904").unwrap();
        assert_eq!(
            passwd(&one),
            "aios-tools:x:904:900:aiOS:/nonexistent:/usr/sbin/nologin\n"
        );
        assert_eq!(shadow(&one), "aios-tools:!:::::::\n");
        assert_eq!(
            without_dates("root:*:20413:0:99999:7:::\n"),
            "root:*::0:99999:7:::\n"
        );
    }

    #[test]
    fn a_link_in_debians_tree_is_replaced_and_not_followed() {
        let (root, from) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outside = root.path().join("outside");
        fs::write(&outside, "kept").unwrap();
        symlink(&outside, root.path().join("x")).unwrap();
        fs::write(from.path().join("x"), "ours").unwrap();
        copy_tree(from.path(), root.path()).unwrap();
        assert_eq!(fs::read_to_string(&outside).unwrap(), "kept");
        assert_eq!(fs::read_to_string(root.path().join("x")).unwrap(), "ours");
    }

    #[test]
    fn the_table_of_this_repository_can_be_read() {
        let table = fs::read_to_string(paths::repository().join("proto/identities.toml")).unwrap();
        let identities: Identities = toml::from_str(&table).unwrap();
        assert!(
            identities
                .identity
                .iter()
                .any(|identity| identity.name == "aios-orchestrator")
        );
    }
}
