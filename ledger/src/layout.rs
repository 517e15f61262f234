//! The files of a ledger: their names, the log's header, the second place of
//! the newest checkpoint.

use std::fs::File;
use std::path::{Path, PathBuf};

use ed25519_dalek::VerifyingKey;

use crate::error::Error;
use crate::{hex, unhex};

/// The log: header, then frames.
pub(crate) const LOG: &str = "log";
/// The newest durable checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

const MAGIC: &str = "aios-ledger 1 ";

/// Length of the header line: magic, public key in hex, line feed.
pub(crate) const HEADER: u64 = MAGIC.len() as u64 + 64 + 1;

/// The checkpoint file is overwritten in place without a sync of its own. It is
/// one sector, the unit that a disk writes wholly or not at all.
pub(crate) const SECTOR: usize = 512;

/// The log's first line.
pub(crate) fn header(key: &VerifyingKey) -> String {
    format!("{MAGIC}{}\n", hex(key.as_bytes()))
}

/// The public key in a log's first line.
pub(crate) fn parse_header(line: &[u8]) -> Option<VerifyingKey> {
    let text = std::str::from_utf8(line).ok()?;
    let key = unhex(text.strip_prefix(MAGIC)?.strip_suffix('\n')?)?;
    let key = VerifyingKey::from_bytes(&key).ok()?;
    (header(&key) == text).then_some(key)
}

/// The checkpoint file's bytes: the note, and where its record ends in the log.
pub(crate) fn sector(note: &str, end: u64) -> Vec<u8> {
    let mut bytes = format!("{note}end {end}\n").into_bytes();
    assert!(bytes.len() <= SECTOR, "a note does not fit a sector");
    bytes.resize(SECTOR, b'\n');
    bytes
}

/// The note and the offset of a checkpoint file.
pub(crate) fn parse_sector(bytes: &[u8]) -> Option<(String, u64)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (note, end) = text.trim_end_matches('\n').rsplit_once("\nend ")?;
    let (note, end) = (format!("{note}\n"), end.parse().ok()?);
    (note.len() < SECTOR - 32 && sector(&note, end) == bytes).then_some((note, end))
}

/// Makes a file's name durable.
pub(crate) fn sync_folder_of(path: &Path) -> Result<(), Error> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("sync", folder))
}

/// A consistent copy of the ledger while it goes on being written.
#[derive(Debug)]
pub struct Export {
    /// The log, open for reading.
    pub log: File,
    /// So many of its bytes belong to the copy.
    pub log_bytes: u64,
    /// The whole checkpoint file.
    pub checkpoint: Vec<u8>,
}

impl Export {
    /// The copy's file names, relative to its folder: log and checkpoint.
    pub const NAMES: [&'static str; 2] = [LOG, CHECKPOINT];
}

/// Paths of a ledger's folder.
pub(crate) fn paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join(LOG), folder.join(CHECKPOINT))
}
