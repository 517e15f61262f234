//! Room on the disk that the log has before it needs it.
//!
//! The file system gives the log blocks behind its end, which nobody else can use then. The file's
//! length does not change by that, so readers and the verification know nothing of it. While there is
//! space on the disk the reserve is renewed as the log grows; on a full disk the log goes on until the
//! reserve is used up.

use std::fs::File;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

/// Bytes that are kept ready: some 2,500 entries of usual size.
pub const RESERVE: u64 = 4 * 1024 * 1024;

/// The least that is asked for when the disk has no more, in bytes.
const LEAST: u64 = 64 * 1024;

/// Where the log's room ends for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// At this offset, and the disk gives more when it is asked.
    Until(u64),
    /// At this offset, and the disk gave no more when it was asked.
    Last(u64),
    /// The file system keeps nothing ready.
    Unknown,
}

impl Room {
    /// Sees to it that the log has its reserve behind `end`.
    pub fn renewed(self, log: &File, end: u64) -> Self {
        let until = match self {
            Self::Until(until) | Self::Last(until) => until.max(end),
            Self::Unknown => return Self::Unknown,
        };
        if until >= end + RESERVE {
            return Self::Until(until);
        }
        let mut bytes = 2 * RESERVE;
        while bytes >= LEAST {
            match fallocate(log, FallocateFlags::KEEP_SIZE, until, bytes) {
                Ok(()) if until + bytes >= end + RESERVE => return Self::Until(until + bytes),
                Ok(()) => return Self::Last(until + bytes),
                Err(Errno::OPNOTSUPP | Errno::NOSYS) => return Self::Unknown,
                Err(_) => bytes /= 2,
            }
        }
        Self::Last(until)
    }

    /// The same after a write: the disk is asked only when it gave more the last time.
    pub fn after_write(self, log: &File, end: u64) -> Self {
        match self {
            Self::Until(until) if until < end + RESERVE => self.renewed(log, end),
            _ => self,
        }
    }

    /// Bytes that are ready behind `end`; `None` when nobody knows.
    pub fn left(self, end: u64) -> Option<u64> {
        match self {
            Self::Until(until) | Self::Last(until) => Some(until.saturating_sub(end)),
            Self::Unknown => None,
        }
    }
}
