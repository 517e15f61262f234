//! The root file system: Debian's packages, aiOS on top, packed and sealed.
//!
//! Nobody needs to be root for it: whoever owns the files while they are
//! collected, in the image they are root's, but for [`NOT_ROOTS`].

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::binaries::Binary;
use crate::verity::Verity;
use crate::{binaries, cache, exec, host, kernel, layer, models, paths, sbom};

/// Raise when the steps that make Debian's part change, or to take its updates in.
const RECIPE: u32 = 1;

/// Raise when this module's other steps or [`layer`]'s change what they make.
const LAYER_RECIPE: &str = "8";

/// The Debian release that the appliance is made of.
pub const SUITE: &str = "trixie";

/// Packages beyond the essential ones and apt.
const PACKAGES: [&str; 11] = [
    "busybox",
    "ca-certificates",
    "chrony",
    "cryptsetup-bin",
    "dhcpcd-base",
    "dropbear-bin",
    "e2fsprogs",
    "iproute2",
    "nftables",
    // Packages that want systemd's are content with these (systemd itself would be 50 MB).
    "systemd-standalone-sysusers",
    "systemd-standalone-tmpfiles",
];

/// Sets /bin, /lib and /sbin up as links from the start; else a package does it
/// that brings all of Perl (50 MB).
pub const MERGED_USR: &str = "/usr/share/mmdebstrap/hooks/merged-usr";

/// What no appliance reads: not here, nor with packages that are installed later.
const EXCLUDED: [&str; 10] = [
    "/usr/lib/x86_64-linux-gnu/gconv/*",
    "/usr/share/bash-completion/*",
    "/usr/share/bug/*",
    "/usr/share/doc/*",
    "/usr/share/info/*",
    "/usr/share/lintian/*",
    "/usr/share/locale/*",
    "/usr/share/man/*",
    "/usr/share/zoneinfo/*",
    "/usr/share/zsh/*",
];

/// What remains of it after mmdebstrap.
const REMOVED: [&str; 14] = [
    // What Debian enables of its own: the services of aiOS are in manifests.
    "etc/systemd/system/multi-user.target.wants",
    "etc/systemd/system/timers.target.wants",
    "etc/group-",
    "etc/gshadow-",
    "etc/passwd-",
    "etc/shadow-",
    "var/cache/debconf/config.dat-old",
    "var/cache/debconf/templates.dat-old",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dpkg/status-old",
    "var/log/alternatives.log",
    "var/log/apt",
    "var/log/bootstrap.log",
    "var/log/dpkg.log",
];

/// Files that are not root's alone: path, uid, gid (Debian's fixed numbers: 42 is
/// the user `_apt` and the group `shadow`).
const NOT_ROOTS: [(&str, u32, u32); 4] = [
    ("etc/gshadow", 0, 42),
    ("etc/shadow", 0, 42),
    ("var/cache/apt/archives/partial", 42, 0),
    ("var/lib/apt/lists/partial", 42, 0),
];

/// As small as the slowest level, in half its time.
const ZSTD_LEVEL: &str = "16";

/// Twice squashfs's own choice: 4 % smaller, and a program is read as a whole anyway.
/// `init/pid1/src/readahead.rs` asks for as much at a time.
const BLOCK: &str = "256K";

/// A packed and sealed root file system.
pub struct Root {
    /// The squashfs followed by its hash tree.
    pub image: PathBuf,
    /// How the kernel checks it.
    pub verity: Verity,
}

/// Builds the root file system, or finds it in the cache.
///
/// # Errors
/// When a part of it cannot be built.
pub fn build(binaries: &[Binary]) -> Result<Root> {
    host::ensure(&[host::ROOTFS])?;
    if !host::is_root() {
        host::ensure(&[host::ROOTFS_UNPRIVILEGED])?;
    }
    let models = models::build()?;
    let base = cache::entry("debian", &base_key(), debian)?.join("base.tar");
    let kernel = kernel::version()?;
    let key = layer::key(base_key().text("layer", LAYER_RECIPE), binaries, &models)?
        .text("kernel", &kernel)
        .file("crates", &paths::repository().join("Cargo.lock"))?;
    let parts = Parts {
        base: &base,
        binaries,
        models: &models,
        kernel: &kernel,
    };
    let built = cache::entry("rootfs", &key, |folder| pack(folder, &parts))?;
    let verity = serde_json::from_slice(&fs::read(built.join("verity.json"))?)?;
    Ok(Root {
        image: built.join("root.squashfs"),
        verity,
    })
}

/// The same root file system as a folder, for containers: in `target/aios/rootfs`.
/// Files must be root's there, so this uses sudo when we are not.
///
/// # Errors
/// When it cannot be unpacked.
pub fn unpack(root: &Root) -> Result<PathBuf> {
    let folder = paths::artefacts().join("rootfs");
    let stamp = paths::artefacts().join("rootfs.root-hash");
    if folder.exists() && fs::read_to_string(&stamp).is_ok_and(|was| was == root.verity.root_hash) {
        return Ok(folder);
    }
    drop(fs::remove_file(&stamp)); // It may not be there.
    fs::create_dir_all(paths::artefacts())?;
    exec::run(
        "rootfs: removing the old folder",
        host::as_root("rm").arg("-rf").arg(&folder),
    )?;
    exec::run(
        "rootfs: unpacking for containers",
        host::as_root("unsquashfs")
            .args(["-no-progress", "-d"])
            .arg(&folder)
            .arg(&root.image),
    )?;
    fs::write(&stamp, &root.verity.root_hash)?;
    Ok(folder)
}

fn base_key() -> cache::Key {
    cache::Key::new(RECIPE)
        .text("suite", SUITE)
        .text("packages", &PACKAGES.join(" "))
        .text("excluded", &EXCLUDED.join(" "))
        .text("links", MERGED_USR)
}

/// Packs the root file system once more, in `folder`: from Debian's part as it is in the
/// cache or, `fresh`, from packages that are installed anew. Answers the image.
///
/// # Errors
/// As [`build`].
pub fn again(binaries: &[Binary], folder: &Path, fresh: bool) -> Result<PathBuf> {
    let base = if fresh {
        debian(folder)?;
        folder.to_owned()
    } else {
        cache::entry("debian", &base_key(), debian)?
    };
    let parts = Parts {
        base: &base.join("base.tar"),
        binaries,
        models: &models::build()?,
        kernel: &kernel::version()?,
    };
    pack(folder, &parts)?;
    Ok(folder.join("root.squashfs"))
}

/// Makes Debian's part, as `base.tar` in `folder`.
fn debian(folder: &Path) -> Result<()> {
    let mut command = Command::new("mmdebstrap");
    command.args(["--mode", if host::is_root() { "root" } else { "unshare" }]);
    command.args(["--variant=apt", "--architectures=amd64"]);
    command.arg(format!("--include={}", PACKAGES.join(",")));
    command.arg(format!("--hook-dir={MERGED_USR}"));
    for path in EXCLUDED {
        command.arg(format!("--dpkgopt=path-exclude={path}"));
    }
    // Licences are kept: we ship these packages.
    command.arg("--dpkgopt=path-include=/usr/share/doc/*/copyright");
    exec::run(
        "rootfs: Debian packages",
        command.arg(SUITE).arg(folder.join("base.tar")),
    )
}

/// What a root file system is packed from.
struct Parts<'a> {
    base: &'a Path,
    binaries: &'a [Binary],
    models: &'a Path,
    /// The kernel's version, for the list of what is shipped.
    kernel: &'a str,
}

fn pack(folder: &Path, parts: &Parts) -> Result<()> {
    // What is packed does not depend on who packs it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
    let tree = folder.join("tree");
    fs::create_dir(&tree)?;
    exec::run(
        "rootfs: unpacking Debian",
        Command::new("tar")
            .args(["--no-same-owner", "--exclude=./dev/*", "-xpf"])
            .arg(parts.base)
            .arg("-C")
            .arg(&tree),
    )?;
    for path in REMOVED {
        let path = tree.join(path);
        drop(fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path))); // May not be there.
    }
    layer::apply(&tree, parts.binaries, parts.models)?;
    let built = layer::build_time().parse().unwrap_or_default();
    let list = sbom::make(
        &tree,
        &binaries::packages(),
        parts.models,
        parts.kernel,
        built,
    )?;
    layer::write(&tree.join(sbom::PATH), &list, 0o644)?;
    forbid_setuid(&tree)?;
    let image = folder.join("root.squashfs");
    squash(&tree, &image)?;
    let verity = Verity::seal(&image)?;
    fs::write(
        folder.join("verity.json"),
        serde_json::to_vec_pretty(&verity)?,
    )?;
    fs::remove_dir_all(&tree).context("cannot remove the unpacked tree")
}

/// Takes away the setuid and setgid bits: privilege comes from PID 1 alone.
fn forbid_setuid(tree: &Path) -> Result<()> {
    for name in cache::files(tree)? {
        let path = tree.join(name);
        let metadata = fs::symlink_metadata(&path)?;
        let mode = metadata.permissions().mode();
        if metadata.is_file() && mode & 0o6000 != 0 {
            fs::set_permissions(&path, Permissions::from_mode(mode & 0o1777))?;
        }
    }
    Ok(())
}

fn squash(tree: &Path, image: &Path) -> Result<()> {
    let mut command = Command::new("mksquashfs");
    command.arg(tree).arg(image);
    command.args([
        "-comp",
        "zstd",
        "-Xcompression-level",
        ZSTD_LEVEL,
        "-b",
        BLOCK,
    ]);
    command.args(["-noappend", "-no-progress"]);
    // The same files give the same bytes.
    command.args(["-mkfs-time", "0", "-all-time", "0"]);
    command.env_remove("SOURCE_DATE_EPOCH");
    // Whoever owns the files here. (-all-root would win over the exceptions.)
    command.args(["-root-uid", "0", "-root-gid", "0"]);
    command.args(["-action", "guid(0,0)@true"]);
    // Quantised weights: 7 % smaller, for a quarter of what the kernel does while they are loaded.
    command.args(["-action", "uncompressed@name(*.gguf)"]);
    for (path, uid, gid) in NOT_ROOTS {
        command
            .arg("-action")
            .arg(format!("guid({uid},{gid})@pathname({path})"));
    }
    exec::run("rootfs: packing", &mut command)
}

/// A plain Debian root for a test, of root's: the essential packages, apt and `packages`
/// (comma-separated), without documentation. `keep`: the fetched packages stay in apt's cache.
///
/// # Errors
/// When the packages cannot be had.
pub fn plain_debian(
    what: &str,
    suite: &str,
    packages: &str,
    root: &Path,
    keep: bool,
) -> Result<()> {
    let mut command = host::as_root("mmdebstrap");
    if keep {
        command.arg("--aptopt=APT::Keep-Downloaded-Packages \"true\"");
        command.arg("--skip=cleanup/apt/cache");
    }
    command.args(["--mode=root", "--variant=apt", "--architectures=amd64"]);
    command.arg(format!("--include={packages}"));
    command.arg(format!("--hook-dir={MERGED_USR}"));
    for path in ["doc", "locale", "man"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{path}/*"));
    }
    exec::run(what, command.arg(suite).arg(root))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_setuid_or_setgid_file_is_shipped() {
        let tree = tempfile::tempdir().unwrap();
        let path = tree.path().join("su");
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o6755)).unwrap();
        forbid_setuid(tree.path()).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
            0o755
        );
    }
}
