//! `fs.*`: files and directories.
//!
//! Paths are resolved once ([`path`]), capabilities are checked on the result, and the act goes
//! through [`place`], which refuses every symbolic link on the way: what was swapped in between
//! makes the call fail instead of leading it elsewhere.

pub mod append;
pub mod copy;
pub mod delete;
pub mod disk_usage;
pub mod extent;
pub mod fingerprint;
pub mod install;
pub mod list;
pub mod meta;
pub mod mkdir;
pub mod move_;
pub mod path;
pub mod place;
pub mod read;
pub mod search;
pub mod stat;
pub mod symlink;
pub mod tree;
pub mod write;

use std::io::Read;

use caps::Capability;
use rustix::fs::FileType;

use crate::error::ToolError;
use crate::registry::Registry;
use crate::undo::{Prior, Step};
use place::Place;

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
    registry
        .with::<append::Act>()
        .with::<copy::Act>()
        .with::<delete::Act>()
        .with::<disk_usage::Act>()
        .with::<list::Act>()
        .with::<mkdir::Act>()
        .with::<move_::Act>()
        .with::<read::Act>()
        .with::<search::Act>()
        .with::<stat::Stat>()
        .with::<symlink::Act>()
        .with::<write::Act>()
}

/// A file that is written to is replaced whole, up to this size in bytes: it is held in memory.
const WHOLE_MAX: u64 = 64 * 1024 * 1024;

/// The whole content of a file.
fn whole_content(place: &Place) -> Result<Vec<u8>, ToolError> {
    let fault = |error| ToolError::io(place.path.display(), error);
    let mut content = Vec::new();
    let file = place.open_content()?;
    file.take(WHOLE_MAX + 1)
        .read_to_end(&mut content)
        .map_err(fault)?;
    match content.len() as u64 > WHOLE_MAX {
        true => Err(ToolError::Precondition(format!(
            "{} is larger than {}",
            place.path.display(),
            crate::format::bytes(WHOLE_MAX)
        ))),
        false => Ok(content),
    }
}

/// Post-condition: the file has exactly this content.
fn has_content(path: &str, expected: &[u8]) -> Result<(), String> {
    let content = Place::open(path).and_then(|place| whole_content(&place));
    match content {
        Ok(content) if content == expected => Ok(()),
        Ok(content) => Err(format!(
            "{path} has other content ({} bytes)",
            content.len()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Post-condition: it is there and no longer here, nor kept aside here.
fn was_moved(from: &str, to: &str, execution: &str) -> Result<(), String> {
    let is_there = |path: &str| match Place::open_if_any(path) {
        Ok(Some(place)) => place.stat().map(|stat| stat.is_some()),
        Ok(None) => Ok(false),
        Err(error) => Err(error),
    };
    if let Ok(Some(place)) = Place::open_if_any(from)
        && !matches!(tree::aside(&place, execution).stat(), Ok(None))
    {
        return Err(format!("a part of {from} is still there"));
    }
    match (is_there(from), is_there(to)) {
        (Ok(false), Ok(true)) => Ok(()),
        (Ok(true), _) => Err(format!("{from} is still there")),
        (Ok(false), Ok(false)) => Err(format!("{to} is not there")),
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    }
}

/// Refuses to go over something that exists.
fn must_be_free(place: &Place) -> Result<(), ToolError> {
    match place.stat()? {
        None => Ok(()),
        Some(_) => Err(ToolError::Precondition(format!(
            "{} exists already",
            place.path.display()
        ))),
    }
}

/// Did the capture find nothing?
fn was_absent(steps: &[Step]) -> bool {
    matches!(
        steps,
        [Step::Restore {
            prior: Prior::Absent,
            ..
        }]
    )
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
