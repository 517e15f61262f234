//! What the packed root file system promises, checked on the packed bytes themselves.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use rustix::fs::Mode;

use crate::{binaries, cache, exec, models, rootfs};

/// Bytes of the root without the built-in models.
const SIZE_MAX: u64 = 64_000_000;

/// Checks the root that was built last. `long`: Debian's packages are installed anew for
/// the comparison, not taken from the cache.
///
/// # Errors
/// The first promise that is broken.
pub fn check(long: bool) -> Result<()> {
    let binaries = binaries::build()?.appliance;
    let root = rootfs::build(&binaries)?;
    let own = size_without(&root.image, &models::build()?)?;
    ensure!(
        own <= SIZE_MAX,
        "the root without models has {own} bytes, more than {SIZE_MAX}"
    );
    let listing = list(&root.image)?;
    let privileged = privileged(&listing);
    ensure!(
        privileged.is_empty(),
        "setuid or setgid files are shipped:\n{}",
        privileged.join("\n")
    );
    let enabled = enabled(&listing);
    ensure!(
        enabled.is_empty(),
        "a service is shipped that nobody enabled:\n{}",
        enabled.join("\n")
    );
    // Another folder, another time, another umask.
    let folder = tempfile::tempdir()?;
    let usual = rustix::process::umask(Mode::from_raw_mode(0o077));
    let again = rootfs::again(&binaries, folder.path(), long);
    rustix::process::umask(usual);
    let again = again?;
    ensure!(
        cache::sha256(&again)? == cache::sha256(&root.image)?,
        "the root file system is not reproducible: {} differs from {}; \
         `diffoscope` or `unsquashfs -lls` tells where",
        folder.keep().join("root.squashfs").display(),
        root.image.display()
    );
    eprintln!("root file system: {own} bytes without models, no setuid file, the same bytes twice");
    Ok(())
}

fn size_without(image: &Path, models: &Path) -> Result<u64> {
    let size = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len());
    let mut own = size(image)?;
    for name in cache::files(models)? {
        // Weights do not compress.
        own = own.saturating_sub(size(&models.join(name))?);
    }
    Ok(own)
}

fn list(image: &Path) -> Result<String> {
    exec::output(Command::new("unsquashfs").arg("-lln").arg(image))
        .context("cannot list the root image")
}

/// The lines of unsquashfs's listing that are of setuid or setgid files.
fn privileged(listing: &str) -> Vec<&str> {
    let is_privileged = |line: &&str| {
        let mode = line.as_bytes();
        let set = |at: usize| matches!(mode.get(at), Some(b's' | b'S'));
        mode.first() == Some(&b'-') && (set(3) || set(6))
    };
    listing.lines().filter(is_privileged).collect()
}

/// The lines of unsquashfs's listing by which a unit starts at boot.
fn enabled(listing: &str) -> Vec<&str> {
    let wants = |line: &&str| line.contains("/etc/systemd/system/") && line.contains(".wants/");
    listing.lines().filter(wants).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_start_at_boot_is_seen_in_the_listing() {
        let line = "lrwxrwxrwx 0/0 38 2026-01-01 00:00 \
            squashfs-root/etc/systemd/system/multi-user.target.wants/chrony.service -> /x";
        let other = "-rw-r--r-- 0/0 3 2026-01-01 00:00 squashfs-root/etc/systemd/system/a.service";
        assert_eq!(enabled(&format!("{line}\n{other}\n")), [line]);
    }

    #[test]
    fn a_privileged_file_is_seen_in_the_packed_image() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (tree, image) = (folder.path().join("tree"), folder.path().join("image"));
        std::fs::create_dir(&tree).unwrap();
        for (name, mode) in [
            ("su", 0o4755),
            ("wall", 0o2755),
            ("ls", 0o755),
            ("x", 0o4644),
        ] {
            std::fs::write(tree.join(name), name).unwrap();
            let mode = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(tree.join(name), mode).unwrap();
        }
        let mut pack = Command::new("mksquashfs");
        exec::run("packing test", pack.arg(&tree).arg(&image)).unwrap();
        let listing = list(&image).unwrap();
        let found = privileged(&listing);
        assert_eq!(found.len(), 3, "{listing}");
        assert!(found.iter().all(|line| !line.ends_with("/ls")));
    }
}
