//! Where a thing is now that is no longer where an act left it.

use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FileType, Statx, StatxFlags};

use crate::error::ToolError;
use crate::file::install::TEMPORARY;
use crate::file::name;
use crate::file::place::Place;

/// At most so many entries are looked at, so that a search below `/` ends.
const ENTRIES_MAX: usize = 20_000;
/// And for at most so long: the operator waits for the undo.
const TIME_MAX: Duration = Duration::from_secs(2);

/// What tells one thing from every other, also from a later one with its inode: inode and time of
/// birth. `None` when nothing is there, or when its file system does not say.
pub(super) fn identity(path: &str) -> Option<String> {
    identity_of(&Place::open_if_any(path).ok()??)
}

fn identity_of(place: &Place) -> Option<String> {
    let wanted = StatxFlags::INO | StatxFlags::BTIME;
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
    let stat = rustix::fs::statx(&place.parent, &place.name, flags, wanted).ok()?;
    let Statx {
        stx_ino, stx_btime, ..
    } = stat;
    let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(wanted);
    known.then(|| format!("{stx_ino} {}.{:09}", stx_btime.tv_sec, stx_btime.tv_nsec))
}

/// Looks for a thing below the nearest folder that is still above its path, in one file system.
pub(super) fn find(path: &str, identity: &str) -> Option<String> {
    let gone = name::decode(path);
    let nearest = gone.ancestors().skip(1).find(|above| above.is_dir())?;
    let start = Place::open(&name::encode(nearest)).ok()?;
    let mut search = Search {
        identity,
        device: start.existing().ok()?.st_dev,
        left: ENTRIES_MAX,
        until: Instant::now() + TIME_MAX,
    };
    search.below(&start)
}

/// That a thing is not where it was, and where it is.
pub(super) fn refusal(path: &str, now: &str) -> ToolError {
    ToolError::Precondition(format!(
        "{path} was moved since: it is at {now} now; move it back, and undo then"
    ))
}

struct Search<'a> {
    identity: &'a str,
    device: u64,
    left: usize,
    until: Instant,
}

impl Search<'_> {
    fn below(&mut self, folder: &Place) -> Option<String> {
        let children = folder.children().ok()?;
        children.iter().find_map(|child| self.visit(child))
    }

    fn visit(&mut self, place: &Place) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        if Instant::now() > self.until || place.name.to_string_lossy().starts_with(TEMPORARY) {
            return None;
        }
        if identity_of(place).as_deref() == Some(self.identity) {
            return Some(place.shown());
        }
        let stat = place.stat().ok()??;
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        (folder && stat.st_dev == self.device)
            .then(|| self.below(place))
            .flatten()
    }
}
