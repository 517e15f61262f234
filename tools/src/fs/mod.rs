//! `fs.*`: files and directories.
//!
//! Paths are resolved once ([`path`]), capabilities are checked on the result, and the act goes
//! through [`place`], which refuses every symbolic link on the way: what was swapped in between
//! makes the call fail instead of leading it elsewhere.

pub mod path;
pub mod place;
pub mod stat;

use caps::Capability;
use rustix::fs::FileType;

use crate::registry::Registry;

/// What looking at any file needs.
pub const READING: &[Capability] = &[Capability::CAP_DAC_READ_SEARCH];
/// What changing files of any owner, and giving them back as they were, needs.
pub const WRITING: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
];

/// Adds the tools of this namespace.
pub fn register(registry: Registry) -> Registry {
    registry.with::<stat::Stat>()
}

/// The word for a kind of file.
pub fn kind_name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Symlink => "symlink",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character device",
        FileType::BlockDevice => "block device",
        FileType::Unknown => "unknown kind of file",
    }
}

/// A timestamp of stat(2) in Unix milliseconds.
#[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap)] // types differ by architecture
pub fn milliseconds(seconds: impl Into<i64>, nanoseconds: u64) -> i64 {
    seconds.into() * 1000 + (nanoseconds / 1_000_000) as i64
}
