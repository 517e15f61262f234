//! Moving to a place where nothing is yet: by renaming, or whole by copying.

use std::sync::Arc;

use rustix::fs::{FileType, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use super::copy::{Keep, copy};
use super::{Survey, remove};
use crate::error::ToolError;
use crate::file::install::{Replace, into_place, temporary_name};
use crate::file::must_be_free;
use crate::file::place::Place;

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
pub(super) fn across(from: &Place, to: &Place, execution: &str) -> Result<(), ToolError> {
    must_be_free(to)?;
    let survey = Survey::of(from)?;
    survey.is_not_mounted()?;
    survey.fits(to)?;
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
                aside.shown()
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
    ToolError::Unverified(format!("it is at {} now, but: {error}", to.shown()))
}

/// Is all that is at the source at the target too? Changes nothing.
pub(super) fn compare(from: &Place, to: &Place) -> Result<(), ToolError> {
    let stat = from.existing()?;
    let copied = to.stat()?;
    if !copied.is_some_and(|copied| same(&stat, &copied)) {
        return Err(ToolError::Precondition(format!(
            "{} differs from its copy {}; nothing is removed",
            from.shown(),
            to.shown()
        )));
    }
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let folder = to.open_with(OFlags::PATH | OFlags::DIRECTORY, Mode::empty())?;
        let folder = Arc::new(folder);
        for child in from.children()? {
            compare(&child, &to.counterpart(&folder, &child))?;
        }
    }
    Ok(())
}

/// The same kind and, for files, size and time of change (which a copy keeps).
fn same(a: &Stat, b: &Stat) -> bool {
    let kind = |stat: &Stat| FileType::from_raw_mode(stat.st_mode);
    let time = |stat: &Stat| (stat.st_mtime, stat.st_mtime_nsec);
    kind(a) == kind(b)
        && (kind(a) != FileType::RegularFile || (a.st_size, time(a)) == (b.st_size, time(b)))
}
