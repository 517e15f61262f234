//! From the journal into the files: before a half of the journal is filled again, all that it holds
//! is durable elsewhere.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use aios_journal::Journal;
use aios_tool::error::ToolError;

use super::folders::When;
use super::{Inner, Live, lock};

/// Whether the half that is not being filled is still needed.
#[derive(Debug, Default)]
pub struct Flush {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// It may be filled again.
    #[default]
    Free,
    /// A thread makes durable what it holds.
    UnderWay,
    /// That failed.
    Failed,
}

impl Flush {
    /// Waits until no thread flushes; did the last one succeed?
    pub fn wait(&self) -> bool {
        let mut state = self.lock();
        while *state == State::UnderWay {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *state == State::Free
    }

    fn set(&self, state: State) {
        *self.lock() = state;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Goes on in the journal's other half, as soon as what that held is durable; what the full half
    /// holds is made so meanwhile.
    pub fn make_room(self: &Arc<Self>, journal: &mut Journal) -> Result<(), ToolError> {
        let full = |error: &io::Error| {
            tracing::error!("the journal is full and cannot be emptied: {error}");
            ToolError::Unavailable(format!(
                "the journal is full and cannot be emptied: {error}"
            ))
        };
        if !self.flush.wait() {
            self.to_files().map_err(|error| full(&error))?;
        }
        journal.switch();
        self.flush.set(State::UnderWay);
        let inner = Arc::clone(self);
        let flush = move || {
            let flushed = inner.to_files();
            let state = flushed.map_or_else(
                |error| {
                    tracing::error!("the journal cannot be emptied yet: {error}");
                    State::Failed
                },
                |()| State::Free,
            );
            let told = Arc::clone(&inner);
            drop(inner);
            told.flush.set(state);
        };
        let started = thread::Builder::new().name("flush".into()).spawn(flush);
        if let Err(error) = started {
            tracing::warn!("no thread to empty the journal: {error}");
            self.flush.set(State::Failed); // the next who needs room does it
        }
        Ok(())
    }

    /// Makes all that is in the journal durable in the files and in the ledger.
    pub fn to_files(&self) -> io::Result<()> {
        self.write_live()?;
        self.folders.sync()?;
        self.ledger.sync().map_err(io::Error::other)
    }

    /// Writes what the files do not tell yet.
    fn write_live(&self) -> io::Result<()> {
        let mut live = lock(&self.live);
        let mut written = Vec::new();
        for (id, live) in live.iter_mut() {
            match live {
                Live::Begun { pending, in_files } if !*in_files => {
                    self.folders.write_pending(pending, When::Soon)?;
                    *in_files = true;
                }
                Live::Begun { .. } => {}
                Live::Ended(outcome) => {
                    self.folders.write_outcome(outcome, When::Soon)?;
                    written.push(id.clone());
                }
            }
        }
        for id in written {
            live.remove(&id);
            self.folders.remove_pending(&id);
        }
        Ok(())
    }
}
