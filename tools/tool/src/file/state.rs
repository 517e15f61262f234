//! What is at a path, as data: for changes that are described in one process and made in another.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use super::meta::Meta;
use super::place::Place;
use super::{fingerprint, kind_name, name};
use crate::error::ToolError;

/// What is at a path. Folders without what is in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum State {
    /// Nothing.
    Absent,
    /// A folder.
    Folder {
        /// Owner, mode, attributes.
        meta: Meta,
    },
    /// A file.
    File {
        /// Owner, mode, times, attributes.
        meta: Meta,
        /// Its size in bytes.
        size: u64,
        /// SHA-256 of its content, hex.
        sha256: String,
    },
    /// A symbolic link.
    Link {
        /// Owner.
        meta: Meta,
        /// Where it points to, in the written form of names.
        target: String,
    },
}

impl State {
    /// What is at a resolved path now.
    ///
    /// # Errors
    /// `Precondition` for a device, a pipe or a socket; otherwise when it cannot be read.
    pub fn at(path: &str) -> Result<Self, ToolError> {
        match Place::open_if_any(path)? {
            None => Ok(Self::Absent),
            Some(place) => Self::of(&place),
        }
    }

    /// What is at the place now.
    ///
    /// # Errors
    /// As [`Self::at`].
    pub fn of(place: &Place) -> Result<Self, ToolError> {
        if place.stat()?.is_none() {
            return Ok(Self::Absent);
        }
        let (stat, meta) = Meta::read(place, &place.hold()?)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(Self::Folder { meta }),
            FileType::RegularFile => Ok(Self::File {
                meta,
                size: u64::try_from(stat.st_size).unwrap_or(0),
                sha256: hex(&fingerprint::content_digest(place)?),
            }),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())
                    .map_err(|error| place.error(error))?;
                Ok(Self::Link {
                    meta,
                    target: name::encode(OsStr::from_bytes(target.to_bytes())),
                })
            }
            kind => Err(ToolError::Precondition(format!(
                "{} is a {}",
                place.shown(),
                kind_name(kind)
            ))),
        }
    }

    /// Is it the same, whenever it was last read or written?
    pub fn is_as(&self, other: &Self) -> bool {
        let same = |a: &Meta, b: &Meta| {
            (a.mode, a.uid, a.gid, &a.attributes) == (b.mode, b.uid, b.gid, &b.attributes)
        };
        match (self, other) {
            (Self::Absent, Self::Absent) => true,
            (Self::Folder { meta: a }, Self::Folder { meta: b }) => same(a, b),
            (
                Self::File {
                    meta: a,
                    sha256: content,
                    ..
                },
                Self::File {
                    meta: b, sha256, ..
                },
            ) => content == sha256 && same(a, b),
            (
                Self::Link { meta: a, target },
                Self::Link {
                    meta: b,
                    target: to,
                },
            ) => target == to && (a.uid, a.gid) == (b.uid, b.gid),
            _ => false,
        }
    }

    /// The word for it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Absent => "nothing",
            Self::Folder { .. } => kind_name(FileType::Directory),
            Self::File { .. } => kind_name(FileType::RegularFile),
            Self::Link { .. } => kind_name(FileType::Symlink),
        }
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a String takes everything
        text
    })
}
