//! `/proc/self/mounts` with statvfs: the file systems and how full they are.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::StatVfs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{percent, read_bytes};
use aios_tool::error::ToolError;
use aios_tool::file::name;
use aios_tool::format::bytes;

/// A line of the table of mounts; fstab(5). Its texts are written as paths are ([`name`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Device, or a word for what has none.
    pub source: String,
    /// Where it is mounted.
    pub target: String,
    /// Type of the file system.
    pub kind: String,
}

/// Parses `/proc/self/mounts`, where space, tab, line feed and backslash are octal escapes.
pub fn parse(table: &[u8]) -> Vec<Mount> {
    let mount = |line: &[u8]| {
        let mut fields = line.split(|byte| *byte == b' ').map(unescape);
        Some(Mount {
            source: fields.next()?,
            target: fields.next()?,
            kind: fields.next()?,
        })
    };
    table
        .split(|byte| *byte == b'\n')
        .filter_map(mount)
        .collect()
}

fn unescape(field: &[u8]) -> String {
    let (mut bytes, mut rest) = (Vec::new(), field);
    while let Some((&first, after)) = rest.split_first() {
        let octal = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = octal.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped.filter(|_| first == b'\\') {
            Some(byte) => (bytes.push(byte), rest = &after[3..]),
            None => (bytes.push(first), rest = after),
        };
    }
    name::encode(OsStr::from_bytes(&bytes))
}

/// How full a file system is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Volume {
    /// Where it is mounted.
    pub path: String,
    /// Device, or a word for what has none.
    pub device: String,
    /// Type of the file system.
    pub file_system: String,
    /// Its size in bytes.
    pub total_bytes: u64,
    /// Used bytes.
    pub used_bytes: u64,
    /// What programs can still write, in bytes.
    pub available_bytes: u64,
    /// Used share of what programs can use, in percent, as df(1) shows it.
    pub used_percent: f64,
    /// Can nothing be written to it?
    pub read_only: bool,
}

impl Volume {
    fn new(mount: &Mount, stat: &StatVfs) -> Self {
        let used = stat
            .f_blocks
            .saturating_sub(stat.f_bfree)
            .saturating_mul(stat.f_frsize);
        let available = stat.f_bavail.saturating_mul(stat.f_frsize);
        Self {
            path: mount.target.clone(),
            device: mount.source.clone(),
            file_system: mount.kind.clone(),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            used_bytes: used,
            available_bytes: available,
            used_percent: percent(used, used.saturating_add(available)),
            read_only: stat.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY),
        }
    }

    /// In a clause: `/srv: 2.1 GB of 8.0 GB used (26 %), 5.9 GB free`.
    pub fn describe(&self) -> String {
        let Self {
            path,
            used_bytes,
            total_bytes,
            used_percent,
            available_bytes,
            ..
        } = self;
        let (used, total) = (bytes(*used_bytes), bytes(*total_bytes));
        match self.read_only {
            true => format!("{path}: {total}, read-only"),
            false => {
                let free = bytes(*available_bytes);
                format!("{path}: {used} of {total} used ({used_percent:.0} %), {free} free")
            }
        }
    }
}

/// Image formats: full by nature, of interest only as the root.
const IMAGES: [&str; 3] = ["erofs", "iso9660", "squashfs"];
/// In memory, or not storage at all though statvfs gives it a size.
const NOT_STORAGE: [&str; 5] = ["devtmpfs", "efivarfs", "hugetlbfs", "ramfs", "tmpfs"];

/// The file systems that hold data, each once, the one at `/` first.
///
/// # Errors
/// When the table of mounts cannot be read.
pub fn volumes() -> Result<Vec<Volume>, ToolError> {
    let mut seen = HashSet::new();
    let mut volumes = Vec::new();
    // What is mounted later hides what was mounted there before.
    for mount in parse(&read_bytes("/proc/self/mounts")?).iter().rev() {
        let is_root = mount.target == "/";
        let kind = mount.kind.as_str();
        if !is_root && (IMAGES.contains(&kind) || NOT_STORAGE.contains(&kind)) {
            continue;
        }
        let (Ok(stat), Ok(file)) = (
            rustix::fs::statvfs(name::decode(&mount.target)),
            rustix::fs::stat(name::decode(&mount.target)),
        ) else {
            continue; // hidden, or not for us
        };
        let is_directory = rustix::fs::FileType::from_raw_mode(file.st_mode).is_dir();
        if stat.f_blocks > 0 && is_directory {
            volumes.push((file.st_dev, Volume::new(mount, &stat)));
        }
    }
    volumes.sort_by_key(|(_, volume)| (volume.path.len(), volume.path.clone()));
    volumes.retain(|(device, _)| seen.insert(*device));
    Ok(volumes.into_iter().map(|(_, volume)| volume).collect())
}

/// The file system that holds a path.
///
/// # Errors
/// When the path cannot be looked at.
pub fn holding(path: &str) -> Result<Volume, ToolError> {
    let doing = format!("cannot look at {path}");
    let stat =
        rustix::fs::statvfs(name::decode(path)).map_err(|error| ToolError::io(&doing, error))?;
    let mounts = parse(&read_bytes("/proc/self/mounts").unwrap_or_default());
    let holds = |mount: &&Mount| std::path::Path::new(path).starts_with(&mount.target);
    let longest = mounts
        .iter()
        .filter(holds)
        .max_by_key(|mount| mount.target.len());
    let unknown = Mount {
        source: String::new(),
        target: path.to_owned(),
        kind: String::new(),
    };
    Ok(Volume::new(longest.unwrap_or(&unknown), &stat))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_mount_points_are_read() {
        let check = |field: &str, expected: &str| assert_eq!(unescape(field.as_bytes()), expected);
        check("/srv/a\\040b\\134c", "/srv/a b\\c");
        check("/srv/\\012proc", "/srv/\\x0aproc");
        check("/srv/\\134x41", "/srv/\\x5cx41");
        check("a\\", "a\\");
        check("a\\04", "a\\04");
        check("\\999", "\\999");
        let parsed = parse(b"/dev/sda1 /mnt/x\\040y ext4 rw 0 0\nbroken\n");
        let expected = Mount {
            source: "/dev/sda1".into(),
            target: "/mnt/x y".into(),
            kind: "ext4".into(),
        };
        assert_eq!(parsed, [expected]);
    }

    #[test]
    fn the_root_is_there_once_with_the_size_that_statvfs_tells() {
        let volumes = volumes().unwrap();
        assert_eq!(
            volumes.iter().filter(|volume| volume.path == "/").count(),
            1
        );
        let stat = nix::sys::statvfs::statvfs("/").unwrap();
        assert_eq!(volumes[0].path, "/");
        assert_eq!(
            volumes[0].total_bytes,
            stat.blocks() as u64 * stat.fragment_size() as u64
        );
    }

    #[test]
    fn a_path_belongs_to_the_innermost_mount() {
        assert_eq!(holding("/proc/self").unwrap().path, "/proc");
        assert_eq!(holding("/").unwrap().path, "/");
        assert!(matches!(
            holding("/no/such"),
            Err(ToolError::Precondition(_))
        ));
    }
}
