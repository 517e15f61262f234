//! Objects of the file system, handled so that nobody can swap them during an act.
//!
//! A path is resolved and guarded as an argument ([`crate::argument`]); the act goes through a
//! [`place::Place`], which refuses every symbolic link on the way. An object that was swapped in
//! between makes the call fail instead of leading it elsewhere.

pub mod extent;
pub mod fingerprint;
pub mod install;
pub mod meta;
pub(crate) mod path;
pub mod place;
pub mod tree;

use caps::Capability;
use rustix::fs::FileType;

use crate::error::ToolError;
use place::Place;

/// What looking at files of any owner needs.
pub const READING: &[Capability] = &[Capability::CAP_DAC_READ_SEARCH];
/// What changing files of any owner, and giving them back as they were, needs.
pub const WRITING: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
];

/// Refuses to go over something that exists.
///
/// # Errors
/// `Precondition`, naming it.
pub fn must_be_free(place: &Place) -> Result<(), ToolError> {
    match place.stat()? {
        None => Ok(()),
        Some(_) => Err(ToolError::Precondition(format!(
            "{} exists already",
            place.path.display()
        ))),
    }
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
