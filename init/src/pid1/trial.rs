//! A configuration that was being tried when the machine went down has not been confirmed: before
//! any service reads it, the one before it is there again. One rename; `aios-config` keeps the file
//! (`config/src/daemon/store.rs`).

use std::io;
use std::path::Path;

use aios_proto::unrecorded::{self, Happened};

/// What `aios-config` calls the configuration that it keeps during a trial.
const KEPT: &str = "config.toml.before-trial";

/// Ends a trial; that it goes back is kept in `state` for the audit log. Returns whether there was one.
///
/// # Errors
/// When there is one and it cannot be ended.
pub fn end(etc: &Path, state: &Path) -> io::Result<bool> {
    let kept = etc.join(KEPT);
    if kept.exists() {
        let why = "the machine was restarted before anybody confirmed it";
        let happened = Happened::now("init", "config.reverted", "", why);
        // Err: the disk is full; going back needs no room.
        let _ = unrecorded::keep(state, &happened);
    }
    match std::fs::rename(kept, etc.join("config.toml")) {
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
        let state = folder.path().join("state");
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "tried").unwrap();
        assert!(!end(folder.path(), &state).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"tried");
        assert!(!state.exists(), "nothing happened");
        std::fs::write(folder.path().join(KEPT), "old").unwrap();
        assert!(end(folder.path(), &state).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert!(!end(folder.path(), &state).unwrap());
        let waiting = unrecorded::waiting(&state).unwrap();
        let kept = unrecorded::read(&waiting[0]).unwrap();
        assert_eq!((kept.kind.as_str(), waiting.len()), ("config.reverted", 1));
    }
}
