//! Objects of the file system, handled so that nobody can swap them during an act.
//!
//! A path is resolved and guarded as an argument ([`crate::argument`]); the act goes through a
//! [`place::Place`], which refuses every symbolic link on the way. An object that was swapped in
//! between makes the call fail instead of leading it elsewhere.

pub mod extent;
pub mod fingerprint;
pub mod install;
pub mod meta;
pub mod name;
pub mod path;
pub mod place;
pub mod quarantine;
pub mod secrets;
pub mod sparse;
pub mod state;
pub mod tree;

use caps::Capability;
use rustix::fs::{FileType, Stat};

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

/// What moving files, also from one file system to another, needs: a copy keeps the privileges of a
/// file (capabilities(7), "File capabilities").
pub const MOVING: &[Capability] = &[
    Capability::CAP_CHOWN,
    Capability::CAP_DAC_OVERRIDE,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_FOWNER,
    Capability::CAP_FSETID,
    Capability::CAP_SETFCAP,
];

/// How many names a file has.
#[allow(clippy::useless_conversion)] // its type differs by architecture
pub fn names(stat: &Stat) -> u64 {
    u64::from(stat.st_nlink)
}

/// Refuses to change the content of a file that has other names: they would change as well, and the
/// caller holds nothing for them; or, with a new file in its place, they would be other files.
///
/// # Errors
/// `Precondition`, saying what can be done.
pub fn has_one_name(place: &Place, stat: &Stat) -> Result<(), ToolError> {
    match names(stat) {
        0 | 1 => Ok(()),
        count => Err(ToolError::Precondition(format!(
            "{} has {count} names (hard links), and the others would change with it; delete this \
             name first, or copy the file and write to the copy",
            place.shown()
        ))),
    }
}

/// Refuses to go over something that exists.
///
/// # Errors
/// `Precondition`, naming it.
pub fn must_be_free(place: &Place) -> Result<(), ToolError> {
    match place.stat()? {
        None => Ok(()),
        Some(_) => Err(ToolError::Precondition(format!(
            "{} exists already",
            place.shown()
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
