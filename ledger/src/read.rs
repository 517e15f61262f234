//! Reading entries of an open ledger, from either end.
//!
//! There is no index: what is asked for in practice is the newest, and the log
//! can be read backwards. A range in the middle costs a scan from the nearer end.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use crate::entry::Entry;
use crate::error::Error;
use crate::frame::{self, FrameError, Frames, Kind};
use crate::layout::{HEADER, LOG};

/// The entries of a range.
pub(crate) fn entries(
    log: &File,
    size: u64,
    end: u64,
    range: Range<u64>,
) -> Result<Vec<Entry>, Error> {
    let range = range.start..range.end.min(size);
    if range.is_empty() {
        return Ok(Vec::new());
    }
    if range.start > size - range.start {
        let newest = Newest::new(log, size, end);
        let after = usize::try_from(size - range.end).unwrap_or(usize::MAX);
        let wanted = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        let mut found: Vec<Entry> = newest.skip(after).take(wanted).collect::<Result<_, _>>()?;
        found.reverse();
        return Ok(found);
    }
    from_start(log, end, range)
}

fn from_start(log: &File, end: u64, range: Range<u64>) -> Result<Vec<Entry>, Error> {
    let mut frames = Frames::new(log, HEADER, end);
    let mut found = Vec::new();
    let mut index = 0;
    while index < range.end {
        let frame = frames.read().map_err(|error| damaged(error, index))?;
        let Some(frame) = frame else {
            return Err(Error::damaged(format!("the log ends at entry {index}")));
        };
        if frame.kind == Kind::Entry {
            if index >= range.start {
                found.push(Entry::decode(index, &frame.payload)?);
            }
            index += 1;
        }
    }
    Ok(found)
}

/// The entries, the newest first. Ends after the first error.
#[derive(Debug)]
pub struct Newest<'l> {
    log: &'l File,
    /// Entries that are left.
    left: u64,
    /// Where the frame to look at ends.
    end: u64,
}

impl<'l> Newest<'l> {
    pub(crate) fn new(log: &'l File, size: u64, end: u64) -> Self {
        Self {
            log,
            left: size,
            end,
        }
    }

    fn step(&mut self) -> Result<Option<Entry>, Error> {
        while self.left > 0 {
            let frame = frame::before(self.log, HEADER, self.end)
                .map_err(|error| damaged(error, self.left - 1))?;
            let Some(frame) = frame else {
                return Err(Error::damaged(format!("{} entries are missing", self.left)));
            };
            self.end = frame.start;
            if frame.kind == Kind::Entry {
                self.left -= 1;
                return Entry::decode(self.left, &frame.payload).map(Some);
            }
        }
        Ok(None)
    }
}

impl Iterator for Newest<'_> {
    type Item = Result<Entry, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.step();
        if step.is_err() {
            self.left = 0;
        }
        step.transpose()
    }
}

/// Says which entry could not be read.
pub(crate) fn damaged(error: FrameError, index: u64) -> Error {
    match error {
        FrameError::Bad(what) => Error::damaged(format!("at entry {index}: {what}")),
        FrameError::Io(error) => Error::io("read", Path::new(LOG))(error),
    }
}
