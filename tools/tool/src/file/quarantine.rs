//! Where deleted files lie until they are brought back: on their own file system, so that deleting
//! takes no space and no time.
//!
//! 1. Where the state of aiOS is on the same mount, the quarantine is there (`quarantine/`).
//! 2. Elsewhere it is the folder [`NAME`] in the root of the mount. It belongs to root with mode 0700;
//!    a folder of this name that does not is left alone, and nothing is put into it.
//! 3. What lies on a file system that is lost at a reboot, or that takes no such folder, is copied to
//!    the state, so that undo outlives the reboot.
//!
//! No tool shows this folder, reads it or changes it (see [`super::path`]).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Gid, Mode, OFlags, StatxFlags, Uid};
use rustix::io::Errno;

use super::name;
use super::path::{self, Last};
use super::place::{Place, open_folder};
use crate::context::Context;
use crate::error::ToolError;

/// The name of the folder in the root of a mount.
pub const NAME: &str = ".aios-quarantine";

/// File systems in memory (statfs(2), `f_type`): tmpfs and ramfs.
const VOLATILE: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// Where what is at the place is kept under the name of the execution, when it is deleted. Makes the
/// folder where there is none yet.
///
/// # Errors
/// When the state's quarantine cannot be opened.
pub fn prepare(place: &Place, context: &Context) -> Result<Place, ToolError> {
    if let Some(folder) = of_mount(place, context)
        && !is_ours(&folder, context)
    {
        // A file system that takes no folder is no reason not to delete: its files are copied.
        make(&folder, context).ok();
    }
    find(place, context)
}

/// The same place, when the folder was prepared before.
///
/// # Errors
/// When the state's quarantine cannot be opened.
pub fn find(place: &Place, context: &Context) -> Result<Place, ToolError> {
    let folder = of_mount(place, context).filter(|folder| is_ours(folder, context));
    let folder = folder.unwrap_or_else(|| of_state(context));
    let kept = folder.join(context.execution());
    Place::open(&path::resolve(&name::encode(kept), Last::Keep)?)
}

/// Where deleted files lie that count among what is below a place: in the root of its mount, which no
/// walk shows (when the place is that root), and in the state.
///
/// # Errors
/// When one of them cannot be opened.
pub fn below(
    place: &Place,
    context: &Context,
) -> Result<(Option<Place>, Option<Place>), ToolError> {
    let open = |folder: &Path| Place::open(&path::resolve(&name::encode(folder), Last::Keep)?);
    let hidden = place.path.join(NAME);
    let hidden = place.is_mounted().then(|| open(&hidden)).transpose()?;
    let state = of_state(context);
    let state = state
        .starts_with(&place.path)
        .then(|| open(&state))
        .transpose()?;
    Ok((hidden, state))
}

/// The folder that an act may have to reach, to delete what is at a resolved path: in the root of its
/// mount.
pub(crate) fn reach(path: &Path) -> Option<PathBuf> {
    root_of_mount(path.parent()?).map(|root| root.join(NAME))
}

fn of_state(context: &Context) -> PathBuf {
    context.state_dir().join("quarantine")
}

/// The folder for the place in the root of its mount; `None` when it goes to the state.
fn of_mount(place: &Place, context: &Context) -> Option<PathBuf> {
    let folder = place.path.parent()?;
    let volatile = rustix::fs::fstatfs(&place.parent)
        .map_or(true, |system| VOLATILE.contains(&kind(system.f_type)));
    if volatile || mount_of(folder) == mount_of(&of_state(context).canonicalize().ok()?) {
        return None;
    }
    root_of_mount(folder).map(|root| root.join(NAME))
}

#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)] // its type differs by architecture
fn kind(magic: rustix::fs::FsWord) -> u64 {
    magic as u64
}

/// The id of the mount that a folder is on; `None` before Linux 5.8.
pub(super) fn mount(folder: &OwnedFd) -> Option<u64> {
    let stat = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).ok()?;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(StatxFlags::MNT_ID);
    known.then_some(stat.stx_mnt_id)
}

fn mount_of(folder: &Path) -> Option<u64> {
    mount(&open_folder(folder).ok()?)
}

/// The highest folder on the same mount.
fn root_of_mount(folder: &Path) -> Option<PathBuf> {
    let own = mount_of(folder)?;
    let on_it = |above: &&Path| mount_of(above) == Some(own);
    folder
        .ancestors()
        .take_while(on_it)
        .last()
        .map(Path::to_owned)
}

/// Does it belong to root alone, as it was made?
fn is_ours(folder: &Path, context: &Context) -> bool {
    let stat = open_folder(folder).and_then(|held| {
        rustix::fs::fstat(&held).map_err(|error| ToolError::io(folder.display(), error))
    });
    let (uid, gid) = context.owner();
    let same_mount = mount_of(folder) == folder.parent().and_then(mount_of);
    stat.is_ok_and(|stat| {
        same_mount && (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777) == (uid, gid, 0o700)
    })
}

/// Makes the folder under a temporary name, so that it is never seen with another owner.
fn make(folder: &Path, context: &Context) -> Result<(), Errno> {
    let root = folder.parent().ok_or(Errno::INVAL)?;
    let root = open_folder(root).map_err(|_| Errno::NOENT)?;
    let temporary = format!("{NAME}-{}", context.execution());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::mkdirat(&root, &temporary, Mode::RWXU)?;
    let (uid, gid) = context.owner();
    let made = rustix::fs::openat(&root, &temporary, flags, Mode::empty())
        .and_then(|made| {
            rustix::fs::fchown(&made, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
            rustix::fs::fchmod(&made, Mode::RWXU)
        })
        .and_then(|()| {
            let none = rustix::fs::RenameFlags::NOREPLACE;
            rustix::fs::renameat_with(&root, &temporary, &root, NAME, none)
        });
    if made.is_err() {
        // Whoever made the folder at the same time was first.
        rustix::fs::unlinkat(&root, &temporary, AtFlags::REMOVEDIR)?;
    }
    made
}
