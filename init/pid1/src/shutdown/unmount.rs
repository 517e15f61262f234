//! Unmounts everything, innermost first, until nothing more gives way.

use std::io;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::mounts;
use aios_service::time::pause;

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

/// Says what is mounted; it stays where it is, or nobody would know what is left.
const PROC: &str = "/proc";

/// Unmounts what is at or below `root`; what is still writable in the end, or
/// that this is not known.
pub fn all(root: &Path) -> Vec<String> {
    unmount(root)
        .unwrap_or_else(|error| vec![format!("what is still mounted is unknown ({error})")])
}

fn unmount(root: &Path) -> io::Result<Vec<String>> {
    for _ in 0..ROUNDS {
        let left = below(root)?;
        let before = left.len();
        for (place, _) in &left {
            // Err: busy; its turn comes again.
            let _ = umount2(place.as_str(), MntFlags::UMOUNT_NOFOLLOW);
        }
        let after = below(root)?.len();
        if after == 0 {
            return Ok(Vec::new());
        }
        if after == before {
            pause(ROUND_MS);
        }
    }
    Ok(below(root)?
        .iter()
        .filter_map(|(place, kind)| make_read_only(place, kind))
        .collect())
}

fn below(root: &Path) -> io::Result<Vec<(String, String)>> {
    mounts::table().map(|table| in_order(table, root))
}

/// What is to be unmounted: innermost first; of the same depth, last mounted first.
fn in_order(mut found: Vec<(String, String)>, root: &Path) -> Vec<(String, String)> {
    found.retain(|(place, _)| place != PROC && Path::new(place).starts_with(root));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_goes_first_and_proc_stays() {
        let places = ["/", "/proc", "/data", "/run", "/run/x/y", "/run/x", "/data"];
        let check = |root: &str, expected: &[&str]| {
            let table = places.map(|place| (place.to_owned(), "ext4".to_owned()));
            let order = in_order(table.into(), Path::new(root));
            let order: Vec<&str> = order.iter().map(|(place, _)| place.as_str()).collect();
            assert_eq!(order, expected, "{root}");
        };
        check("/", &["/run/x/y", "/run/x", "/data", "/run", "/data", "/"]);
        check("/run", &["/run/x/y", "/run/x", "/run"]);
        check("/old", &[]);
    }
}
