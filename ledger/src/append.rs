//! The ledger as its users see it, and how many callers share one commit.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use aios_files::group::Groups;

use crate::checkpoint::Checkpoint;
use crate::entry::Entry;
use crate::error::Error;
use crate::layout::{self, Export};
use crate::tree::Hash;
use crate::verify::{Expected, Report};
use crate::writer::{Position, Writer};
use crate::{open, read, verify};

/// An open ledger: the only writer of its folder. Shared between threads by reference.
pub struct Ledger {
    writer: Mutex<Writer>,
    groups: Groups<Item, Result<u64, Error>>,
    /// What readers see: the state after the last finished group.
    committed: Mutex<Position>,
    /// Bytes that the disk keeps ready; the largest number when nobody knows.
    reserve: AtomicU64,
    public_key: Hash,
    log: std::fs::File,
}

/// What one caller wants appended.
struct Item {
    leaves: Vec<Vec<u8>>,
    durable: bool,
}

impl Ledger {
    /// Opens the ledger in a folder, for writing; makes folder, ledger and key at
    /// first use. A torn, never acknowledged end is cut, and an entry says so.
    ///
    /// # Errors
    /// When the files cannot be used, are in use, or are not what was acknowledged.
    pub fn open(folder: &Path, key: &Path) -> Result<Self, Error> {
        let writer = open::open(folder, key)?;
        let log = writer
            .log
            .try_clone()
            .map_err(Error::io("open", &writer.log_path))?;
        Ok(Self {
            committed: Mutex::new(writer.position.clone()),
            reserve: AtomicU64::new(reserve_of(&writer)),
            public_key: writer.key.verifying_key().to_bytes(),
            writer: Mutex::new(writer),
            groups: Groups::default(),
            log,
        })
    }

    /// Appends an entry and gives its index; it is on the disk when this returns.
    /// Blocks: call it from a blocking thread.
    ///
    /// # Errors
    /// When it could not be written; then nothing that depends on it may be done.
    pub fn append(&self, entry: &Entry) -> Result<u64, Error> {
        self.enqueue(vec![entry.encode()?], true)
    }

    /// Appends an entry that outlives this process at once, and a power cut from
    /// the next durable append or [`Ledger::sync`] on. For what changes nothing.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn append_soon(&self, entry: &Entry) -> Result<u64, Error> {
        self.append_all_soon(std::slice::from_ref(entry))
    }

    /// Appends entries one after another, as [`Ledger::append_soon`] does; gives the first one's
    /// index.
    ///
    /// # Errors
    /// When one is too large or they could not be written; then none of them is.
    pub fn append_all_soon(&self, entries: &[Entry]) -> Result<u64, Error> {
        let leaves = entries.iter().map(Entry::encode);
        self.enqueue(leaves.collect::<Result<_, _>>()?, false)
    }

    /// Makes durable what [`Ledger::append_soon`] wrote.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn sync(&self) -> Result<(), Error> {
        lock(&self.writer).sync()
    }

    /// Asks the disk for [`RESERVE`](crate::RESERVE) bytes ahead, when it gave less before.
    pub fn renew_reserve(&self) {
        let mut writer = lock(&self.writer);
        writer.renew_reserve();
        self.reserve.store(reserve_of(&writer), Ordering::Relaxed);
    }

    /// Bytes that the log can grow by on a full disk; `None` when nobody knows.
    pub fn reserve_left(&self) -> Option<u64> {
        let left = self.reserve.load(Ordering::Relaxed);
        (left != u64::MAX).then_some(left)
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        lock(&self.committed).frontier.size()
    }

    /// Is there no entry yet?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The last checkpoint, once all of it is durable: whoever keeps it can have a
    /// later ledger checked against it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let mut writer = lock(&self.writer);
        writer.sync()?;
        Ok(writer.position.checkpoint.clone())
    }

    /// The public half of the signing key.
    pub fn public_key(&self) -> [u8; 32] {
        self.public_key
    }

    /// The entries of a range of indices, as far as there are such.
    ///
    /// # Errors
    /// When the log cannot be read or is damaged there.
    pub fn entries(&self, range: std::ops::Range<u64>) -> Result<Vec<Entry>, Error> {
        let (size, end) = self.extent();
        read::entries(&self.log, size, end, range)
    }

    /// All entries, the newest first; reads only as far as it is asked to.
    pub fn newest(&self) -> read::Newest<'_> {
        let (size, end) = self.extent();
        read::Newest::new(&self.log, size, end)
    }

    /// Checks every byte of the ledger as it stands now; entries that are appended
    /// meanwhile are not waited for.
    pub fn verify(&self, expected: &Expected) -> Report {
        match self.export() {
            Ok(export) => verify::verify_export(&export, expected),
            Err(error) => Report::unreadable(error.to_string()),
        }
    }

    /// A consistent and durable copy, to be verified elsewhere.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn export(&self) -> Result<Export, Error> {
        let mut writer = lock(&self.writer);
        writer.sync()?;
        let position = writer.position.clone();
        drop(writer);
        let log = self
            .log
            .try_clone()
            .map_err(Error::io("open", Path::new(layout::LOG)))?;
        Ok(Export {
            log,
            log_bytes: position.end,
            checkpoint: layout::sector(&position.note, position.end),
        })
    }

    fn extent(&self) -> (u64, u64) {
        let committed = lock(&self.committed);
        (committed.frontier.size(), committed.end)
    }

    /// Joins the group that is being gathered; gives the index of the first of these leaves.
    fn enqueue(&self, leaves: Vec<Vec<u8>>, durable: bool) -> Result<u64, Error> {
        let item = Item { leaves, durable };
        self.groups.join(item, |group| self.write(group))
    }

    /// Writes a group as one.
    fn write(&self, group: Vec<Item>) -> Vec<Result<u64, Error>> {
        let durable = group.iter().any(|item| item.durable);
        let sizes: Vec<_> = group.iter().map(|item| item.leaves.len() as u64).collect();
        let leaves: Vec<_> = group.into_iter().flat_map(|item| item.leaves).collect();
        let mut writer = lock(&self.writer);
        let first = writer.commit(&leaves, durable);
        *lock(&self.committed) = writer.position.clone();
        self.reserve.store(reserve_of(&writer), Ordering::Relaxed);
        drop(writer);
        let mut before = 0;
        let mut answer = |size| {
            let mine = first.clone().map(|first| first + before);
            before += size;
            mine
        };
        sizes.into_iter().map(&mut answer).collect()
    }
}

impl Drop for Ledger {
    /// An orderly end leaves both files durable and equal.
    fn drop(&mut self) {
        let writer = self
            .writer
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        // Nobody is left to tell; what was acknowledged is durable already.
        drop(writer.sync());
        drop(writer.mark.sync_data());
    }
}

fn reserve_of(writer: &Writer) -> u64 {
    writer.room.left(writer.position.end).unwrap_or(u64::MAX)
}

/// A thread that panicked elsewhere does not make the state wrong: it is only
/// replaced as a whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
