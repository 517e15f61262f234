//! Reading a ledger that another process or thread goes on writing, without its help.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::checkpoint;
use crate::entry::Entry;
use crate::error::Error;
use crate::frame::{Frames, Kind};
use crate::layout::{self, Export};
use crate::read::{self, Newest};
use crate::verify::{self, Expected, Report};

/// The checkpoint file may be read while it is overwritten; that takes microseconds.
const ATTEMPTS: u32 = 5;

/// A ledger's files, open for reading, as they stood at one moment.
#[derive(Debug)]
pub struct View {
    log: File,
    /// The durable part: what the checkpoint file speaks of.
    sector: Vec<u8>,
    durable_end: u64,
    /// Whole groups, those after the durable part included.
    size: u64,
    end: u64,
}

impl View {
    /// Looks at the ledger in a folder.
    ///
    /// # Errors
    /// When there is none, or its checkpoint file is not what this crate writes.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let (log_path, mark_path) = layout::paths(folder);
        let log = File::open(&log_path).map_err(Error::io("open", &log_path))?;
        let mark = File::open(&mark_path).map_err(Error::io("open", &mark_path))?;
        let (sector, size, durable_end) = (0..ATTEMPTS)
            .find_map(|_| read_sector(&mark))
            .ok_or_else(|| Error::damaged("the checkpoint file is not one of ours"))?;
        let length = log.metadata().map_err(Error::io("stat", &log_path))?.len();
        let (size, end) = later_groups(&log, size, durable_end, length);
        Ok(Self {
            log,
            sector,
            durable_end,
            size,
            end,
        })
    }

    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.size
    }

    /// Is there no entry yet?
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// As [`crate::Ledger::entries`].
    ///
    /// # Errors
    /// When the log cannot be read or is damaged there.
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Entry>, Error> {
        read::entries(&self.log, self.size, self.end, range)
    }

    /// As [`crate::Ledger::newest`].
    pub fn newest(&self) -> Newest<'_> {
        Newest::new(&self.log, self.size, self.end)
    }

    /// Checks every byte of the part that was durable when the view was opened.
    ///
    /// # Errors
    /// When the log cannot be opened once more.
    pub fn verify(&self, expected: &Expected) -> Result<Report, Error> {
        let log = self
            .log
            .try_clone()
            .map_err(Error::io("open", Path::new(layout::LOG)))?;
        let export = Export {
            log,
            log_bytes: self.durable_end,
            checkpoint: self.sector.clone(),
        };
        Ok(verify::verify_export(&export, expected))
    }
}

/// The sector, and the size and the log's end that it speaks of.
fn read_sector(mark: &File) -> Option<(Vec<u8>, u64, u64)> {
    let mut sector = vec![0; layout::SECTOR];
    mark.read_exact_at(&mut sector, 0).ok()?;
    let (note, end) = layout::parse_sector(&sector)?;
    let size = note.lines().nth(1)?.parse().ok()?;
    Some((sector, size, end))
}

/// Goes on over whole groups; what is not whole is still being written.
fn later_groups(log: &File, size: u64, end: u64, length: u64) -> (u64, u64) {
    let mut frames = Frames::new(log, end, length);
    let (mut whole, mut entries) = ((size, end), size);
    while let Ok(Some(frame)) = frames.read() {
        match frame.kind {
            Kind::Entry => entries += 1,
            Kind::Checkpoint if checkpoint::decode(&frame.payload).is_some() => {
                whole = (entries, frame.end);
            }
            Kind::Checkpoint => break,
        }
    }
    whole
}
