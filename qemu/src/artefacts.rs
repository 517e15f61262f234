//! What `cargo xtask image` left in `target/aios`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The built appliance.
#[derive(Clone, Debug)]
pub struct Artefacts {
    /// Linux, as a bzImage.
    pub kernel: PathBuf,
    /// Kernel command line for [`crate::Way::Vm`].
    pub command_line: String,
    /// Read-only root: squashfs and its verity tree.
    pub root: PathBuf,
    /// The same root, unpacked, for containers.
    pub rootfs: PathBuf,
    /// An empty data disk.
    pub data: PathBuf,
    /// The whole disk image.
    pub disk: PathBuf,
    /// The operator's command line, to run on this machine.
    pub aiosctl: PathBuf,
}
