//! What is on a disk, as far as its first bytes tell: for the person who is about to erase it.
//!
//! Everything here is read from disks that may hold anything. Nothing is mounted, and what is
//! not recognised is called that.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aios_disk::layout::{self, SECTOR};
use aios_update::environment::{Environment, LENGTH};
use aios_update::within::Within;
use ext4_view::Ext4;

use super::disks::{Disk, plain};
use super::plan::BLOCK_AT;

/// A partition, as shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u64,
    /// Its first sector.
    pub first: u64,
    /// Its sectors.
    pub sectors: u64,
    /// Its name in the table; MBR tables have none.
    pub name: String,
    /// Its file system, with its label.
    pub holds: String,
}

/// So much of a partition is looked at.
const HEAD: usize = 68 * 1024;

/// What a disk holds that has no partitions, and, where it can be told, which system it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Its partitions, with their file systems.
    pub parts: Vec<Part>,
    /// Without partitions: what is there instead.
    pub whole: String,
    /// `aiOS 0.1.0, node web-1`.
    pub system: Option<String>,
}

/// Looks at a disk. What cannot be read is said, not an error.
pub fn look(device: &Path, disk: &Disk) -> Contents {
    let mut contents = Contents {
        parts: disk.parts.clone(),
        ..Contents::default()
    };
    let Ok(file) = File::open(device) else {
        contents.whole = "cannot be read".to_owned();
        return contents;
    };
    for part in &mut contents.parts {
        part.holds = head(&file, part.first * SECTOR)
            .map_or_else(|_| "cannot be read".to_owned(), |head| file_system(&head));
    }
    if contents.parts.is_empty() {
        contents.whole =
            head(&file, 0).map_or_else(|_| "cannot be read".to_owned(), |head| file_system(&head));
    }
    contents.system = system(file, &contents.parts);
    contents
}

fn head(file: &File, at: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    let mut length = 0;
    while length < HEAD {
        match file.read_at(&mut bytes[length..], at + length as u64)? {
            0 => break,
            count => length += count,
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// The file system that begins with these bytes.
fn file_system(head: &[u8]) -> String {
    let is = |at: usize, magic: &[u8]| head.get(at..at + magic.len()) == Some(magic);
    let label = |kind: &str, at: usize, length: usize| {
        let label = head.get(at..at + length).unwrap_or_default();
        let label = label.split(|byte| *byte == 0).next().unwrap_or_default();
        let label = plain(&String::from_utf8_lossy(label));
        match label.is_empty() {
            true => kind.to_owned(),
            false => format!("{kind} \"{label}\""),
        }
    };
    if is(1080, &[0x53, 0xef]) {
        let extents = head.get(1120).is_some_and(|features| features & 0x40 != 0);
        label(if extents { "ext4" } else { "ext2/3" }, 1144, 16)
    } else if is(82, b"FAT32") {
        label("FAT", 71, 11)
    } else if is(54, b"FAT1") {
        label("FAT", 43, 11)
    } else if is(3, b"NTFS    ") {
        "NTFS".to_owned()
    } else if is(3, b"EXFAT   ") {
        "exFAT".to_owned()
    } else if is(0, b"XFSB") {
        label("XFS", 108, 12)
    } else if is(65_600, b"_BHRfS_M") {
        label("btrfs", 65_835, 256)
    } else if is(0, b"LUKS\xba\xbe") {
        "encrypted (LUKS)".to_owned()
    } else if is(512, b"LABELONE") {
        "part of an LVM volume group".to_owned()
    } else if is(4096, &[0xfc, 0x4e, 0x2b, 0xa9]) {
        "part of a RAID".to_owned()
    } else if is(0, b"hsqs") {
        "squashfs".to_owned()
    } else if is(32_769, b"CD001") {
        label("ISO 9660", 32_808, 32)
    } else if is(4086, b"SWAPSPACE2") {
        "swap".to_owned()
    } else if is(512, b"EFI PART") {
        "an empty partition table".to_owned()
    } else if head.iter().all(|byte| *byte == 0) {
        "empty".to_owned()
    } else {
        "not recognised".to_owned()
    }
}

/// Which aiOS it is, if it is one.
fn system(file: File, parts: &[Part]) -> Option<String> {
    let part = |name: &str| parts.iter().find(|part| part.name == name);
    let (environment, data) = (part(layout::ENVIRONMENT)?, part(layout::DATA)?.clone());
    part(layout::ROOT_A)?;
    let mut block = [0; LENGTH];
    let at = environment.first * SECTOR + BLOCK_AT as u64;
    file.read_exact_at(&mut block, at).ok()?;
    let version = Environment::decode(&block).ok().map(|block| {
        let get = |name: &str| plain(block.get(name).unwrap_or_default());
        let first = get("first");
        (
            get(&format!("version_{first}")),
            get(&format!("release_{first}")),
        )
    });
    // On its own thread: a bug in a reader of file systems ends that, and no more.
    let name = std::thread::spawn(move || node(file, &data)).join();
    let mut said = "aiOS".to_owned();
    if let Some((version, release)) = version {
        let add = |before: &str, value: String| match value.is_empty() {
            true => String::new(),
            false => format!("{before}{value}"),
        };
        said += &add(" ", version);
        said += &add(", release ", release);
    }
    if let Ok(Some(name)) = name {
        said += &format!(", node {name}");
    }
    Some(said)
}

/// The name of the node whose data this is.
fn node(file: File, data: &Part) -> Option<String> {
    let text = read_file(
        file,
        data.first * SECTOR,
        data.sectors * SECTOR,
        "/overlay/upper/etc/hostname",
    );
    let text = plain(&text?);
    (!text.is_empty()).then_some(text)
}

/// More than any file that is looked for.
const FILE_MAX: u64 = 64 * 1024;

/// A small file of an ext file system on a disk; nothing is mounted.
pub fn read_file(file: File, at: u64, length: u64, path: &str) -> Option<String> {
    let system = Ext4::load(Box::new(Within { file, at, length })).ok()?;
    if system.metadata(path).ok()?.len() > FILE_MAX {
        return None;
    }
    String::from_utf8(system.read(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::process::Command;

    #[test]
    fn file_systems_are_known_by_their_first_bytes() {
        let check = |places: &[(usize, &[u8])], expected: &str| {
            let mut head = vec![0; HEAD];
            head[HEAD - 1] = 1;
            for (at, bytes) in places {
                head[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            assert_eq!(file_system(&head), expected);
        };
        let ext: (usize, &[u8]) = (1080, &[0x53, 0xef]);
        check(&[ext, (1144, b"data\0")], "ext2/3 \"data\"");
        check(&[ext, (1120, &[0x40])], "ext4");
        check(
            &[(82, b"FAT32   "), (71, b"AIOS-ESP   ")],
            "FAT \"AIOS-ESP\"",
        );
        check(&[(0, b"XFSB"), (108, b"\x1b[2Jbad")], "XFS \"[2Jbad\"");
        check(&[(0, b"LUKS\xba\xbe")], "encrypted (LUKS)");
        check(&[(512, b"LABELONE")], "part of an LVM volume group");
        check(&[(4086, b"SWAPSPACE2")], "swap");
        check(
            &[(32_769, b"CD001"), (32_808, b"DEBIAN ")],
            "ISO 9660 \"DEBIAN\"",
        );
        check(&[], "not recognised");
        assert_eq!(file_system(&[0; 4096]), "empty");
        assert_eq!(file_system(&[]), "empty");
    }

    /// A file with an ext4 at an offset in it, which holds one file.
    fn ext4(path: &str, content: &str) -> tempfile::NamedTempFile {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        std::fs::write(inside, content).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(9 << 20).unwrap();
        let made = Command::new("/sbin/mke2fs")
            .args(["-q", "-F", "-t", "ext4", "-E", "offset=1048576", "-d"])
            .arg(folder.path())
            .arg(file.path())
            .arg("8192k")
            .status()
            .unwrap();
        assert!(made.success());
        file
    }

    #[test]
    fn a_file_is_read_without_mounting_anything() {
        let disk = ext4("/overlay/upper/etc/hostname", "web-1\u{1b}[2J\n");
        let data = Part {
            first: 2048,
            sectors: 8 * 2048,
            ..Part::default()
        };
        let open = || disk.reopen().unwrap();
        assert_eq!(node(open(), &data).as_deref(), Some("web-1 [2J"));
        assert_eq!(read_file(open(), 1 << 20, 8 << 20, "/nothing"), None);
        assert_eq!(
            read_file(open(), 0, 8 << 20, "/overlay/upper/etc/hostname"),
            None
        );
        let big = ext4("/install.toml", &"x".repeat(70_000));
        assert_eq!(
            read_file(big.reopen().unwrap(), 1 << 20, 8 << 20, "/install.toml"),
            None
        );
    }

    #[test]
    fn a_disk_that_cannot_be_read_says_so() {
        let contents = look(Path::new("/nowhere"), &Disk::default());
        assert_eq!(contents.whole, "cannot be read");
    }

    proptest! {
        #[test]
        fn garbage_is_some_text_and_never_a_crash(mut head in proptest::collection::vec(any::<u8>(), 0..5000)) {
            prop_assert!(file_system(&head).is_ascii());
            if head.len() > 1100 {
                head[1080..1082].copy_from_slice(&[0x53, 0xef]);
                prop_assert!(file_system(&head).starts_with("ext"));
                let file = tempfile::NamedTempFile::new().unwrap();
                std::fs::write(file.path(), &head).unwrap();
                prop_assert_eq!(read_file(file.reopen().unwrap(), 0, 5000, "/x"), None);
            }
        }
    }
}
