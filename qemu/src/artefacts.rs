//! What `cargo xtask image` left in `target/aios`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// The note of where the artefacts are, in the folder of the artefacts.
const NOTE: &str = "artefacts.json";

/// The built appliance.
#[derive(Clone, Debug, Serialize, Deserialize)]
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

impl Artefacts {
    /// Finds what was built last.
    ///
    /// # Errors
    /// When nothing was built yet.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(NOTE);
        let text = std::fs::read(&path).with_context(|| {
            format!(
                "cannot read {}; `cargo xtask image` writes it",
                path.display()
            )
        })?;
        serde_json::from_slice(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Says where they are, for [`Artefacts::read`].
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(NOTE);
        std::fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}
