//! Where executions end up: one file for each, in folders.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::execution::{Outcome, Pending};
use aios_tool::error::ToolError;
use aios_tool::undo::Kept;

/// May a write wait for the journal's next flush, or must it be on the disk at once?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The journal has it.
    Soon,
    /// Nobody else has it.
    Now,
}

/// The folders.
#[derive(Debug)]
pub struct Folders {
    state: PathBuf,
    pending: PathBuf,
    outcomes: PathBuf,
    undo: PathBuf,
}

impl Folders {
    /// The folders below `/var/lib/aios`, made when they are missing.
    pub fn open(state: &Path) -> io::Result<Self> {
        let folders = Self {
            state: state.to_owned(),
            pending: state.join("tools/pending"),
            outcomes: state.join("tools/outcomes"),
            undo: state.join("undo"),
        };
        let quarantine = state.join("quarantine");
        for folder in [
            &folders.pending,
            &folders.outcomes,
            &folders.undo,
            &quarantine,
        ] {
            fs::create_dir_all(folder)?;
        }
        Ok(folders)
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.state.join("tools/journal")
    }

    /// Where an execution keeps what it replaces.
    pub fn undo(&self, execution: &str) -> PathBuf {
        self.undo.join(execution)
    }

    /// Forgets what an execution kept for undo.
    pub fn discard_undo(&self, execution: &str) {
        let folder = self.undo(execution);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", folder.display());
            }
            _ => {}
        }
    }

    /// Puts contents back that an execution kept and that a power cut took.
    pub fn keep(&self, execution: &str, kept: &[Kept]) -> io::Result<()> {
        let folder = self.undo(execution);
        for Kept { path, content } in kept {
            let whole = || fs::read(path).is_ok_and(|found| found == *content);
            // Only there: the path was read from a file.
            let up = path.components().any(|part| part == Component::ParentDir);
            if up || !path.starts_with(&folder) || whole() {
                continue;
            }
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, content)?;
        }
        Ok(())
    }

    pub fn write_pending(&self, pending: &Pending, when: When) -> io::Result<()> {
        write(&self.pending, &pending.execution_id, pending, when)
    }

    pub fn write_outcome(&self, outcome: &Outcome, when: When) -> io::Result<()> {
        write(&self.outcomes, &outcome.execution_id, outcome, when)
    }

    /// Not durable by itself: an execution that has an outcome is not under way.
    pub fn remove_pending(&self, execution: &str) {
        let path = file(&self.pending, execution);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", path.display());
            }
            _ => {}
        }
    }

    pub fn pending(&self, execution: &str) -> Result<Option<Pending>, ToolError> {
        read(&file(&self.pending, execution))
    }

    pub fn outcome(&self, execution: &str) -> Result<Option<Outcome>, ToolError> {
        read(&file(&self.outcomes, execution))
    }

    /// When an outcome was written last, Unix milliseconds.
    pub fn ended_ms(&self, execution: &str) -> Option<i64> {
        let written = fs::metadata(file(&self.outcomes, execution)).ok()?;
        Some(written.mtime() * 1000 + written.mtime_nsec() / 1_000_000)
    }

    /// All that are under way by the files.
    pub fn all_pending(&self) -> Result<Vec<Pending>, ToolError> {
        let fault = |error| ToolError::io(self.pending.display(), error);
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.pending).map_err(fault)? {
            let path = entry.map_err(fault)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                found.extend(read::<Pending>(&path)?);
            }
        }
        Ok(found)
    }

    /// Makes durable all that was written.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::syncfs(File::open(&self.state)?)?)
    }
}

fn file(folder: &Path, execution: &str) -> PathBuf {
    folder.join(format!("{execution}.json"))
}

/// Writes a file at once: whoever reads sees all of the old or all of the new.
fn write<T: Serialize>(folder: &Path, execution: &str, value: &T, when: When) -> io::Result<()> {
    let temporary = folder.join(format!("{execution}.tmp"));
    let bytes = serde_json::to_vec(value)?;
    let mut written = File::create(&temporary)?;
    written.write_all(&bytes)?;
    if when == When::Now {
        written.sync_all()?;
    }
    fs::rename(&temporary, file(folder, execution))?;
    match when {
        When::Now => File::open(folder)?.sync_all(),
        When::Soon => Ok(()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ToolError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| ToolError::io(path.display(), error))?,
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| ToolError::Failed(format!("{} is damaged: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Call, execution_id};

    #[test]
    fn an_outcome_is_found_again_and_damage_is_not_absence() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::open(folder.path()).unwrap();
        let outcome = Outcome {
            execution_id: execution_id("a", "1"),
            call: Call::default(),
            result: Err(ToolError::Precondition("no".into())),
            steps: Vec::new(),
            undo_begun: None,
            undone_ms: None,
            reclaimed: None,
        };
        assert_eq!(folders.outcome(&outcome.execution_id).unwrap(), None);
        folders.write_outcome(&outcome, When::Now).unwrap();
        let folders = Folders::open(folder.path()).unwrap();
        let id = &outcome.execution_id;
        assert_eq!(folders.outcome(id).unwrap().as_ref(), Some(&outcome));
        std::fs::write(file(&folders.outcomes, id), "{").unwrap();
        assert!(folders.outcome(id).is_err());
    }
}
