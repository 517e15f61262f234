//! A configuration that was being tried when the machine went down has not been confirmed: before
//! any service reads it, the one before it is there again. One rename; `aios-config` keeps the file
//! (`config/daemon/src/store.rs`).

use std::io;
use std::path::{Path, PathBuf};

use aios_files::unrecorded::{self, Happened};

/// What `aios-config` calls the configuration that it keeps during a trial.
const KEPT: &str = "config.toml.before-trial";

/// Ends a trial; that it goes back is kept in `state` for the audit log. `None`: there was none; else
/// it went back, and whether that will be on record: a full disk does not keep it, and going back
/// needs no room.
///
/// # Errors
/// When there is one and it cannot be ended: then nothing is kept for the audit log either.
pub fn end(etc: &Path, state: &Path) -> io::Result<Option<io::Result<()>>> {
    let kept = etc.join(KEPT);
    if !kept.exists() {
        return Ok(None);
    }
    if was_only_prepared(&kept, &etc.join("config.toml")) {
        std::fs::remove_file(kept)?;
        std::fs::File::open(etc)?.sync_all()?;
        return Ok(None);
    }
    let why = "the machine was restarted before anybody confirmed it";
    let happened = Happened::now("init", "config.reverted", "", why);
    let recorded = unrecorded::keep(state, &happened);
    if let Err(error) = std::fs::rename(kept, etc.join("config.toml")) {
        withdraw(state, &happened);
        return Err(error);
    }
    std::fs::File::open(etc)?.sync_all()?;
    Ok(Some(recorded))
}

/// The power failed between the two steps in which a trial begins: both are the same, and nothing
/// was tried.
fn was_only_prepared(kept: &Path, file: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let read = |path: &Path| std::fs::read(path).unwrap_or_default(); // none: nothing was configured
    !file.is_dir() && length(kept) == length(file) && read(kept) == read(file)
}

/// It has not happened: takes what was kept of it away again.
fn withdraw(state: &Path, happened: &Happened) {
    let waiting = unrecorded::waiting(state).unwrap_or_default();
    let is_it = |path: &&PathBuf| unrecorded::read(path).is_ok_and(|kept| kept == *happened);
    if let Some(path) = waiting.iter().rev().find(is_it) {
        // Err: the disk is broken, and the next boot may keep it again.
        let _ = std::fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A trial under way; whether the log for the audit can be written, and the trial ended.
    fn trial(may_record: bool, may_end: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        match may_end {
            true => std::fs::write(&path, "tried").unwrap(),
            false => std::fs::create_dir(&path).unwrap(),
        }
        if !may_record {
            std::fs::write(folder.path().join("state"), "no folder").unwrap();
        }
        std::fs::write(folder.path().join(KEPT), "old").unwrap();
        folder
    }

    #[test]
    fn what_was_tried_goes_back_once() {
        for may_record in [true, false] {
            let folder = trial(may_record, true);
            let (etc, state) = (folder.path(), folder.path().join("state"));
            let recorded = end(etc, &state).unwrap().unwrap();
            assert_eq!(recorded.is_ok(), may_record, "{recorded:?}");
            assert_eq!(std::fs::read(etc.join("config.toml")).unwrap(), b"old");
            assert!(end(etc, &state).unwrap().is_none());
            if may_record {
                let waiting = unrecorded::waiting(&state).unwrap();
                let kept = unrecorded::read(&waiting[0]).unwrap();
                assert_eq!((kept.kind.as_str(), waiting.len()), ("config.reverted", 1));
            }
        }
    }

    #[test]
    fn nothing_is_on_record_that_did_not_happen() {
        let folder = trial(true, false);
        let (etc, state) = (folder.path(), folder.path().join("state"));
        let other = Happened::now("config", "config.apply", "console", "");
        unrecorded::keep(&state, &other).unwrap();
        for _boot in 0..3 {
            assert!(end(etc, &state).is_err());
        }
        let waiting = unrecorded::waiting(&state).unwrap();
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        assert_eq!(unrecorded::read(&waiting[0]).unwrap(), other);
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        assert!(end(folder.path(), &state).unwrap().is_none());
        assert!(!state.exists());
        for name in [KEPT, "config.toml"] {
            std::fs::write(folder.path().join(name), "old").unwrap();
        }
        assert!(end(folder.path(), &state).unwrap().is_none());
        assert!(!folder.path().join(KEPT).exists() && !state.exists());
    }
}
