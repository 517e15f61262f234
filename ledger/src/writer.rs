//! The one that writes: a group of leaves becomes one write and, when asked, one sync.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use ed25519_dalek::SigningKey;

use crate::checkpoint::{self, Checkpoint};
use crate::error::Error;
use crate::frame::{self, Kind};
use crate::layout;
use crate::reserve::Room;
use crate::tree::{Frontier, Hash};

/// Where the log stands after a group.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub frontier: Frontier,
    /// Digest of the last checkpoint record.
    pub last: Hash,
    /// Where the last checkpoint record ends.
    pub end: u64,
    /// The last checkpoint.
    pub checkpoint: Checkpoint,
    /// Its note.
    pub note: String,
}

pub(crate) struct Writer {
    pub key: SigningKey,
    pub log: File,
    pub log_path: PathBuf,
    pub mark: File,
    pub mark_path: PathBuf,
    pub position: Position,
    /// Entries that are certainly on the disk.
    pub durable: u64,
    /// What the disk keeps ready for the log.
    pub room: Room,
    /// Why nothing more is written.
    pub closed: Option<String>,
}

/// Signs what a log holds after some leaves and builds the bytes to append for it.
pub(crate) fn extend(
    key: &SigningKey,
    from: &Position,
    leaves: &[Vec<u8>],
    durable: u64,
) -> (Vec<u8>, Position) {
    let mut bytes = Vec::new();
    let mut frontier = from.frontier.clone();
    for leaf in leaves {
        frontier.push(frame::write(&mut bytes, Kind::Entry, leaf));
    }
    let checkpoint = Checkpoint {
        size: frontier.size(),
        root: frontier.root(),
        previous: from.last,
        durable,
    };
    let note = checkpoint.sign(key);
    let payload = checkpoint::encode(&note, &frontier);
    let last = frame::write(&mut bytes, Kind::Checkpoint, &payload);
    let end = from.end + bytes.len() as u64;
    assert_eq!(frontier.size(), from.frontier.size() + leaves.len() as u64);
    (
        bytes,
        Position {
            frontier,
            last,
            end,
            checkpoint,
            note,
        },
    )
}

impl Writer {
    /// Appends a group; gives its first entry's index.
    pub fn commit(&mut self, leaves: &[Vec<u8>], durable: bool) -> Result<u64, Error> {
        if let Some(detail) = &self.closed {
            return Err(Error::Closed {
                detail: detail.clone(),
            });
        }
        let first = self.position.frontier.size();
        let (bytes, next) = extend(&self.key, &self.position, leaves, self.durable);
        if let Err(error) = self.log.write_all_at(&bytes, self.position.end) {
            self.withdraw();
            return Err(Error::io("write", &self.log_path)(error));
        }
        self.position = next;
        self.room = self.room.after_write(&self.log, self.position.end);
        if durable {
            self.sync()?;
        }
        Ok(first)
    }

    /// Makes all that was written durable. After a failed sync nobody knows what
    /// the disk holds (the kernel drops the pages and reports it once), so the
    /// ledger closes.
    pub fn sync(&mut self) -> Result<(), Error> {
        if let Some(detail) = &self.closed {
            return Err(Error::Closed {
                detail: detail.clone(),
            });
        }
        if self.durable == self.position.frontier.size() {
            return Ok(());
        }
        if let Err(error) = rustix::fs::fdatasync(&self.log) {
            self.closed = Some(format!("sync: {error}"));
            return Err(Error::io("sync", &self.log_path)(error));
        }
        self.durable = self.position.frontier.size();
        self.mark()
    }

    /// Writes the checkpoint file. Not synced: it is written after the log was, so
    /// after a power cut it can be behind the log but never ahead of it.
    pub fn mark(&mut self) -> Result<(), Error> {
        let sector = layout::sector(&self.position.note, self.position.end);
        self.mark.write_all_at(&sector, 0).map_err(|error| {
            self.closed = Some(format!("write of the checkpoint file: {error}"));
            Error::io("write", &self.mark_path)(error)
        })
    }

    /// Asks the disk for the log's reserve again.
    pub fn renew_reserve(&mut self) {
        self.room = self.room.renewed(&self.log, self.position.end);
    }

    /// Takes a half written group back (a full disk); failing that, closes. What was kept ready is cut
    /// off with it.
    fn withdraw(&mut self) {
        self.room = Room::Last(self.position.end);
        if let Err(error) = self.log.set_len(self.position.end) {
            self.closed = Some(format!("cutting a half written group: {error}"));
        }
    }
}
