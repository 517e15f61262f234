//! Puts a file into its place at once: readers, and whoever looks after a power cut, see all of
//! the old or all of the new.

use std::fs::File;
use std::io;

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::meta::Meta;
use super::place::Place;
use crate::error::ToolError;

/// May something be there already?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replace {
    /// Yes; it is replaced.
    Yes,
    /// No; then it is an error.
    No,
}

/// How names of what is being prepared begin.
pub const TEMPORARY: &str = ".aios-tmp-";

/// The name under which an execution prepares a file in its folder.
pub fn temporary_name(execution: &str) -> String {
    format!("{TEMPORARY}{execution}")
}

/// Writes a file under a temporary name, gives it its metadata, makes it durable and renames it.
///
/// # Errors
/// What the kernel says; then the place is as it was.
pub fn install(
    place: &Place,
    execution: &str,
    meta: &Meta,
    replace: Replace,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> Result<(), ToolError> {
    let temporary = place.sibling(&temporary_name(execution));
    clear(&temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let opened = temporary.open_with(flags, Mode::RUSR | Mode::WUSR);
    let mut file = File::from(opened.map_err(|error| named(error, &temporary, place))?);
    let filled = fill(&mut file)
        .map_err(|error| ToolError::io(place.shown(), error))
        .and_then(|()| meta.apply(&temporary))
        .and_then(|()| {
            file.sync_all()
                .map_err(|error| ToolError::io(place.shown(), error))
        })
        .and_then(|()| into_place(&temporary, place, replace));
    if filled.is_err() {
        clear(&temporary)?;
    }
    filled
}

/// Renames what was prepared, and makes that durable.
///
/// # Errors
/// What the kernel says.
pub fn into_place(temporary: &Place, place: &Place, replace: Replace) -> Result<(), ToolError> {
    let flags = match replace {
        Replace::Yes => RenameFlags::empty(),
        Replace::No => RenameFlags::NOREPLACE,
    };
    rustix::fs::renameat_with(
        &temporary.parent,
        &temporary.name,
        &place.parent,
        &place.name,
        flags,
    )
    .map_err(|error| place.error(error))?;
    place.sync_parent()
}

/// Removes a left-over of a former try.
fn clear(temporary: &Place) -> Result<(), ToolError> {
    match rustix::fs::unlinkat(&temporary.parent, &temporary.name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(temporary.error(error)),
    }
}

/// The operator knows the place, not the temporary name.
fn named(error: ToolError, temporary: &Place, place: &Place) -> ToolError {
    let text = error
        .to_string()
        .replace(&temporary.shown(), &place.shown());
    match error {
        ToolError::Precondition(_) => ToolError::Precondition(text),
        _ => ToolError::Failed(text),
    }
}
