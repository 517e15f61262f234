//! Unpacking into a folder that nobody else can enter.

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::fs::{lchown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::header::{self, damaged};
use super::plan::{Limited, Make, Plan};
use aios_tool::context::Context;
use aios_tool::file::name;

/// The mode of folders that are needed and are no members themselves.
const FOLDER: u32 = 0o755;

/// Unpacks an archive of this size on the disk. All checks of [`Plan::of`] are made again: the archive
/// may have been written to since.
///
/// # Errors
/// As [`Plan::of`]; what the kernel says. A part may be unpacked then.
pub fn unpack(archive: impl Read, size: u64, into: &Path, context: &Context) -> io::Result<Plan> {
    let mut plan = Plan::default();
    let mut folders: BTreeMap<PathBuf, (u32, SystemTime)> = BTreeMap::new();
    let limited = Limited::of(archive, size, context);
    header::members(limited, |described, content| {
        let modified = time(described.modified);
        let Some((path, make, mode)) = plan.add(described)? else {
            return Ok(());
        };
        let at = into.join(&path);
        let made = match make {
            Make::Folder => {
                folders.insert(path.clone(), (mode, modified));
                folder(&at)
            }
            Make::File(size) => {
                above(&at).and_then(|()| file(&at, content, size, mode, modified, context))
            }
            Make::Link(target) => above(&at).and_then(|()| {
                use std::os::unix::ffi::OsStrExt as _;
                symlink(std::ffi::OsStr::from_bytes(&target), &at)?;
                owned(&at, context)
            }),
            Make::HardLink(target) => {
                above(&at).and_then(|()| std::fs::hard_link(into.join(target), &at))
            }
        };
        made.map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", name::encode(path)))
        })
    })?;
    // From the innermost on: what is made in a folder changes its time.
    for path in plan.folders().rev() {
        let at = into.join(path);
        let given = folders.get(path);
        let mode = given.map_or(FOLDER, |(mode, _)| *mode);
        owned(&at, context)?;
        std::fs::set_permissions(&at, Permissions::from_mode(mode))?;
        if let Some((_, modified)) = given {
            File::open(&at)?.set_modified(*modified)?;
        }
    }
    Ok(plan)
}

fn above(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), folder)
}

fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn file(
    path: &Path,
    content: &mut dyn Read,
    size: u64,
    mode: u32,
    modified: SystemTime,
    context: &Context,
) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    if io::copy(&mut content.take(size), &mut file)? != size {
        return Err(damaged("the archive is cut off".to_owned()));
    }
    owned(path, context)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.set_modified(modified)
}

fn owned(path: &Path, context: &Context) -> io::Result<()> {
    let (uid, gid) = context.owner();
    lchown(path, Some(uid), Some(gid))
}

/// A time before 1970 is taken for 1970.
fn time(seconds: i64) -> SystemTime {
    let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
