//! What is kept for undo, and how it is known to be what was kept: whoever can write to the undo
//! store does not decide what undo puts elsewhere.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::ToolError;

/// SHA-256 of all that is in a file, hex; the file is at its beginning before and afterwards.
pub(super) fn digest(file: &mut File) -> io::Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    file.rewind()?;
    Ok(format!("{:x}", digest.finalize()))
}

/// Opens what was kept. `sha256` is empty when a version before this one kept it.
///
/// # Errors
/// `Precondition` when somebody changed it since.
pub(super) fn open(kept: &Path, sha256: &str) -> Result<File, ToolError> {
    let fault = |error| ToolError::io(format!("reading {}", kept.display()), error);
    let mut file = File::open(kept).map_err(fault)?;
    if sha256.is_empty() || digest(&mut file).map_err(fault)? == sha256 {
        return Ok(file);
    }
    Err(ToolError::Precondition(format!(
        "{} was changed since it was kept for undo; it is not put back",
        kept.display()
    )))
}
