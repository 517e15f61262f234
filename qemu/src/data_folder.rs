//! Where a container's data may lie: PID 1 lays an overlay whose upper layer is in that folder.

use std::path::Path;

use anyhow::{Context, Result, ensure};

/// Type of an overlay file system in `statfs` (`OVERLAYFS_SUPER_MAGIC`, linux/magic.h).
const OVERLAY: i64 = 0x794c_7630;

/// Checks that the kernel can put an overlay's upper layer below `folder`, which exists.
///
/// Without this check the container starts, its root stays read-only, and everything that fails
/// afterwards looks like another mistake.
///
/// # Errors
/// When the folder is on an overlay file system itself, as everything inside a Docker container
/// is that is no volume; the message says what to do. When its file system cannot be asked.
pub(crate) fn check(folder: &Path) -> Result<()> {
    let asked = rustix::fs::statfs(folder);
    let system = asked.with_context(|| format!("cannot ask what {} is on", folder.display()))?;
    ensure!(
        system.f_type != OVERLAY,
        "{} is on an overlay file system, and Linux takes no folder of an overlay as the upper \
         layer of another one: the container would have a read-only root. Choose a folder on \
         another file system, such as a volume or a tmpfs. Tests take it from TMPDIR; for \
         `cargo xtask run` make target/aios/instances a link to it",
        folder.display()
    );
    Ok(())
}
