//! What is in a tree, looked at before it is moved: a move must not be begun that cannot be ended,
//! or that undo could not take back exactly.

use std::collections::HashMap;

use rustix::fs::{FileType, Stat};

use super::{Extent, copy};
use crate::error::ToolError;
use crate::file::names;
use crate::file::place::Place;
use crate::format::bytes;

/// What a copy needs beside what its files have allocated, in bytes for each entry: an inode and its
/// place in a folder, as ext4 has them.
const ENTRY_BYTES: u64 = 4096;

/// What was found.
#[derive(Debug, Default)]
pub struct Survey {
    /// Entries, and bytes of content.
    pub extent: Extent,
    /// How many directories are below each other.
    pub depth: usize,
    /// Sockets: a copy has the name, and nobody listens there.
    pub sockets: u64,
    /// Bytes on the disk, a file with several names once.
    allocated: u64,
    /// Why the tree cannot be copied, if it cannot.
    uncopyable: Option<ToolError>,
    /// Where something is mounted.
    mounted: Option<String>,
    /// Names that were not found yet, and one that was, of files with several.
    linked: HashMap<(u64, u64), (u64, String)>,
}

impl Survey {
    /// Looks at all below the place.
    ///
    /// # Errors
    /// When something cannot be read, or when it is too deep.
    pub fn of(place: &Place) -> Result<Self, ToolError> {
        let mut survey = Self::default();
        survey.visit(place, 0)?;
        Ok(survey)
    }

    fn visit(&mut self, place: &Place, depth: usize) -> Result<(), ToolError> {
        let stat = place.existing()?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        self.extent.entries += 1;
        self.depth = self.depth.max(depth);
        if self.mounted.is_none() && place.is_mounted() {
            self.mounted = Some(place.shown());
        }
        match kind {
            FileType::Directory => {
                self.allocated += allocated(&stat);
                for child in place.children()? {
                    self.visit(&child, depth + 1)?;
                }
                return Ok(());
            }
            FileType::RegularFile => self.extent.bytes += u64::try_from(stat.st_size).unwrap_or(0),
            FileType::Socket => self.sockets += 1,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => {
                self.uncopyable
                    .get_or_insert_with(|| copy::uncopyable(place, kind));
            }
            FileType::Symlink | FileType::Fifo => {}
        }
        let all = names(&stat);
        let left = self.linked.entry((stat.st_dev, stat.st_ino));
        let left = left.or_insert_with(|| {
            self.allocated += allocated(&stat);
            (all, place.shown())
        });
        left.0 = left.0.saturating_sub(1);
        if left.0 == 0 {
            self.linked.remove(&(stat.st_dev, stat.st_ino));
        }
        Ok(())
    }

    /// Refuses to move what something is mounted in.
    ///
    /// # Errors
    /// `Precondition`, naming it.
    pub fn is_not_mounted(&self) -> Result<(), ToolError> {
        match &self.mounted {
            None => Ok(()),
            Some(path) => Err(ToolError::Precondition(format!(
                "{path} is a place where something is mounted; unmount it first"
            ))),
        }
    }

    /// Refuses a move to another file system that would lose something or not fit there.
    ///
    /// # Errors
    /// `Precondition`, with the reason.
    pub fn fits(&self, to: &Place) -> Result<(), ToolError> {
        if let Some(error) = &self.uncopyable {
            return Err(error.clone());
        }
        if let Some((left, path)) = self.linked.values().min_by_key(|(_, path)| path) {
            let more = if *left == 1 {
                "more name"
            } else {
                "more names"
            };
            return Err(ToolError::Precondition(format!(
                "{path} has {left} {more} elsewhere, from which a move to another file system would \
                 split it"
            )));
        }
        let system = rustix::fs::fstatvfs(&to.parent).map_err(|error| to.error(error))?;
        let free = system.f_bavail.saturating_mul(system.f_frsize);
        let needed = self.allocated + self.extent.entries * ENTRY_BYTES;
        if needed <= free {
            return Ok(());
        }
        Err(ToolError::Precondition(format!(
            "it takes {}, and the file system of {} has only {} free; nothing was changed",
            bytes(needed),
            to.shown(),
            bytes(free)
        )))
    }
}

/// stat(2): units of 512 bytes.
fn allocated(stat: &Stat) -> u64 {
    u64::try_from(stat.st_blocks).unwrap_or(0) * 512
}
