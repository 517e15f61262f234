//! A configuration that was being tried when the machine went down has not been confirmed: before
//! any service reads it, the one before it is there again. One rename; `aios-config` keeps the file
//! (`config/src/daemon/store.rs`).

use std::io;
use std::path::Path;

/// What `aios-config` calls the configuration that it keeps during a trial.
const KEPT: &str = "config.toml.before-trial";

/// Ends a trial. Returns whether there was one.
///
/// # Errors
/// When there is one and it cannot be ended.
pub fn end(etc: &Path) -> io::Result<bool> {
    match std::fs::rename(etc.join(KEPT), etc.join("config.toml")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
        Ok(()) => {
            std::fs::File::open(etc)?.sync_all()?;
            Ok(true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_tried_goes_back_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "tried").unwrap();
        assert!(!end(folder.path()).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"tried");
        std::fs::write(folder.path().join(KEPT), "old").unwrap();
        assert!(end(folder.path()).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert!(!end(folder.path()).unwrap());
    }
}
