//! Small file systems of their own, to be filled to the brim.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Who fills a disk: an account without the rights of root, which may use what is kept for root.
const NOBODY: u32 = 65_534;

/// The file that fills it.
const FILLING: &str = "filling";

/// A mounted file system; goes with this value.
#[derive(Debug)]
pub struct Disk {
    folder: TempDir,
    at: PathBuf,
}

impl Disk {
    /// One in memory, of so many KiB; `None` where this process may not mount.
    ///
    /// # Panics
    /// Under `cargo xtask test`, when this process is not root.
    #[must_use]
    pub fn in_memory(kib: u64) -> Option<Self> {
        crate::needs::root().then(|| {
            let size = format!("size={kib}k");
            Self::mounted(&["-t", "tmpfs", "-o", &size, "tmpfs"], |_| {})
        })
    }

    /// One as the data partition is made: ext4 with 1 % for root, of so many MiB.
    ///
    /// # Panics
    /// As [`Disk::in_memory`], and when the host has no mke2fs.
    #[must_use]
    pub fn as_data_partition(mib: u64) -> Option<Self> {
        let there = crate::needs::root() && crate::needs::programs(&["mke2fs"]);
        there.then(|| {
            Self::mounted(&["-o", "loop", "image"], |folder| {
                let image = folder.join("image");
                File::create(&image).unwrap().set_len(mib << 20).unwrap();
                let mut make = Command::new("/sbin/mke2fs");
                done(make.args(["-q", "-F", "-t", "ext4", "-m", "1"]).arg(image));
            })
        })
    }

    fn mounted(what: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = TempDir::new().unwrap();
        let at = folder.path().join("at");
        fs::create_dir(&at).unwrap();
        prepare(folder.path());
        let mut mount = Command::new("mount");
        done(mount.current_dir(folder.path()).args(what).arg(&at));
        for path in [folder.path(), &at] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
        }
        Self { folder, at }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Fills it until nobody but root has room for a byte.
    pub fn fill(&self) {
        let file = self.at.join(FILLING);
        let script = "for size in 1M 4k 1; do dd if=/dev/zero bs=$size status=none; done >>\"$0\"";
        let mut filling = Command::new("sh");
        filling
            .args(["-c", script])
            .arg(&file)
            .uid(NOBODY)
            .gid(NOBODY);
        drop(filling.output().unwrap()); // it ends with an error when the disk is full
        let more = File::options().append(true).open(&file).unwrap();
        more.sync_all().unwrap();
    }

    /// Fills what is kept for root too.
    pub fn fill_wholly(&self) {
        self.fill();
        let more = File::options().append(true).open(self.at.join(FILLING));
        let mut more = more.unwrap();
        for size in [1 << 20, 4096, 1] {
            while more.write_all(&vec![0; size]).is_ok() {}
        }
        more.sync_all().unwrap();
    }

    /// Makes room again.
    pub fn empty(&self) {
        fs::remove_file(self.at.join(FILLING)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        // Lazily: a test that failed may have files open. Err: the folder stays.
        drop(unmount.arg("--lazy").arg(&self.at).status());
        let _ = &self.folder;
    }
}

fn done(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_has_room_for_root_alone() {
        let Some(disk) = Disk::as_data_partition(16) else {
            return;
        };
        disk.fill();
        fs::write(disk.path().join("by-root"), [0; 4096]).unwrap();
        disk.fill_wholly();
        fs::write(disk.path().join("by-root"), vec![0; 1 << 20]).unwrap_err();
        disk.empty();
        fs::write(disk.path().join("by-root"), vec![0; 1 << 20]).unwrap();
    }
}
