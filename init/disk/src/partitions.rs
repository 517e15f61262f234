//! Partitions by what the kernel's sysfs says of them: by their label, and by their unique GUID. The
//! kernel knows the GUID but does not say it in sysfs, so it is read from the partition table.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::gpt;
use crate::layout::{SECTOR, SECTOR_LENGTH};

/// What a line of `uevent` begins with that says a partition's label.
const LABEL: &str = "PARTNAME=";

/// Devices of device-mapper that lie on each other at most; ours are one or two.
const STACK_MAX: usize = 8;

/// The device of the partition with this name, by what the kernel says of it.
pub fn by_label(block_devices: &Path, label: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(block_devices).ok()?.flatten() {
        let Ok(text) = fs::read_to_string(entry.path().join("uevent")) else {
            continue;
        };
        if value(&text, LABEL) == Some(label) {
            return value(&text, "DEVNAME=").map(|name| Path::new("/dev").join(name));
        }
    }
    None
}

/// The folder of sysfs of the disk or partition that a device of device-mapper stands on, whatever
/// other such devices lie between (verity, and on a CD-ROM a piece of it).
///
/// # Errors
/// The device stands on several, or the kernel does not show it.
pub fn beneath(block_devices: &Path, device: &str) -> Result<PathBuf, String> {
    let mut folder = block_devices.join(device);
    for _ in 0..STACK_MAX {
        match names(&folder.join("slaves")).as_slice() {
            [] => break,
            [below] => folder = folder.join("slaves").join(below),
            several => {
                let count = several.len();
                return Err(format!(
                    "/dev/{device} stands on {count} devices, not on one"
                ));
            }
        }
    }
    let found = folder.canonicalize();
    found.map_err(|error| format!("{}: {error}", folder.display()))
}

/// The names in a folder, in their order; none where there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// The label of the partition that has this folder of sysfs; empty without one.
///
/// # Errors
/// There is no such folder, or it is no device's.
pub fn label(folder: &Path) -> io::Result<String> {
    let text = fs::read_to_string(folder.join("uevent"))?;
    Ok(value(&text, LABEL).unwrap_or_default().to_owned())
}

fn value<'a>(uevent: &'a str, key: &str) -> Option<&'a str> {
    uevent.lines().find_map(|line| line.strip_prefix(key))
}

/// The device of the partition with this GUID, of all that the kernel has found.
pub fn by_guid(block_devices: &Path, devices: &Path, uuid: &str) -> Option<PathBuf> {
    // In their order: of two disks with the same image it is always the same one.
    names(block_devices).into_iter().find_map(|name| {
        let own = block_devices.join(&name).canonicalize().ok()?;
        let number: u32 = number(&own.join("partition"))?;
        let disk = own.parent()?;
        let block = self::number(&disk.join("queue/logical_block_size"));
        let table = File::open(devices.join(disk.file_name()?)).ok()?;
        let found = guid(&table, block.map_or(SECTOR, u64::from), number)?;
        found
            .eq_ignore_ascii_case(uuid)
            .then(|| devices.join(&name))
    })
}

fn number(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The GUID of partition `number` (from 1), as text.
fn guid(disk: &File, block: u64, number: u32) -> Option<String> {
    let mut header = [0; SECTOR_LENGTH];
    disk.read_exact_at(&mut header, block).ok()?;
    let at = gpt::place_of_guid(&header, block, number)?;
    let mut guid = [0; 16];
    disk.read_exact_at(&mut guid, at).ok()?;
    Some(gpt::guid_text(guid))
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "01234567-89ab-cdef-0123-456789abcdef";

    /// A disk with one used entry, the second, and a `/sys` that shows it as sda2.
    fn machine(folder: &Path, block: usize) -> (PathBuf, PathBuf) {
        let mut disk = vec![0; 40 * block];
        disk[block..block + 8].copy_from_slice(b"EFI PART");
        disk[block + 72] = 2;
        disk[block + 80] = 128;
        disk[block + 84] = 128;
        let at = 2 * block + 128 + 16;
        disk[at..at + 16].copy_from_slice(&[
            0x67, 0x45, 0x23, 0x01, 0xab, 0x89, 0xef, 0xcd, 1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd,
            0xef,
        ]);
        let (blocks, devices) = (folder.join("class/block"), folder.join("dev"));
        let own = folder.join("devices/sda");
        for (name, number) in [("sda1", 1), ("sda2", 2)] {
            fs::create_dir_all(own.join(name)).unwrap();
            fs::write(own.join(name).join("partition"), format!("{number}\n")).unwrap();
        }
        fs::create_dir_all(own.join("queue")).unwrap();
        fs::write(own.join("queue/logical_block_size"), format!("{block}\n")).unwrap();
        fs::create_dir_all(&blocks).unwrap();
        fs::create_dir_all(&devices).unwrap();
        for name in ["sda1", "sda2"] {
            std::os::unix::fs::symlink(own.join(name), blocks.join(name)).unwrap();
        }
        fs::write(devices.join("sda"), disk).unwrap();
        (blocks, devices)
    }

    #[test]
    fn a_partition_is_found_by_its_own_label_only() {
        let folder = tempfile::tempdir().unwrap();
        for (name, label) in [("vda1", "AIOS-DATA-2"), ("vda2", "AIOS-DATA")] {
            let device = folder.path().join(name);
            std::fs::create_dir(&device).unwrap();
            let text = format!("MAJOR=254\nDEVNAME={name}\nDEVTYPE=partition\nPARTNAME={label}\n");
            std::fs::write(device.join("uevent"), text).unwrap();
        }
        assert_eq!(
            by_label(folder.path(), "AIOS-DATA"),
            Some(PathBuf::from("/dev/vda2"))
        );
        assert_eq!(by_label(folder.path(), "AIOS"), None);
    }

    #[test]
    fn what_a_device_stands_on_is_found_through_others() {
        let folder = tempfile::tempdir().unwrap();
        let (blocks, disk) = (folder.path().join("block"), folder.path().join("sda"));
        fs::create_dir_all(disk.join("sda2")).unwrap();
        let stack = |upper: &str, lower: &Path| {
            let slaves = blocks.join(upper).join("slaves");
            fs::create_dir_all(&slaves).unwrap();
            let name = lower.file_name().unwrap();
            std::os::unix::fs::symlink(lower, slaves.join(name)).unwrap();
        };
        stack("dm-1", &disk.join("sda2"));
        stack("dm-0", &blocks.join("dm-1"));
        let own = disk.join("sda2").canonicalize().unwrap();
        assert_eq!(beneath(&blocks, "dm-0"), Ok(own));
        assert!(beneath(&blocks, "dm-7").is_err());
        stack("dm-1", &disk);
        let said = beneath(&blocks, "dm-0").unwrap_err();
        assert_eq!(said, "/dev/dm-0 stands on 2 devices, not on one");
        // A circle ends, too.
        stack("dm-8", &blocks.join("dm-8"));
        assert!(beneath(&blocks, "dm-8").is_ok());
    }

    #[test]
    fn a_partition_is_found_by_its_guid_whatever_the_sector_and_the_case() {
        for block in [512, 4096] {
            let folder = tempfile::tempdir().unwrap();
            let (blocks, devices) = machine(folder.path(), block);
            let find = |uuid: &str| super::by_guid(&blocks, &devices, uuid);
            assert_eq!(find(UUID), Some(devices.join("sda2")));
            assert_eq!(find(&UUID.to_uppercase()), Some(devices.join("sda2")));
            assert_eq!(find("01234567-89ab-cdef-0123-456789abcdee"), None);
            assert_eq!(find(""), None);
        }
    }

    #[test]
    fn a_table_that_lies_is_no_table() {
        let folder = tempfile::tempdir().unwrap();
        let (blocks, devices) = machine(folder.path(), 512);
        let disk = devices.join("sda");
        let whole = fs::read(&disk).unwrap();
        type Change = dyn Fn(&mut Vec<u8>);
        let changes: [&Change; 4] = [
            &|disk| disk[512] = b'X',
            &|disk| disk[512 + 72..512 + 80].fill(0xff),
            &|disk| disk[512 + 84..512 + 88].fill(0xff),
            &|disk| disk.truncate(600),
        ];
        for (case, change) in changes.iter().enumerate() {
            let mut damaged = whole.clone();
            change(&mut damaged);
            fs::write(&disk, damaged).unwrap();
            assert_eq!(super::by_guid(&blocks, &devices, UUID), None, "{case}");
        }
    }
}
