//! Where things are in this repository.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn repository() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder.parent().unwrap_or(crate_folder).to_owned()
}

/// Where the finished artefacts go. Not under `CARGO_TARGET_DIR`: people and
/// scripts look for them here.
pub fn artefacts() -> PathBuf {
    repository().join("target/aios")
}
