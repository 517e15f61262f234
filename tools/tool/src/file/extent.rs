//! How much is at a place, with everything below it.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Stat};

use super::place::Place;
use super::tree::{Extent, Survey};
use crate::error::ToolError;

/// Entries and bytes of content.
///
/// # Errors
/// When something cannot be read.
pub fn of(place: &Place) -> Result<Extent, ToolError> {
    Survey::of(place).map(|survey| survey.extent)
}

/// Counts bytes on the disk as du(1) does: blocks allocated, a file with several names once,
/// other file systems not at all.
pub struct Counter {
    device: u64,
    seen: HashSet<(u64, u64)>,
    until: Instant,
    partial: bool,
}

impl Counter {
    /// For the file system of this device; stops counting after the limit.
    pub fn new(device: u64, limit: Duration) -> Self {
        Self {
            device,
            seen: HashSet::new(),
            until: Instant::now() + limit,
            partial: false,
        }
    }

    /// Something could not be read, or the time was over.
    pub fn partial(&self) -> bool {
        self.partial
    }

    /// Of the entry alone.
    pub fn own(&mut self, place: &Place) -> u64 {
        match place.stat() {
            Ok(Some(stat)) => self.allocated(&stat),
            _ => 0,
        }
    }

    /// Of the entry and everything below it.
    pub fn below(&mut self, place: &Place) -> u64 {
        let stat = match place.stat() {
            Ok(Some(stat)) => stat,
            _ => return 0,
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
            return self.allocated(&stat); // under overlayfs, files have other devices than folders
        }
        if stat.st_dev != self.device {
            return 0;
        }
        let own = self.allocated(&stat);
        if Instant::now() > self.until {
            self.partial = true;
            return own;
        }
        match place.children() {
            Ok(children) => own + children.iter().map(|child| self.below(child)).sum::<u64>(),
            Err(_) => {
                self.partial = true;
                own
            }
        }
    }

    fn allocated(&mut self, stat: &Stat) -> u64 {
        let again = stat.st_nlink > 1
            && FileType::from_raw_mode(stat.st_mode) != FileType::Directory
            && !self.seen.insert((stat.st_dev, stat.st_ino));
        match again {
            true => 0,
            false => u64::try_from(stat.st_blocks).unwrap_or(0) * 512, // stat(2): units of 512 bytes
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_devices_are_not_descended_into_but_files_count() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let place = |name: &str| Place::open(root.join(name).to_str().unwrap()).unwrap();
        std::fs::create_dir(root.join("folder")).unwrap();
        std::fs::write(root.join("folder/file"), [1; 10_000]).unwrap();
        let device = place("folder").existing().unwrap().st_dev;
        let below = |device, name| Counter::new(device, Duration::from_secs(9)).below(&place(name));
        assert!(below(device, "folder") >= 10_000);
        assert!(below(device + 1, "folder/file") >= 10_000);
        assert_eq!(below(device + 1, "folder"), 0);
    }
}
