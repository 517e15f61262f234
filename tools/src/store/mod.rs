//! The executions of mutating calls on disk: what is under way, and how each ended.
//!
//! Before a call acts and after it ended, one record goes into a journal ([`aios_journal`]): what
//! undo needs and the intent, then outcome and completion. All callers who wait at that moment share
//! its sync, so that a durable call waits for the disk twice. The entries go into the ledger in the
//! same order, right after the sync.
//!
//! Where executions stay are files: `tools/pending/<execution id>.json`,
//! `tools/outcomes/<execution id>.json` and `undo/<execution id>/`. They are written soon and made
//! durable before the journal is overwritten. An execution's id follows from the caller and its call
//! id, so that a retry finds its outcome without an index.

mod execution;
mod flush;
mod folders;
mod record;
mod recover;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aios_files::group::Groups;
use aios_journal::Journal;
use aios_ledger::{Entry, Ledger};
use aios_tool::error::ToolError;
use aios_tool::undo::Kept;

pub use execution::{Call, Outcome, Pending, Reclaimed, Success, execution_id};
use flush::Flush;
use folders::{Folders, When};
use record::Step;

/// Bytes of a half of the journal: room for some two thousand calls.
const HALF: usize = 4 * 1024 * 1024;

/// The largest record that goes into the journal, in bytes. Larger ones go to the disk by themselves.
const RECORD_MAX: usize = 256 * 1024;

/// The executions.
pub struct Store(Arc<Inner>);

struct Inner {
    folders: Folders,
    ledger: Arc<Ledger>,
    journal: Mutex<Journal>,
    groups: Groups<Item, Result<(), ToolError>>,
    live: Mutex<HashMap<String, Live>>,
    flush: Flush,
}

/// A record for the journal, and the entry for the ledger.
struct Item {
    record: Vec<u8>,
    entry: Entry,
    /// The execution that is not begun when the ledger takes no entry.
    begins: Option<String>,
    /// What the execution came to, when the record says it.
    ends: Option<Outcome>,
}

/// An execution of which the files do not tell yet.
enum Live {
    /// It is under way.
    Begun {
        pending: Pending,
        /// The files tell.
        in_files: bool,
    },
    /// It ended, and its outcome is not in the files yet.
    Ended(Outcome),
}

impl Store {
    /// Opens the store below `/var/lib/aios`, making what is missing. What the journal holds of a
    /// former process goes into the files and into the ledger.
    ///
    /// # Errors
    /// When that cannot be done.
    pub fn open(state_dir: &Path, ledger: Arc<Ledger>) -> io::Result<Self> {
        let folders = Folders::open(state_dir)?;
        let (mut journal, records) = Journal::open(&folders.journal(), HALF)?;
        recover::all(&records, &folders, &ledger)?;
        journal.clear().map_err(io::Error::other)?;
        Ok(Self(Arc::new(Inner {
            folders,
            ledger,
            journal: Mutex::new(journal),
            groups: Groups::default(),
            live: Mutex::default(),
            flush: Flush::default(),
        })))
    }

    /// Where an execution keeps what it replaces.
    pub fn undo_folder(&self, execution: &str) -> PathBuf {
        self.0.folders.undo(execution)
    }

    /// Forgets what an execution kept for undo, when nothing was done.
    pub fn discard_undo(&self, execution: &str) {
        self.0.folders.discard_undo(execution);
    }

    /// Writes down, durably, what is about to be done, what it kept for undo, and the intent.
    ///
    /// # Errors
    /// When disk or ledger refuses; then it must not be done.
    pub fn begin(&self, pending: &Pending, kept: &[Kept], intent: Entry) -> Result<(), ToolError> {
        let inner = &self.0;
        let id = pending.execution_id.clone();
        let step = Step::Begun(pending.clone());
        let record = inner.encode(step, &intent, pending.ledger_len, kept)?;
        let alone = record.len() > RECORD_MAX;
        let record = match alone {
            false => record,
            true => {
                let kept = inner
                    .folders
                    .keep(&id, kept)
                    .and_then(|()| inner.folders.sync());
                let written = kept.and_then(|()| inner.folders.write_pending(pending, When::Now));
                written.map_err(|error| unwritable(&error))?;
                inner.encode(Step::Noted, &intent, pending.ledger_len, &[])?
            }
        };
        let live = Live::Begun {
            pending: pending.clone(),
            in_files: alone,
        };
        // Before it is in the journal: from then on a flush has to know of it.
        lock(&inner.live).insert(id.clone(), live);
        let begun = inner.commit(Item {
            record,
            entry: intent,
            begins: Some(id.clone()),
            ends: None,
        });
        begun.inspect_err(|_| self.end(&id))
    }

    /// Writes down, durably, how it ended, or that it was undone, and what the ledger is to say.
    ///
    /// # Errors
    /// When disk or ledger refuses.
    pub fn finish(&self, outcome: &Outcome, completion: Entry) -> Result<(), ToolError> {
        let inner = &self.0;
        let ledger_len = inner.ledger.len();
        let record = inner.encode(Step::Ended(outcome.clone()), &completion, ledger_len, &[])?;
        let alone = record.len() > RECORD_MAX;
        let record = match alone {
            false => record,
            true => {
                let written = inner.folders.write_outcome(outcome, When::Now);
                written.map_err(|error| unwritable(&error))?;
                inner.encode(Step::Noted, &completion, ledger_len, &[])?
            }
        };
        inner.commit(Item {
            record,
            entry: completion,
            begins: None,
            ends: (!alone).then(|| outcome.clone()),
        })?;
        let mut live = lock(&inner.live);
        let written = match alone {
            true => Ok(()),
            false => inner.folders.write_outcome(outcome, When::Soon),
        };
        let id = &outcome.execution_id;
        match written {
            Ok(()) => {
                live.remove(id);
                inner.folders.remove_pending(id);
            }
            // The journal is not overwritten before this file is there.
            Err(error) => tracing::warn!("the outcome of {id} is in the journal alone: {error}"),
        }
        Ok(())
    }

    /// Writes down, durably, that an execution of a former process is still under way.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_open(&self, pending: &Pending) -> Result<(), ToolError> {
        let inner = &self.0;
        let mut live = lock(&inner.live);
        let written = inner.folders.write_pending(pending, When::Now);
        written.map_err(|error| unwritable(&error))?;
        if let Some(known) = live.get_mut(&pending.execution_id) {
            *known = Live::Begun {
                pending: pending.clone(),
                in_files: true,
            };
        }
        Ok(())
    }

    /// Forgets that it is under way. Not durable by itself: settling finds it finished.
    pub fn end(&self, execution: &str) {
        let mut live = lock(&self.0.live);
        live.remove(execution);
        self.0.folders.remove_pending(execution);
    }

    /// Leaves all in the files, for an orderly end: the version before this one knows no journal.
    pub fn empty(&self) {
        let inner = &self.0;
        inner.flush.wait();
        let mut journal = lock(&inner.journal);
        let emptied = inner.to_files();
        let emptied = emptied.and_then(|()| journal.clear().map_err(io::Error::other));
        if let Err(error) = emptied {
            tracing::warn!("what happened last is in the journal alone: {error}");
        }
    }

    /// The execution under way of this id.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn pending(&self, execution: &str) -> Result<Option<Pending>, ToolError> {
        match lock(&self.0.live).get(execution) {
            Some(Live::Begun { pending, .. }) => Ok(Some(pending.clone())),
            Some(Live::Ended(_)) => Ok(None),
            None => self.0.folders.pending(execution),
        }
    }

    /// The outcome of the execution of this id.
    ///
    /// # Errors
    /// When there is one and it cannot be read.
    pub fn outcome(&self, execution: &str) -> Result<Option<Outcome>, ToolError> {
        match lock(&self.0.live).get(execution) {
            Some(Live::Ended(outcome)) => Ok(Some(outcome.clone())),
            _ => self.0.folders.outcome(execution),
        }
    }

    /// An execution that is not under way: when it ended or was undone, in Unix milliseconds, and its
    /// outcome.
    pub fn ended(&self, execution: &str) -> Option<(i64, Outcome)> {
        let outcome = self.outcome(execution).ok()??;
        Some((self.0.folders.ended_ms(execution)?, outcome))
    }

    /// Writes an outcome again that is in the files; durable with [`Store::sync`].
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn replace(&self, outcome: &Outcome) -> Result<(), ToolError> {
        let inner = &self.0;
        let mut live = lock(&inner.live);
        let written = inner.folders.write_outcome(outcome, When::Soon);
        written.map_err(|error| unwritable(&error))?;
        if let Some(known) = live.get_mut(&outcome.execution_id) {
            *known = Live::Ended(outcome.clone());
        }
        Ok(())
    }

    /// Makes durable what [`Store::replace`] wrote.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> io::Result<()> {
        self.0.folders.sync()
    }

    /// All executions that have no completion, the oldest first.
    ///
    /// # Errors
    /// When the folder or one of them cannot be read.
    pub fn all_pending(&self) -> Result<Vec<Pending>, ToolError> {
        let mut found = self.0.folders.all_pending()?;
        let live = lock(&self.0.live);
        found.retain(|pending| !live.contains_key(&pending.execution_id));
        found.extend(live.values().filter_map(|live| match live {
            Live::Begun { pending, .. } => Some(pending.clone()),
            Live::Ended(_) => None,
        }));
        found.sort_by_key(|pending| pending.started_ms);
        Ok(found)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.empty();
    }
}

impl Inner {
    fn encode(
        &self,
        step: Step,
        entry: &Entry,
        ledger_len: u64,
        kept: &[Kept],
    ) -> Result<Vec<u8>, ToolError> {
        record::encode(step, entry.clone(), ledger_len, kept)
            .map_err(|error| ToolError::Failed(format!("cannot be written down: {error}")))
    }

    fn commit(self: &Arc<Self>, item: Item) -> Result<(), ToolError> {
        self.groups.join(item, |group| {
            let mut left = group.as_slice();
            let mut answers = Vec::with_capacity(group.len());
            while !left.is_empty() {
                // Never more at once than an empty half has room for.
                let many = left.len().min(HALF / (2 * RECORD_MAX));
                let (now, later) = left.split_at(many);
                let written = self.write(now);
                answers.extend(now.iter().map(|_| written.clone()));
                left = later;
            }
            answers
        })
    }

    /// Writes a group: into the journal, and its entries into the ledger.
    fn write(self: &Arc<Self>, group: &[Item]) -> Result<(), ToolError> {
        let mut journal = lock(&self.journal);
        let lengths = || group.iter().map(|item| item.record.len());
        if !journal.has_room(lengths()) {
            self.make_room(&mut journal)?;
        }
        let records = group.iter().map(|item| item.record.as_slice());
        journal.append(records).map_err(|error| {
            tracing::error!("the journal cannot be written: {error}");
            ToolError::Unavailable(format!("the journal cannot be written: {error}"))
        })?;
        // While the journal is held: a flush of this half has to know of them.
        let ended = group.iter().filter_map(|item| item.ends.clone());
        let ended = ended.map(|outcome| (outcome.execution_id.clone(), Live::Ended(outcome)));
        lock(&self.live).extend(ended);
        let entries: Vec<_> = group.iter().map(|item| item.entry.clone()).collect();
        let Err(error) = self.ledger.append_all_soon(&entries) else {
            return Ok(());
        };
        let ids = group.iter().filter_map(|item| item.begins.clone());
        let withdrawn: Vec<_> = ids
            .filter_map(|id| record::encode(Step::Withdrawn(id), Entry::default(), 0, &[]).ok())
            .collect();
        // Err, or no room: after a power cut they are found not done.
        drop(journal.append(withdrawn.iter().map(Vec::as_slice)));
        Err(crate::pipeline::ledger_unwritable(&error))
    }
}

fn unwritable(error: &io::Error) -> ToolError {
    ToolError::Unavailable(format!(
        "what is to be done cannot be written down: {error}"
    ))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flush may come between the moment when the journal has an outcome and the moment when its
    /// caller writes the file.
    #[test]
    fn an_outcome_that_is_in_the_journal_alone_is_in_the_files_after_a_flush() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("key");
        let ledger = Ledger::open(&folder.path().join("ledger"), &key).unwrap();
        let store = Store::open(folder.path(), Arc::new(ledger)).unwrap();
        let outcome = Outcome {
            execution_id: execution_id("a", "1"),
            call: Call::default(),
            result: Err(ToolError::Precondition("no".into())),
            steps: Vec::new(),
            undo_begun: None,
            undone_ms: None,
            reclaimed: None,
        };
        let entry = Entry::default();
        let step = Step::Ended(outcome.clone());
        let item = Item {
            record: store.0.encode(step, &entry, 0, &[]).unwrap(),
            entry,
            begins: None,
            ends: Some(outcome.clone()),
        };
        store.0.commit(item).unwrap();
        store.0.to_files().unwrap();
        let id = &outcome.execution_id;
        assert_eq!(store.0.folders.outcome(id).unwrap(), Some(outcome));
    }
}
