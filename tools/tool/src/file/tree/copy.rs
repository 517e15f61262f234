//! Copying a tree, with its hard links and holes.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat};

use super::{Extent, remove};
use crate::error::ToolError;
use crate::file::install::{Replace, into_place, temporary_name};
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::{kind_name, names, sparse};

/// What a copy takes over beside content and structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything: owner, mode, times, attributes. For moving.
    All,
    /// The permission bits, without setuid and setgid; the copy belongs to this owner and group.
    Permissions((u32, u32)),
}

/// Copies to a place where nothing is yet: prepared under a temporary name, then renamed.
///
/// # Errors
/// What the kernel says; then nothing is at the new place.
pub fn copy(from: &Place, to: &Place, keep: Keep, execution: &str) -> Result<Extent, ToolError> {
    let temporary = to.sibling(&temporary_name(execution));
    remove(&temporary)?;
    let mut copier = Copier {
        keep,
        root: &temporary,
        linked: HashMap::new(),
    };
    let copied = copier
        .copy(from, &temporary)
        .and_then(|extent| sync(&temporary).map(|()| extent))
        .and_then(|extent| into_place(&temporary, to, Replace::No).map(|()| extent));
    if copied.is_err() {
        remove(&temporary)?;
    }
    copied
}

/// Makes all of the file system durable that the place is on.
fn sync(place: &Place) -> Result<(), ToolError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(&place.parent, ".", flags, Mode::empty())
        .and_then(|folder| rustix::fs::syncfs(&folder))
        .map_err(|error| place.error(error))
}

/// One copy under way.
struct Copier<'a> {
    keep: Keep,
    /// Where the whole copy is prepared.
    root: &'a Place,
    /// Files with several names that are copied, by device and inode, and where their copies are
    /// below the folder of `root`.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl Copier<'_> {
    fn copy(&mut self, from: &Place, to: &Place) -> Result<Extent, ToolError> {
        let object = from.hold()?;
        let (stat, mut meta) = Meta::read(from, &object)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        let mut extent = Extent {
            entries: 1,
            bytes: 0,
        };
        if kind != FileType::Directory && names(&stat) > 1 && self.link(from, &stat, to)? {
            if kind == FileType::RegularFile {
                extent.bytes = u64::try_from(stat.st_size).unwrap_or(0);
            }
            return Ok(extent);
        }
        if let Keep::Permissions(owner) = self.keep {
            meta = Meta::new(meta.mode & 0o1777, owner);
        }
        match kind {
            FileType::RegularFile => extent.bytes = content(from, to)?,
            FileType::Directory => extent = self.folder(from, to)?,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&from.parent, &from.name, Vec::new())
                    .map_err(|error| from.error(error))?;
                rustix::fs::symlinkat(&target, &to.parent, &to.name)
                    .map_err(|error| to.error(error))?;
            }
            FileType::Fifo => node(to, kind)?,
            // The name comes back, and whoever listened there does not: only for a move.
            FileType::Socket if self.keep == Keep::All => node(to, kind)?,
            kind => return Err(uncopyable(from, kind)),
        }
        meta.apply(to)?;
        Ok(extent)
    }

    fn folder(&mut self, from: &Place, to: &Place) -> Result<Extent, ToolError> {
        let mut extent = Extent {
            entries: 1,
            bytes: 0,
        };
        // Read first: of a tree that is too deep no copy is begun that would be too deep to remove.
        let children = from.children()?;
        rustix::fs::mkdirat(&to.parent, &to.name, Mode::RWXU).map_err(|error| to.error(error))?;
        let folder = to.open_with(OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let folder = Arc::new(folder);
        for child in children {
            let copied = self.copy(&child, &to.counterpart(&folder, &child))?;
            extent.entries += copied.entries;
            extent.bytes += copied.bytes;
        }
        Ok(extent)
    }

    /// Makes another name of a file that is copied already. The answer is `false` for the first
    /// name, which is noted.
    fn link(&mut self, from: &Place, stat: &Stat, to: &Place) -> Result<bool, ToolError> {
        let base = self.root.path.parent().unwrap_or(Path::new("/"));
        let below = to.path.strip_prefix(base).unwrap_or(&to.path);
        let first = match self.linked.entry((stat.st_dev, stat.st_ino)) {
            Entry::Vacant(entry) => {
                entry.insert(below.to_owned());
                return Ok(false);
            }
            Entry::Occupied(entry) => entry.into_mut(),
        };
        let (Some(folder), Some(name)) = (first.parent(), first.file_name()) else {
            return Err(ToolError::Failed(format!(
                "{}: no first name",
                from.shown()
            )));
        };
        // The copy is under root's own 0700 folder until it is whole: nobody changes what is in it.
        rustix::fs::openat2(
            &self.root.parent,
            if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            },
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
        )
        .and_then(|folder| {
            rustix::fs::linkat(&folder, name, &to.parent, &to.name, AtFlags::empty())
        })
        .map_err(|error| to.error(error))?;
        Ok(true)
    }
}

/// That this kind of file cannot be copied.
pub(super) fn uncopyable(place: &Place, kind: FileType) -> ToolError {
    ToolError::Precondition(format!(
        "{} is a {}, which cannot be copied",
        place.shown(),
        kind_name(kind)
    ))
}

fn node(to: &Place, kind: FileType) -> Result<(), ToolError> {
    rustix::fs::mknodat(&to.parent, &to.name, kind, Mode::RUSR, 0).map_err(|error| to.error(error))
}

fn content(from: &Place, to: &Place) -> Result<u64, ToolError> {
    let mut source = from.open_content()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut target = File::from(to.open_with(flags, Mode::RUSR | Mode::WUSR)?);
    sparse::copy(&mut source, &mut target).map_err(|error| ToolError::io(to.shown(), error))
}
