//! Copying, moving and removing what is at a place, with everything below it.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::install::{Replace, into_place, temporary_name};
use super::meta::Meta;
use super::place::Place;
use crate::error::ToolError;

/// Folders deeper than this are refused: every level costs a descriptor and a stack frame.
const DEPTH_MAX: usize = 256;

/// What a copy takes over beside content and structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Everything: owner, mode, times, attributes. For moving.
    All,
    /// The permission bits, without setuid and setgid; the copy belongs to this owner and group.
    Permissions((u32, u32)),
}

/// How much was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

/// Copies to a place where nothing is yet: prepared under a temporary name, then renamed.
///
/// # Errors
/// What the kernel says; then nothing is at the new place.
pub fn copy(from: &Place, to: &Place, keep: Keep, execution: &str) -> Result<Extent, ToolError> {
    let temporary = to.sibling(&temporary_name(execution));
    remove(&temporary)?;
    let copied = copy_entry(from, &temporary, keep, DEPTH_MAX)
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

fn copy_entry(from: &Place, to: &Place, keep: Keep, depth: usize) -> Result<Extent, ToolError> {
    let object = from.hold()?;
    let (stat, mut meta) = Meta::read(from, &object)?;
    let depth = depth.checked_sub(1).ok_or_else(|| {
        ToolError::Precondition(format!("{}: nested too deep", from.path.display()))
    })?;
    if let Keep::Permissions(owner) = keep {
        meta = Meta::new(meta.mode & 0o1777, owner);
    }
    let mut extent = Extent {
        entries: 1,
        bytes: 0,
    };
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => extent.bytes = copy_content(from, to)?,
        FileType::Directory => {
            rustix::fs::mkdirat(&to.parent, &to.name, Mode::RWXU).map_err(|e| to.error(e))?;
            let folder = to.open_with(OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            let folder = std::sync::Arc::new(folder);
            for child in from.children()? {
                let target = Place {
                    path: to.path.join(&child.name),
                    parent: std::sync::Arc::clone(&folder),
                    name: child.name.clone(),
                };
                let below = copy_entry(&child, &target, keep, depth)?;
                extent.entries += below.entries;
                extent.bytes += below.bytes;
            }
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&from.parent, &from.name, Vec::new())
                .map_err(|e| from.error(e))?;
            rustix::fs::symlinkat(&target, &to.parent, &to.name).map_err(|e| to.error(e))?;
        }
        FileType::Fifo => {
            rustix::fs::mknodat(&to.parent, &to.name, FileType::Fifo, Mode::RUSR, 0)
                .map_err(|e| to.error(e))?;
        }
        kind => {
            return Err(ToolError::Precondition(format!(
                "{} is a {}, which cannot be copied",
                from.path.display(),
                super::kind_name(kind)
            )));
        }
    }
    meta.apply(to)?;
    Ok(extent)
}

fn copy_content(from: &Place, to: &Place) -> Result<u64, ToolError> {
    let mut source = from.open_content()?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut target = File::from(to.open_with(flags, Mode::RUSR | Mode::WUSR)?);
    io::copy(&mut source, &mut target).map_err(|error| ToolError::io(to.path.display(), error))
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

/// Moves to a place where nothing is yet, across file systems too. `resumed`: a former try may
/// have copied everything already and died while it removed the source.
///
/// # Errors
/// What the kernel says; then the source is still whole.
pub fn relocate(from: &Place, to: &Place, execution: &str, resumed: bool) -> Result<(), ToolError> {
    if resumed && to.stat()?.is_some() {
        return remove_copied(from, to);
    }
    let renamed = rustix::fs::renameat_with(
        &from.parent,
        &from.name,
        &to.parent,
        &to.name,
        RenameFlags::NOREPLACE,
    );
    match renamed {
        Ok(()) => {
            to.sync_parent()?;
            from.sync_parent()
        }
        Err(Errno::XDEV) => {
            copy(from, to, Keep::All, execution)?;
            remove_copied(from, to)
        }
        Err(Errno::NOENT) => Err(from.error(Errno::NOENT)),
        Err(error) => Err(to.error(error)),
    }
}

/// Removes from the source what is the same at the target, and refuses at the first difference.
fn remove_copied(from: &Place, to: &Place) -> Result<(), ToolError> {
    let Some(stat) = from.stat()? else {
        return Ok(());
    };
    let copied = to.existing()?;
    if !same(&stat, &copied) {
        return Err(ToolError::Precondition(format!(
            "{} differs from its copy {}; it is left there",
            from.path.display(),
            to.path.display()
        )));
    }
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let copies = to.children()?;
        for child in from.children()? {
            let copy = copies.iter().find(|copy| copy.name == child.name);
            remove_copied(&child, copy.ok_or_else(|| child.error(Errno::NOENT))?)?;
        }
    }
    remove(from)?;
    from.sync_parent()
}

/// The same kind and, for files, size and time of change (which a copy keeps).
fn same(a: &Stat, b: &Stat) -> bool {
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    let time = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
    kind(a) == kind(b)
        && (kind(a) != FileType::RegularFile || (a.st_size, time(a)) == (b.st_size, time(b)))
}
