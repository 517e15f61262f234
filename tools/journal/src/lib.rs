//! A write-ahead journal: records that one sync makes durable, in a file that never grows.
//!
//! The file has two halves. Records go into one until it is full, then into the other; whoever uses
//! the journal sees to it that what a half holds is durable elsewhere by the time that the half is
//! filled again. So after a power cut both halves together are the end of all that was written,
//! without a gap.
//!
//! The file has its full size from the first day and is overwritten in place: a sync has no metadata
//! to write, and a full disk does not stop it.

#![forbid(unsafe_code)]

mod frame;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use frame::Filling;

/// Why a record is not durable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The half that is being filled has no room for it: switch first.
    #[error("there is no room for {bytes} bytes")]
    Full {
        /// So many the records take.
        bytes: usize,
    },
    /// The disk refused, now or before. After a failed sync nobody knows what it holds, so nothing
    /// more is written until the journal is opened again.
    #[error("{path}: {source}")]
    Disk {
        /// The journal's file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
    /// Bytes of a half.
    half: usize,
    /// Which half is being filled: 0 or 1.
    active: u64,
    /// The half that was filled first.
    older: u64,
    filling: Filling,
    /// Bytes of it that are filled.
    used: usize,
    /// Why nothing more is written.
    closed: Option<io::ErrorKind>,
}

/// What a half of the file held when it was opened.
struct Found {
    filling: Option<Filling>,
    records: Vec<Vec<u8>>,
}

impl Journal {
    /// Opens a journal with halves of so many bytes, making it when it is missing, and gives the
    /// records that it holds, the oldest first. Whoever opens it makes their effect durable elsewhere
    /// and then calls [`Journal::clear`]; before that nothing can be appended.
    ///
    /// # Errors
    /// When the file cannot be made, read or written.
    pub fn open(path: &Path, half: usize) -> io::Result<(Self, Vec<Vec<u8>>)> {
        let size = 2 * half as u64;
        let fits = |file: &File| Ok::<_, io::Error>(file.metadata()?.len() == size);
        let file = match read_write(path) {
            Ok(file) if fits(&file)? => file,
            Ok(_) => {
                let other = "has another size than this version writes";
                return Err(io::Error::new(io::ErrorKind::InvalidData, other));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(path, half)?,
            Err(error) => return Err(error),
        };
        let (first, second) = (found(&file, 0, half)?, found(&file, 1, half)?);
        let first_is_older = first.filling <= second.filling;
        let (older, newer) = match first_is_older {
            true => (first, second),
            false => (second, first),
        };
        let records = older.records.into_iter().chain(newer.records).collect();
        let journal = Self {
            file,
            path: path.to_owned(),
            half,
            active: 0,
            older: u64::from(!first_is_older),
            filling: Filling {
                sequence: 0,
                age: 0,
            },
            used: half,
            closed: None,
        };
        Ok((journal, records))
    }

    /// Is there room for records of these lengths?
    pub fn has_room(&self, lengths: impl IntoIterator<Item = usize>) -> bool {
        let bytes: usize = lengths.into_iter().map(frame::size).sum();
        bytes <= self.half - self.used
    }

    /// Goes on in the other half. What that half held must be durable elsewhere.
    pub fn switch(&mut self) {
        self.older = self.active;
        self.active = 1 - self.active;
        self.filling.sequence += 1;
        self.used = 0;
    }

    /// Appends records; they are on the disk when this returns, all or, after an error, an unknown
    /// number of the first.
    ///
    /// # Errors
    /// When there is no room, or the disk refuses.
    pub fn append<'r>(&mut self, records: impl IntoIterator<Item = &'r [u8]>) -> Result<(), Error> {
        let mut bytes = Vec::new();
        for record in records {
            frame::write(&mut bytes, self.filling, record);
        }
        if bytes.len() > self.half - self.used {
            return Err(Error::Full { bytes: bytes.len() });
        }
        let start = self.active * self.half as u64 + self.used as u64;
        self.write(&bytes, start)?;
        self.used += bytes.len();
        Ok(())
    }

    /// Forgets all records; their effect is durable elsewhere. The next go into the first half.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn clear(&mut self) -> Result<(), Error> {
        // The older half first: what a power cut leaves in between is without a gap, too.
        let older = self.older;
        for half in [older, 1 - older] {
            self.write(&[0; frame::HEAD], half * self.half as u64)?;
        }
        self.active = 0;
        self.older = 1;
        self.used = 0;
        self.filling = Filling {
            sequence: 1,
            age: uuid::Uuid::new_v4().as_u64_pair().0,
        };
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], at: u64) -> Result<(), Error> {
        if let Some(kind) = self.closed {
            return Err(Error::Disk {
                path: self.path.clone(),
                source: io::Error::new(kind, "an earlier write failed"),
            });
        }
        let written = self.file.write_all_at(bytes, at);
        let synced = written.and_then(|()| Ok(rustix::fs::fdatasync(&self.file)?));
        synced.map_err(|source| self.refused(source))
    }

    fn refused(&mut self, source: io::Error) -> Error {
        self.closed = Some(source.kind());
        Error::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

fn read_write(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Makes the file with all its blocks; it gets its name when it is whole.
fn create(path: &Path, half: usize) -> io::Result<File> {
    let unfinished = path.with_extension("new");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    io::copy(&mut io::repeat(0).take(2 * half as u64), &mut &file)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    File::open(folder)?.sync_all()?;
    Ok(file)
}

/// The records at the beginning of a half that belong to one filling. Only these are read.
fn found(file: &File, number: u64, half: usize) -> io::Result<Found> {
    let mut found = Found {
        filling: None,
        records: Vec::new(),
    };
    let start = number * half as u64;
    let mut at = 0;
    while let Some(bytes) = record_at(file, start + at as u64, half - at)? {
        let Some((filling, record, _)) = frame::read(&bytes) else {
            break;
        };
        if *found.filling.get_or_insert(filling) != filling {
            break;
        }
        found.records.push(record.to_vec());
        at += bytes.len();
    }
    Ok(found)
}

/// The bytes of the record that may be at this place, with so much room up to the half's end.
fn record_at(file: &File, at: u64, room: usize) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; frame::HEAD];
    if room < head.len() {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let Some(size) = frame::size_by_head(&head).filter(|size| *size <= room) else {
        return Ok(None);
    };
    let mut bytes = vec![0; size];
    file.read_exact_at(&mut bytes, at)?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: usize = 4096;

    fn open(path: &Path) -> (Journal, Vec<String>) {
        let (journal, records) = Journal::open(path, HALF).unwrap();
        let text = |record| String::from_utf8(record).unwrap();
        (journal, records.into_iter().map(text).collect())
    }

    fn new(path: &Path) -> Journal {
        let (mut journal, records) = open(path);
        assert_eq!(records, [""; 0]);
        journal.clear().unwrap();
        journal
    }

    fn append(journal: &mut Journal, record: &str) {
        if !journal.has_room([record.len()]) {
            journal.switch();
        }
        journal.append([record.as_bytes()]).unwrap();
    }

    #[test]
    fn the_end_of_all_records_is_found_again_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = new(&path);
        let record = |number: u32| format!("{number} {}", "x".repeat(100 + number as usize % 90));
        for many in [0, 1, 10, 30, 55, 200] {
            for number in 0..many {
                append(&mut journal, &record(number));
            }
            let (again, found) = open(&path);
            let first = many - u32::try_from(found.len()).unwrap();
            let expected: Vec<_> = (first..many).map(record).collect();
            assert_eq!(found, expected);
            assert!(found.len() >= 20.min(many as usize), "a half at least");
            journal = again;
            journal.clear().unwrap();
            assert_eq!(open(&path).1, [""; 0]);
        }
    }

    #[test]
    fn a_torn_record_ends_the_journal_and_old_ones_behind_it_do_not_come_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let mut journal = new(&path);
        for number in 0..5 {
            append(&mut journal, &format!("old {number}"));
        }
        journal.clear().unwrap();
        append(&mut journal, "new 0");
        append(&mut journal, "new 1");
        assert_eq!(open(&path).1, ["new 0", "new 1"]);
        let size = frame::size(5) as u64;
        journal.file.write_all_at(b"?", size + 34).unwrap();
        assert_eq!(open(&path).1, ["new 0"]);
    }

    #[test]
    fn before_it_is_cleared_and_when_it_is_full_nothing_is_appended() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        append(&mut new(&path), "first");
        let (mut journal, found) = open(&path);
        assert_eq!(found, ["first"]);
        let refused = journal.append([b"second".as_slice()]);
        assert!(matches!(refused, Err(Error::Full { bytes: 40 })));
        assert_eq!(open(&path).1, ["first"]);
        journal.clear().unwrap();
        let large = vec![0; HALF];
        assert!(!journal.has_room([HALF]));
        let refused = journal.append([large.as_slice()]);
        assert!(matches!(refused, Err(Error::Full { .. })));
    }

    #[test]
    fn a_file_of_another_size_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        std::fs::write(&path, "something else").unwrap();
        let error = Journal::open(&path, HALF).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(std::fs::read(&path).unwrap(), b"something else");
    }
}
