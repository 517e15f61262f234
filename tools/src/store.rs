//! The executions of mutating calls on disk: what is under way, and how each ended.
//!
//! `tools/pending/<execution id>.json` is written before the intent and removed after the
//! completion; `tools/outcomes/<execution id>.json` is the outcome, written before the completion
//! is reported. An execution's id follows from the caller and its call id, so that a retry finds
//! its outcome without an index.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use aios_tool::error::ToolError;
use aios_tool::undo::{Sealed, Step};

/// Names the space of execution ids (RFC 9562, version 5); any fixed value does.
const EXECUTIONS: Uuid = Uuid::from_u128(0x6169_4f53_2d74_6f6f_6c73_2d65_7865_6375);

/// The execution that a caller's call id stands for.
pub fn execution_id(actor: &str, call_id: &str) -> String {
    Uuid::new_v5(&EXECUTIONS, format!("{actor}\0{call_id}").as_bytes()).to_string()
}

/// Who called what, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The caller, by the kernel's word.
    pub actor: String,
    /// Unique per intended effect.
    pub call_id: String,
    /// The tool's name.
    pub tool: String,
    /// SHA-256 of tool and arguments, hex.
    pub input_sha256: String,
    /// The goal it is for.
    pub goal_id: String,
    /// The goal's task.
    pub task_index: u32,
    /// Why, for people.
    pub reason: String,
    /// The operator's subject, as told.
    pub on_behalf_of: String,
    /// The policy's decision.
    pub decision: String,
}

/// An execution that has no outcome yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Its id.
    pub execution_id: String,
    /// The call.
    pub call: Call,
    /// The resolved input.
    pub input: Value,
    /// The capabilities that it needed. Nothing reads them here; the version before this one does,
    /// when an update is taken back.
    #[serde(default)]
    pub needs: Vec<String>,
    /// How to take it back.
    pub steps: Vec<Step>,
    /// When it was begun, Unix milliseconds.
    pub started_ms: i64,
    /// The ledger's size before the intent: its entries are not before it.
    pub ledger_len: u64,
    /// A former process died in it, and its effect was not reached.
    pub interrupted: bool,
}

/// How an execution ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Its id.
    pub execution_id: String,
    /// The call.
    pub call: Call,
    /// Output and summary, or what went wrong.
    pub result: Result<Success, ToolError>,
    /// How to take it back; empty when that cannot be done.
    pub steps: Vec<Sealed>,
    /// The undo that was begun, and may have been interrupted: it goes on under this name.
    #[serde(default)]
    pub undo_begun: Option<String>,
    /// When it was taken back, Unix milliseconds.
    pub undone_ms: Option<i64>,
}

/// What a successful call answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Success {
    /// The output, as JSON.
    pub output: Value,
    /// For the operator.
    pub summary: String,
}

/// The folders.
#[derive(Debug)]
pub struct Store {
    pending: PathBuf,
    outcomes: PathBuf,
    undo: PathBuf,
}

impl Store {
    /// Opens the store below `/var/lib/aios`, making its folders when they are missing.
    ///
    /// # Errors
    /// When they cannot be made.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let store = Self {
            pending: state_dir.join("tools/pending"),
            outcomes: state_dir.join("tools/outcomes"),
            undo: state_dir.join("undo"),
        };
        let quarantine = state_dir.join("quarantine");
        for folder in [&store.pending, &store.outcomes, &store.undo, &quarantine] {
            fs::create_dir_all(folder)?;
        }
        Ok(store)
    }

    /// Where an execution keeps what it replaces.
    pub fn undo_folder(&self, execution: &str) -> PathBuf {
        self.undo.join(execution)
    }

    /// Writes down, durably, what is about to be done.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin(&self, pending: &Pending) -> Result<(), ToolError> {
        write(&self.pending, &pending.execution_id, pending)
    }

    /// Writes down, durably, how it ended.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn finish(&self, outcome: &Outcome) -> Result<(), ToolError> {
        write(&self.outcomes, &outcome.execution_id, outcome)
    }

    /// Forgets that it is under way. Not durable by itself: settling finds it finished.
    pub fn end(&self, execution: &str) {
        let path = file(&self.pending, execution);
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!("cannot remove {}: {error}", path.display());
        }
    }

    /// Forgets what an execution kept for undo, when nothing was done.
    pub fn discard_undo(&self, execution: &str) {
        let folder = self.undo_folder(execution);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!("cannot remove {}: {error}", folder.display());
            }
            _ => {}
        }
    }

    /// The execution under way of this id.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn pending(&self, execution: &str) -> Result<Option<Pending>, ToolError> {
        read(&file(&self.pending, execution))
    }

    /// The outcome of the execution of this id.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn outcome(&self, execution: &str) -> Result<Option<Outcome>, ToolError> {
        read(&file(&self.outcomes, execution))
    }

    /// All executions that have no completion, the oldest first.
    ///
    /// # Errors
    /// When the folder or one of them cannot be read.
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
        found.sort_by_key(|pending| pending.started_ms);
        Ok(found)
    }
}

fn file(folder: &Path, execution: &str) -> PathBuf {
    folder.join(format!("{execution}.json"))
}

/// Writes a file durably and at once.
fn write<T: Serialize>(folder: &Path, execution: &str, value: &T) -> Result<(), ToolError> {
    let path = file(folder, execution);
    let temporary = folder.join(format!("{execution}.tmp"));
    let written = || -> io::Result<()> {
        let bytes = serde_json::to_vec(value)?;
        let mut file = File::create(&temporary)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        File::open(folder)?.sync_all()
    };
    written().map_err(|error| {
        ToolError::Unavailable(format!("cannot write {}: {error}", path.display()))
    })
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

    #[test]
    fn an_execution_belongs_to_its_caller_and_call_id() {
        assert_eq!(execution_id("a", "1"), execution_id("a", "1"));
        assert_ne!(execution_id("a", "1"), execution_id("b", "1"));
        assert_ne!(execution_id("a", "1"), execution_id("a", "2"));
    }

    #[test]
    fn an_outcome_is_found_again_and_damage_is_not_absence() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let outcome = Outcome {
            execution_id: execution_id("a", "1"),
            call: Call::default(),
            result: Err(ToolError::Precondition("no".into())),
            steps: Vec::new(),
            undo_begun: None,
            undone_ms: None,
        };
        assert_eq!(store.outcome(&outcome.execution_id).unwrap(), None);
        store.finish(&outcome).unwrap();
        let store = Store::open(folder.path()).unwrap();
        let id = &outcome.execution_id;
        assert_eq!(store.outcome(id).unwrap().as_ref(), Some(&outcome));
        std::fs::write(file(&store.outcomes, id), "{").unwrap();
        assert!(store.outcome(id).is_err());
    }
}
