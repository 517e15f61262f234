//! How full a file system is, and from when on that keeps agents from changing anything.

use std::io;
use std::path::Path;

/// From this share on, in percent, agents change nothing by themselves.
pub const AGENTS_PERCENT: u8 = 90;

/// From this share on, in percent, operators' goals change nothing either. What makes room is still
/// done. Above it lies what stop, record and configuration need.
pub const GOALS_PERCENT: u8 = 97;

/// The space of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What is in use.
    pub used: u64,
    /// What is left for everybody; a part that is kept for root is not counted.
    pub available: u64,
}

impl Space {
    /// The space of the file system of this path.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = rustix::fs::statvfs(path)?;
        Ok(Self {
            used: found.f_frsize * found.f_blocks.saturating_sub(found.f_bfree),
            available: found.f_frsize * found.f_bavail,
        })
    }

    /// How full it is, in percent, as df(1) says it: rounded up.
    pub fn percent(self) -> u8 {
        let all = u128::from(self.used) + u128::from(self.available);
        let percent = (u128::from(self.used) * 100).div_ceil(all.max(1));
        u8::try_from(percent).unwrap_or(100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_rounded_up() {
        let check = |used, available, expected| {
            assert_eq!(
                Space { used, available }.percent(),
                expected,
                "{used} {available}"
            );
        };
        check(0, 0, 0);
        check(0, 1, 0);
        check(1, 1_000_000, 1);
        check(899, 101, 90);
        check(900, 99, 91);
        check(u64::MAX, 0, 100);
        check(u64::MAX, u64::MAX, 50);
        assert!(Space::of(Path::new("/")).unwrap().percent() <= 100);
        assert!(Space::of(Path::new("/no/such")).is_err());
    }
}
