//! Copying, moving and removing what is at a place, with everything below it.

mod copy;
mod relocate;
mod survey;
#[cfg(test)]
#[allow(clippy::unwrap_used)] // helpers of tests
mod tests;

use rustix::fs::{AtFlags, FileType};

use super::fingerprint;
use super::place::Place;
use crate::error::ToolError;

pub use copy::{Keep, copy};
pub use relocate::{aside, relocate};
pub use survey::Survey;

/// How much was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl std::fmt::Display for Extent {
    /// `1 entry, 12 B`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let entries = if self.entries == 1 {
            "entry"
        } else {
            "entries"
        };
        let size = crate::format::bytes(self.bytes);
        write!(f, "{} {entries}, {size}", self.entries)
    }
}

/// Removes what is at the place with all below it; nothing there is fine.
///
/// # Errors
/// What the kernel says.
pub fn remove(place: &Place) -> Result<(), ToolError> {
    let Some(stat) = place.stat()? else {
        return Ok(());
    };
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {
            for child in place.children()? {
                remove(&child)?;
            }
            AtFlags::REMOVEDIR
        }
        _ => AtFlags::empty(),
    };
    rustix::fs::unlinkat(&place.parent, &place.name, flags).map_err(|error| place.error(error))
}

/// Is the same at both places, whoever owns it?
///
/// # Errors
/// When it cannot be read.
pub fn has_same_content(a: &Place, b: &Place) -> Result<bool, ToolError> {
    let (Some(stat), Some(other)) = (a.stat()?, b.stat()?) else {
        return Ok(false);
    };
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind != FileType::from_raw_mode(other.st_mode) {
        return Ok(false);
    }
    match kind {
        FileType::RegularFile => Ok(stat.st_size == other.st_size
            && fingerprint::content_digest(a)? == fingerprint::content_digest(b)?),
        FileType::Symlink => {
            let target = |place: &Place| {
                rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())
                    .map_err(|error| place.error(error))
            };
            Ok(target(a)? == target(b)?)
        }
        FileType::Directory => {
            let (a, b) = (a.children()?, b.children()?);
            let mut same = a.len() == b.len();
            for (a, b) in a.iter().zip(&b) {
                same = same && a.name == b.name && has_same_content(a, b)?;
            }
            Ok(same)
        }
        _ => Ok(true),
    }
}
