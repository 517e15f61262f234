//! Copying, moving and removing what is at a place, with everything below it.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::fingerprint;
use super::install::{Replace, into_place, temporary_name};
use super::meta::Meta;
use super::place::Place;
use crate::error::ToolError;

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
    let copied = copy_entry(from, &temporary, keep)
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

fn copy_entry(from: &Place, to: &Place, keep: Keep) -> Result<Extent, ToolError> {
    let object = from.hold()?;
    let (stat, mut meta) = Meta::read(from, &object)?;
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
            // Read first: of a tree that is too deep no copy is begun that would be too deep to remove.
            let children = from.children()?;
            rustix::fs::mkdirat(&to.parent, &to.name, Mode::RWXU).map_err(|e| to.error(e))?;
            let folder = to.open_with(OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
            let folder = std::sync::Arc::new(folder);
            for child in children {
                let copied = copy_entry(&child, &to.counterpart(&folder, &child), keep)?;
                extent.entries += copied.entries;
                extent.bytes += copied.bytes;
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

/// Where a move between file systems keeps its source out of sight until the copy is whole.
pub fn aside(from: &Place, execution: &str) -> Place {
    from.sibling(&temporary_name(execution))
}

/// Moves to a place where nothing is yet, across file systems too. `resumed`: a former try under
/// the same name may have died anywhere in it.
///
/// # Errors
/// `Unverified` when it is at the new place and something is left to be done; otherwise what the
/// kernel says, and then the source is still whole.
pub fn relocate(from: &Place, to: &Place, execution: &str, resumed: bool) -> Result<(), ToolError> {
    if resumed {
        let aside = aside(from, execution);
        match (aside.stat()?.is_some(), to.stat()?.is_some()) {
            (true, true) => return remove_copied(&aside, to),
            (true, false) => return finish_across(&aside, from, to, execution),
            (false, true) => return remove_copied(from, to),
            (false, false) => {}
        }
    }
    let renamed = rustix::fs::renameat_with(
        &from.parent,
        &from.name,
        &to.parent,
        &to.name,
        RenameFlags::NOREPLACE,
    );
    match renamed {
        Ok(()) => to
            .sync_parent()
            .and_then(|()| from.sync_parent())
            .map_err(|error| unfinished(to, &error)),
        Err(Errno::XDEV) => across(from, to, execution),
        Err(Errno::NOENT) => Err(from.error(Errno::NOENT)),
        Err(error) => Err(to.error(error)),
    }
}

/// Moves between file systems. The source goes out of sight at once, so that nobody changes it by
/// its path, and comes back when it cannot be copied.
fn across(from: &Place, to: &Place, execution: &str) -> Result<(), ToolError> {
    super::must_be_free(to)?;
    let aside = aside(from, execution);
    let hidden = rustix::fs::renameat_with(
        &from.parent,
        &from.name,
        &aside.parent,
        &aside.name,
        RenameFlags::NOREPLACE,
    );
    match hidden {
        Ok(()) => finish_across(&aside, from, to, execution),
        // overlayfs renames no folder that is in its lower layer
        Err(Errno::XDEV) => copy_and_remove(from, to, execution),
        Err(error) => Err(from.error(error)),
    }
}

fn finish_across(
    aside: &Place,
    from: &Place,
    to: &Place,
    execution: &str,
) -> Result<(), ToolError> {
    match copy_and_remove(aside, to, execution) {
        Ok(()) => Ok(()),
        Err(error @ ToolError::Unverified(_)) => Err(error),
        Err(error) => match into_place(aside, from, Replace::No) {
            Ok(()) => Err(error),
            Err(kept) => Err(ToolError::Failed(format!(
                "{error}; it is kept as {}, because it cannot be put back: {kept}",
                aside.path.display()
            ))),
        },
    }
}

/// When this fails but for `Unverified`, the source is whole and nothing is at the new place.
fn copy_and_remove(from: &Place, to: &Place, execution: &str) -> Result<(), ToolError> {
    copy(from, to, Keep::All, execution)?;
    if let Err(changed) = compare(from, to) {
        remove(to)?;
        return Err(changed);
    }
    remove(from)
        .and_then(|()| from.sync_parent())
        .map_err(|error| unfinished(to, &error))
}

/// Removes a source, or what a former try left of it, when all of it is at the target.
fn remove_copied(from: &Place, to: &Place) -> Result<(), ToolError> {
    if from.stat()?.is_some() {
        compare(from, to)?;
    }
    remove(from)
        .and_then(|()| from.sync_parent())
        .and_then(|()| to.sync_parent())
        .map_err(|error| unfinished(to, &error))
}

fn unfinished(to: &Place, error: &ToolError) -> ToolError {
    ToolError::Unverified(format!("it is at {} now, but: {error}", to.path.display()))
}

/// Is all that is at the source at the target too? Changes nothing.
fn compare(from: &Place, to: &Place) -> Result<(), ToolError> {
    let stat = from.existing()?;
    let copied = to.stat()?;
    if !copied.is_some_and(|copied| same(&stat, &copied)) {
        return Err(ToolError::Precondition(format!(
            "{} differs from its copy {}; nothing is removed",
            from.path.display(),
            to.path.display()
        )));
    }
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let folder = to.open_with(OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let folder = std::sync::Arc::new(folder);
        for child in from.children()? {
            compare(&child, &to.counterpart(&folder, &child))?;
        }
    }
    Ok(())
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

/// The same kind and, for files, size and time of change (which a copy keeps).
fn same(a: &Stat, b: &Stat) -> bool {
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    let time = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
    kind(a) == kind(b)
        && (kind(a) != FileType::RegularFile || (a.st_size, time(a)) == (b.st_size, time(b)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // helpers of tests
mod tests {
    use super::*;
    use crate::file::extent;
    use crate::file::place::DEPTH_MAX;
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    fn place(path: &Path) -> Place {
        let parent = path.parent().unwrap().canonicalize().unwrap();
        let path = parent.join(path.file_name().unwrap());
        Place::open(path.to_str().unwrap()).unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn fill(folder: &Path) {
        std::fs::create_dir_all(folder.join("c")).unwrap();
        for name in ["a", "b", "c/d"] {
            std::fs::write(folder.join(name), name).unwrap();
        }
    }

    /// Moves as [`relocate`] does from another file system: really, where there are two.
    fn check_between(one: &Path, other: &Path, start: fn(&Place, &Place) -> Result<(), ToolError>) {
        let (from, to) = (one.join("x"), other.join("y"));
        fill(&from);
        start(&place(&from), &place(&to)).unwrap();
        assert_eq!(names(one), [""; 0]);
        assert_eq!(names(&to), ["a", "b", "c"]);

        // Out of sight and not copied; then copied and half removed.
        let hidden = one.join(temporary_name("e"));
        std::fs::remove_dir_all(&to).unwrap();
        fill(&hidden);
        relocate(&place(&from), &place(&to), "e", true).unwrap();
        assert_eq!(names(one), [""; 0]);
        assert_eq!(names(&to), ["a", "b", "c"]);
        copy(&place(&to), &place(&hidden), Keep::All, "f").unwrap();
        std::fs::remove_file(hidden.join("a")).unwrap();
        relocate(&place(&from), &place(&to), "e", true).unwrap();
        assert_eq!(names(one), [""; 0]);
        assert_eq!(names(&to), ["a", "b", "c"]);
        std::fs::remove_dir_all(&to).unwrap();

        // What cannot be copied stays.
        fill(&from);
        let socket = std::os::unix::net::UnixListener::bind(from.join("z")).unwrap();
        let error = start(&place(&from), &place(&to)).unwrap_err();
        assert!(error.to_string().contains("cannot be copied"), "{error}");
        assert_eq!(names(one), ["x"]);
        assert_eq!(names(&from), ["a", "b", "c", "z"]);
        assert_eq!(names(other), [""; 0]);
        drop(socket);
        std::fs::remove_file(from.join("z")).unwrap();

        // So does what meets something at its new place.
        std::fs::write(&to, "somebody's").unwrap();
        assert!(start(&place(&from), &place(&to)).is_err());
        assert!(relocate(&place(&from), &place(&to), "e", true).is_err());
        assert_eq!(names(&from), ["a", "b", "c"]);
        std::fs::remove_dir_all(&from).unwrap();
        std::fs::remove_file(&to).unwrap();
    }

    #[test]
    fn a_move_between_file_systems_is_whole_or_not_at_all() {
        let one = tempfile::tempdir().unwrap();
        let other = tempfile::tempdir().unwrap();
        check_between(one.path(), other.path(), |from, to| across(from, to, "e"));
        let Ok(memory) = tempfile::tempdir_in("/dev/shm") else {
            return;
        };
        let device = |path: &Path| path.metadata().unwrap().dev();
        if device(memory.path()) != device(other.path()) {
            let start = |from: &Place, to: &Place| relocate(from, to, "e", false);
            check_between(memory.path(), other.path(), start);
            check_between(other.path(), memory.path(), start);
        }
    }

    /// A tree of so many directories, each in the one before.
    fn nest(folder: &Path, levels: usize) {
        std::fs::create_dir(folder).unwrap();
        let mut at = rustix::fs::open(folder, OFlags::PATH, Mode::empty()).unwrap();
        for _ in 0..levels {
            rustix::fs::mkdirat(&at, "d", Mode::RWXU).unwrap();
            at = rustix::fs::openat(&at, "d", OFlags::PATH, Mode::empty()).unwrap();
        }
    }

    #[test]
    fn every_walk_ends_at_the_same_depth() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let within = DEPTH_MAX - 1;
        nest(&path("shallow"), within);
        assert_eq!(
            extent::of(&place(&path("shallow"))).unwrap().entries,
            DEPTH_MAX as u64
        );
        nest(&path("deep"), within + 2);
        nest(&path("same"), within + 2);
        let (deep, same) = (place(&path("deep")), place(&path("same")));
        let walks = [
            ("remove", remove(&deep)),
            ("compare", compare(&deep, &same)),
            ("same content", has_same_content(&deep, &same).map(drop)),
            (
                "copy",
                copy(&deep, &place(&path("x")), Keep::All, "e").map(drop),
            ),
            ("extent", extent::of(&deep).map(drop)),
            ("fingerprint", fingerprint::of(&deep).map(drop)),
        ];
        for (name, walked) in walks {
            let refused =
                matches!(&walked, Err(ToolError::Precondition(text)) if text.contains("deep"));
            assert!(refused, "{name}: {walked:?}");
        }
        assert_eq!(names(folder.path()), ["deep", "same", "shallow"]);
        let device = deep.existing().unwrap().st_dev;
        let mut counter = extent::Counter::new(device, std::time::Duration::from_secs(9));
        counter.below(&deep);
        assert!(counter.partial(), "usage");
        for name in ["deep", "same"] {
            // Two levels less, so that the walk that removes them ends in time.
            std::fs::rename(path(name).join("d/d"), path("rest")).unwrap();
            remove(&place(&path("rest"))).unwrap();
        }
    }

    #[test]
    fn nothing_is_removed_when_anything_differs_from_its_copy() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("x"), folder.path().join("y"));
        fill(&from);
        copy(&place(&from), &place(&to), Keep::All, "e").unwrap();
        std::fs::write(from.join("c/d"), "changed").unwrap();
        let error = relocate(&place(&from), &place(&to), "e", true).unwrap_err();
        assert!(error.to_string().contains("c/d differs"), "{error}");
        assert_eq!(names(&from), ["a", "b", "c"]);
    }
}
