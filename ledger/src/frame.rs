//! How one record stands in the log file.
//!
//! `kind (1) · length (4, little-endian) · payload · digest (8) · length (4)`. The
//! digest is the start of the payload's hash (for entries the RFC 6962 leaf hash,
//! so that verifying hashes every byte once); the length stands at both ends so
//! that the log can be read from its end.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use sha2::{Digest, Sha256};

use crate::tree::{Hash, leaf_hash};

/// Bytes of a frame besides its payload.
pub const OVERHEAD: u64 = HEAD + TAIL;
const HEAD: u64 = 5;
const TAIL: u64 = 12;

/// Longest payload: what is longer was never written by us.
const PAYLOAD_MAX: u32 = 64 * 1024;

/// Read ahead by so many bytes: enough that a scan is bound by hashing.
const READ_AHEAD: usize = 256 * 1024;

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One leaf of the tree.
    Entry,
    /// A signed note over all leaves before it.
    Checkpoint,
}

impl Kind {
    fn byte(self) -> u8 {
        match self {
            Self::Entry => b'e',
            Self::Checkpoint => b'c',
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::Entry, Self::Checkpoint]
            .into_iter()
            .find(|kind| kind.byte() == byte)
    }

    /// Each kind has its own domain, so that no byte string is both.
    fn hash(self, payload: &[u8]) -> Hash {
        match self {
            Self::Entry => leaf_hash(payload),
            Self::Checkpoint => Sha256::new()
                .chain_update([2])
                .chain_update(payload)
                .finalize()
                .into(),
        }
    }
}

/// A frame that was read whole and whose digest is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it holds.
    pub kind: Kind,
    /// The record.
    pub payload: Vec<u8>,
    /// The payload's hash.
    pub hash: Hash,
    /// Where it begins in the file.
    pub start: u64,
    /// Where the next one begins.
    pub end: u64,
}

/// Why no frame could be read.
#[derive(Debug)]
pub enum FrameError {
    /// The bytes there are no frame: torn, or tampered with.
    Bad(&'static str),
    /// The file could not be read.
    Io(io::Error),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Appends a frame to a buffer and gives the payload's hash.
pub fn write(buffer: &mut Vec<u8>, kind: Kind, payload: &[u8]) -> Hash {
    assert!(
        payload.len() <= PAYLOAD_MAX as usize,
        "longer than can be read"
    );
    let length = (payload.len() as u32).to_le_bytes();
    let hash = kind.hash(payload);
    buffer.push(kind.byte());
    buffer.extend_from_slice(&length);
    buffer.extend_from_slice(payload);
    buffer.extend_from_slice(&hash[..8]);
    buffer.extend_from_slice(&length);
    hash
}

/// Reads frames one after another.
pub struct Frames<'f> {
    input: BufReader<At<'f>>,
    offset: u64,
    limit: u64,
}

impl<'f> Frames<'f> {
    /// The frames between two offsets of a file.
    pub fn new(file: &'f File, from: u64, limit: u64) -> Self {
        let at = At { file, offset: from };
        Self {
            input: BufReader::with_capacity(READ_AHEAD, at),
            offset: from,
            limit,
        }
    }

    /// Where the next frame begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next frame; `None` when the limit is reached exactly.
    ///
    /// # Errors
    /// When there is no whole and undamaged frame there.
    pub fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        let left = self.limit.saturating_sub(self.offset);
        if left == 0 {
            return Ok(None);
        }
        if left < OVERHEAD {
            return Err(FrameError::Bad("it ends within a record"));
        }
        let mut head = [0; HEAD as usize];
        self.input.read_exact(&mut head)?;
        let (kind, length) = parse_head(head)?;
        if u64::from(length) > left - OVERHEAD {
            return Err(FrameError::Bad("it ends within a record"));
        }
        let mut payload = vec![0; length as usize];
        let mut tail = [0; TAIL as usize];
        self.input.read_exact(&mut payload)?;
        self.input.read_exact(&mut tail)?;
        let frame = check(kind, payload, tail, self.offset)?;
        self.offset = frame.end;
        Ok(Some(frame))
    }
}

/// The frame that ends at an offset; `None` when that is `begin`, where the frames begin.
///
/// # Errors
/// When there is no whole and undamaged frame there.
pub fn before(file: &File, begin: u64, end: u64) -> Result<Option<Frame>, FrameError> {
    if end == begin {
        return Ok(None);
    }
    let room = end.saturating_sub(begin);
    if room < OVERHEAD {
        return Err(FrameError::Bad("it begins within a record"));
    }
    let mut length = [0; 4];
    file.read_exact_at(&mut length, end - 4)?;
    let length = u32::from_le_bytes(length);
    if u64::from(length) > (room - OVERHEAD).min(u64::from(PAYLOAD_MAX)) {
        return Err(FrameError::Bad("a record's length is impossible"));
    }
    let start = end - OVERHEAD - u64::from(length);
    match Frames::exact(file, start, end).read()? {
        Some(frame) if frame.end == end => Ok(Some(frame)),
        _ => Err(FrameError::Bad("a record's lengths differ")),
    }
}

impl<'f> Frames<'f> {
    /// As [`Frames::new`], for a single frame: reads not more than it.
    fn exact(file: &'f File, from: u64, limit: u64) -> Self {
        let at = At { file, offset: from };
        let size = usize::try_from(limit - from).unwrap_or(READ_AHEAD);
        Self {
            input: BufReader::with_capacity(size, at),
            offset: from,
            limit,
        }
    }
}

fn parse_head([kind, length @ ..]: [u8; 5]) -> Result<(Kind, u32), FrameError> {
    let kind = Kind::from_byte(kind).ok_or(FrameError::Bad("a record's kind is unknown"))?;
    let length = u32::from_le_bytes(length);
    if length > PAYLOAD_MAX {
        return Err(FrameError::Bad("a record's length is impossible"));
    }
    Ok((kind, length))
}

fn check(kind: Kind, payload: Vec<u8>, tail: [u8; 12], start: u64) -> Result<Frame, FrameError> {
    let hash = kind.hash(&payload);
    if tail[..8] != hash[..8] {
        return Err(FrameError::Bad("a record's bytes do not match its digest"));
    }
    if tail[8..] != (payload.len() as u32).to_le_bytes() {
        return Err(FrameError::Bad("a record's lengths differ"));
    }
    let end = start + OVERHEAD + payload.len() as u64;
    Ok(Frame {
        kind,
        payload,
        hash,
        start,
        end,
    })
}

/// A reader with its own place in a shared file.
struct At<'f> {
    file: &'f File,
    offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}
