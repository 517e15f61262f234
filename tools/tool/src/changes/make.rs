//! Making planned changes.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};
use sha2::{Digest as _, Sha256};

use super::{DATABASE, Planned, is_within};
use crate::error::ToolError;
use crate::file::install::temporary_name;
use crate::file::meta::Meta;
use crate::file::place::Place;
use crate::file::state::{State, hex};
use crate::file::{name, tree};

/// Makes the changes, the package database last. Each appears at once under its name; all are
/// durable when this returns. What is as planned already is passed over, so that a try that died can
/// be repeated under the same name.
///
/// # Errors
/// The first change that could not be made, and why; those before it are made.
pub fn make(planned: &[Planned], execution: &str) -> Result<(), ToolError> {
    let of_database = |one: &&Planned| is_within(&one.path, DATABASE);
    let (last, first): (Vec<&Planned>, Vec<&Planned>) = planned.iter().partition(of_database);
    for part in [first, last] {
        let is_gone = |one: &&&Planned| one.after == State::Absent;
        for one in part.iter().filter(|one| !is_gone(one)) {
            put(one, execution)?;
        }
        for one in part.iter().rev().filter(is_gone) {
            remove(&one.path)?;
        }
        sync(part.iter().map(|one| one.path.as_str()))?;
    }
    Ok(())
}

/// Makes everything durable that was changed on the file systems of these paths.
///
/// # Errors
/// What the kernel says.
pub(crate) fn sync<'a>(paths: impl Iterator<Item = &'a str>) -> Result<(), ToolError> {
    let mut synced = BTreeSet::new();
    for path in paths {
        let path = name::decode(path);
        let above = path.ancestors().skip(1);
        let there =
            |folder: &Path| Some((folder.to_owned(), folder.symlink_metadata().ok()?.dev()));
        let Some((folder, device)) = above.into_iter().find_map(there) else {
            continue;
        };
        if !synced.insert(device) {
            continue;
        }
        match File::open(&folder) {
            Ok(folder) => rustix::fs::syncfs(folder.as_fd())
                .map_err(|error| ToolError::io("syncing the disk", error))?,
            // An act that may change a file but not read its folder has no other way.
            Err(_) => rustix::fs::sync(),
        }
    }
    Ok(())
}

/// Makes one change.
///
/// # Errors
/// What the kernel says.
pub(crate) fn put(one: &Planned, execution: &str) -> Result<(), ToolError> {
    let place = Place::open(&one.path)?;
    let now = State::of(&place)?;
    if now.is_as(&one.after) {
        return Ok(());
    }
    match &one.after {
        State::Absent => Ok(()),
        State::Folder { meta } => folder(&place, &now, meta),
        State::Link { meta, target } => link(&place, &now, meta, target, execution),
        State::File { meta, sha256, .. } => {
            let content = one.content.as_deref().ok_or_else(|| {
                ToolError::Failed(format!("{}: its content is nowhere", one.path))
            })?;
            file(&place, &now, (meta, sha256), content, execution)
        }
    }
}

/// Makes a folder, or gives it what it is to have beside its content.
fn folder(place: &Place, now: &State, meta: &Meta) -> Result<(), ToolError> {
    if !matches!(now, State::Folder { .. }) {
        if *now != State::Absent {
            unlink(place, AtFlags::empty())?;
        }
        rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU)
            .map_err(|error| place.error(error))?;
    }
    meta.apply(place)
}

/// Puts a symbolic link in its place.
fn link(
    place: &Place,
    now: &State,
    meta: &Meta,
    target: &str,
    execution: &str,
) -> Result<(), ToolError> {
    let temporary = place.sibling(&temporary_name(execution));
    tree::remove(&temporary)?;
    rustix::fs::symlinkat(name::decode(target), &temporary.parent, &temporary.name)
        .map_err(|error| place.error(error))?;
    meta.apply(&temporary)?;
    over(&temporary, place, now)
}

/// Puts a file in its place, with the content that was planned.
///
/// # Errors
/// When the content is not the one that was planned.
fn file(
    place: &Place,
    now: &State,
    (meta, sha256): (&Meta, &str),
    content: &Path,
    execution: &str,
) -> Result<(), ToolError> {
    let temporary = place.sibling(&temporary_name(execution));
    tree::remove(&temporary)?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
    let mut target = File::from(temporary.open_with(flags, Mode::RUSR | Mode::WUSR)?);
    let copied = copy(content, &mut target)
        .map_err(|error| ToolError::io(format!("copying to {}", place.shown()), error))
        .and_then(|digest| match digest == sha256 {
            true => meta.apply(&temporary),
            false => Err(ToolError::Precondition(format!(
                "{} is not what was planned for {}",
                content.display(),
                place.shown()
            ))),
        })
        .and_then(|()| over(&temporary, place, now));
    if copied.is_err() {
        tree::remove(&temporary)?;
    }
    copied
}

/// Copies, and answers the digest of what was copied.
fn copy(from: &Path, to: &mut File) -> io::Result<String> {
    let mut source = File::open(from)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok(hex(&digest.finalize()));
        }
        digest.update(&buffer[..read]);
        to.write_all(&buffer[..read])?;
    }
}

/// Renames what was prepared over what is there.
fn over(temporary: &Place, place: &Place, now: &State) -> Result<(), ToolError> {
    if matches!(now, State::Folder { .. }) {
        unlink(place, AtFlags::REMOVEDIR)?;
    }
    rustix::fs::renameat(
        &temporary.parent,
        &temporary.name,
        &place.parent,
        &place.name,
    )
    .map_err(|error| place.error(error))
}

/// Takes away what is at a path. A folder that is not empty stays.
pub(crate) fn remove(path: &str) -> Result<(), ToolError> {
    let Some(place) = Place::open_if_any(path)? else {
        return Ok(());
    };
    match State::of(&place)? {
        State::Absent => Ok(()),
        State::Folder { .. } => unlink(&place, AtFlags::REMOVEDIR),
        _ => unlink(&place, AtFlags::empty()),
    }
}

fn unlink(place: &Place, flags: AtFlags) -> Result<(), ToolError> {
    rustix::fs::unlinkat(&place.parent, &place.name, flags).map_err(|error| place.error(error))
}
