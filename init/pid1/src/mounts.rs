//! The file systems that every Linux userspace expects.

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};

/// One of them.
struct Mount {
    target: &'static str,
    kind: &'static str,
    flags: MsFlags,
    options: &'static str,
}

const NOSUID_NODEV: MsFlags = MsFlags::MS_NOSUID.union(MsFlags::MS_NODEV);
const LOCKED: MsFlags = NOSUID_NODEV.union(MsFlags::MS_NOEXEC);

/// In this order.
const TABLE: [Mount; 9] = [
    Mount {
        target: "/proc",
        kind: "proc",
        flags: LOCKED,
        options: "",
    },
    Mount {
        target: "/sys",
        kind: "sysfs",
        flags: LOCKED,
        options: "",
    },
    Mount {
        target: "/dev",
        kind: "devtmpfs",
        flags: MsFlags::MS_NOSUID,
        options: "mode=0755",
    },
    Mount {
        target: "/dev/pts",
        kind: "devpts",
        flags: MsFlags::MS_NOSUID.union(MsFlags::MS_NOEXEC),
        options: "mode=0620,gid=5,ptmxmode=0666",
    },
    Mount {
        target: "/dev/shm",
        kind: "tmpfs",
        flags: NOSUID_NODEV,
        options: "mode=1777",
    },
    Mount {
        target: "/run",
        kind: "tmpfs",
        flags: NOSUID_NODEV,
        options: "mode=0755,size=20%",
    },
    Mount {
        target: "/tmp",
        kind: "tmpfs",
        flags: NOSUID_NODEV,
        options: "mode=1777,size=20%",
    },
    Mount {
        target: "/sys/fs/cgroup",
        kind: "cgroup2",
        flags: LOCKED,
        options: "",
    },
    // What a crash left.
    Mount {
        target: "/sys/fs/pstore",
        kind: "pstore",
        flags: LOCKED,
        options: "",
    },
];

/// Mounts what is not mounted yet. Each failure is returned, none is fatal.
/// In a container only `/run` and `/tmp` are ours to add.
pub fn mount_all(container: bool) -> Vec<String> {
    let mut failures = Vec::new();
    for entry in &TABLE {
        let ours = matches!(entry.target, "/run" | "/tmp" | "/proc");
        if (container && !ours) || is_mount_point(Path::new(entry.target)) {
            continue;
        }
        // Err: it exists, or the parent is read-only, which mount reports better.
        let _ = std::fs::create_dir(entry.target);
        let (kind, options) = (Some(entry.kind), Some(entry.options));
        match mount(Some(entry.kind), entry.target, kind, entry.flags, options) {
            Ok(()) | Err(nix::errno::Errno::EBUSY) => {}
            Err(error) => failures.push(format!("cannot mount {}: {error}", entry.target)),
        }
    }
    failures
}

/// Is something mounted exactly here? By device numbers, which also works
/// before `/proc` is there (a bind mount of the same file system is not seen).
pub fn is_mount_point(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Some(parent) = path.parent() else {
        return true;
    };
    match (std::fs::symlink_metadata(path), std::fs::metadata(parent)) {
        (Ok(own), Ok(parent)) => own.dev() != parent.dev(),
        _ => false,
    }
}

/// The mount points of this namespace in the order in which they were mounted,
/// with their file system types.
///
/// # Errors
/// When the kernel does not say; without `/proc` above all. That is not the same
/// as nothing being mounted.
pub fn table() -> io::Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string("/proc/self/mountinfo")?;
    Ok(text.lines().filter_map(parse_line).collect())
}

/// A line of `proc_pid_mountinfo(5)`: field 5 is the place, the first after `-` the type.
fn parse_line(line: &str) -> Option<(String, String)> {
    let (mount, file_system) = line.split_once(" - ")?;
    let place = mount.split(' ').nth(4)?;
    let kind = file_system.split(' ').next()?;
    Some((unescape(place), kind.to_owned()))
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    let escapes = [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ];
    escapes.iter().fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_with_its_escapes_undone() {
        let line = "36 35 98:0 /mnt1 /a\\040b rw,noatime master:1 - ext3 /dev/root rw";
        assert_eq!(
            parse_line(line),
            Some(("/a b".to_owned(), "ext3".to_owned()))
        );
        assert_eq!(parse_line("nonsense"), None);
    }

    #[test]
    fn proc_is_a_mount_point_and_etc_is_not() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/etc/ssl")));
        assert!(is_mount_point(Path::new("/")));
    }
}
