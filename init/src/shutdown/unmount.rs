//! Unmounts everything, innermost first, until nothing more gives way.

use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::pid1::{mounts, pause};

/// How often what was busy is tried again, and how long between.
const ROUNDS: u32 = 20;
const ROUND_MS: u64 = 50;

/// Have nothing on a disk.
const IN_MEMORY: [&str; 12] = [
    "proc",
    "sysfs",
    "devtmpfs",
    "devpts",
    "tmpfs",
    "ramfs",
    "cgroup",
    "cgroup2",
    "mqueue",
    "securityfs",
    "tracefs",
    "rootfs",
];
/// Cannot be written by their nature.
const READ_ONLY: [&str; 3] = ["squashfs", "erofs", "iso9660"];

/// Unmounts what is at or below `root`; what is still writable in the end.
pub fn all(root: &Path) -> Vec<String> {
    for _ in 0..ROUNDS {
        let left = below(root);
        let before = left.len();
        for (place, _) in &left {
            // Err: busy; its turn comes again.
            let _ = umount2(place.as_str(), MntFlags::UMOUNT_NOFOLLOW);
        }
        let after = below(root).len();
        if after == 0 {
            return Vec::new();
        }
        if after == before {
            pause(ROUND_MS);
        }
    }
    below(root)
        .iter()
        .filter_map(|(place, kind)| make_read_only(place, kind))
        .collect()
}

/// Innermost first; of the same depth, last mounted first.
fn below(root: &Path) -> Vec<(String, String)> {
    let mut found = mounts::table();
    found.retain(|(place, _)| Path::new(place).starts_with(root));
    found.reverse();
    found.sort_by_key(|(place, _)| std::cmp::Reverse(Path::new(place).components().count()));
    found
}

/// What to say of a file system that can neither be unmounted nor made read-only.
fn make_read_only(place: &str, kind: &str) -> Option<String> {
    if IN_MEMORY.contains(&kind) || READ_ONLY.contains(&kind) {
        return None;
    }
    let none: Option<&str> = None;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    match mount(none, place, none, flags, none) {
        Ok(()) => None,
        Err(error) => Some(format!("{place} is still writable ({error})")),
    }
}
