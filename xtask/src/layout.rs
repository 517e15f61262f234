//! The disk's partitions: what each is for, its number, name, identity and size.
//!
//! The embedded GRUB configuration (`image/grub/disk.cfg`) counts on the numbers, the
//! appliance on the names. Physically the data partition is the last, so that it can
//! grow; `AIOS-CONFIG`, when there is one, lies before it and has the number after it.

use aios_disk::layout::{BIOS, BOOT_A, BOOT_B, ENVIRONMENT, ESP, ROOT_A, ROOT_B};
pub use aios_disk::layout::{CONFIG, DATA, MIB};

/// Where the first partition starts, and room for the second table at the end (MiB).
pub const EDGE_MIB: u64 = 1;

/// MiB of `boot-a` and `boot-b`: the kernel (5 MiB) and slot.cfg, three times over.
pub const BOOT_MIB: u64 = 16;

/// MiB of `root-a` and `root-b`: the root with the built-in models (90 MiB) twice over.
pub const ROOT_MIB: u64 = 192;

/// MiB of the data partition on an image; it grows to its disk at the first boot.
pub const DATA_MIB: u64 = 1024;

/// MiB of an installer's data partition, which is only there to be in its table.
const INSTALLER_DATA_MIB: u64 = 1;

/// The identity of every image's partition table. Fixed, so that the same inputs give
/// the same bytes; the installer gives new ones.
pub const DISK_UUID: &str = "a105d15c-0000-4000-8000-000000000000";

/// That of an installer's.
const INSTALLER_UUID: &str = "a105d15c-0001-4000-8000-000000000000";

// Partition types: the UEFI specification and the Discoverable Partitions Specification.
const BIOS_TYPE: &str = "21686148-6449-6E6F-744E-656564454649";
const ESP_TYPE: &str = "C12A7328-F81F-11D2-BA4B-00A0C93EC93B";
const LINUX_TYPE: &str = "0FC63DAF-8483-4772-8E79-3D69D8477DE4";
const ROOT_TYPE: &str = "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709";

/// One partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// Its place in the table, from 1.
    pub number: u32,
    /// Its label.
    pub name: &'static str,
    /// The GUID of its type.
    pub kind: &'static str,
    /// Its size in MiB.
    pub mib: u64,
    /// Of an installer. Its identities are others, or a machine whose disk was written from an
    /// image would not know which of the two it is to start from.
    installer: bool,
}

const fn partition(number: u32, name: &'static str, kind: &'static str, mib: u64) -> Partition {
    Partition {
        number,
        name,
        kind,
        mib,
        installer: false,
    }
}

/// Every partition that there can be, in the order in which they lie on the disk.
pub const TABLE: [Partition; 9] = [
    partition(1, BIOS, BIOS_TYPE, 1),
    // FAT32 has at least 65,525 clusters: 33 MiB of the smallest.
    partition(2, ESP, ESP_TYPE, 40),
    partition(3, ENVIRONMENT, LINUX_TYPE, 1),
    partition(4, BOOT_A, LINUX_TYPE, BOOT_MIB),
    partition(5, ROOT_A, ROOT_TYPE, ROOT_MIB),
    partition(6, BOOT_B, LINUX_TYPE, BOOT_MIB),
    partition(7, ROOT_B, ROOT_TYPE, ROOT_MIB),
    partition(9, CONFIG, LINUX_TYPE, 4),
    partition(8, DATA, LINUX_TYPE, DATA_MIB),
];

impl Partition {
    /// Its identity on an image; see [`DISK_UUID`].
    pub fn uuid(&self) -> String {
        let series = u8::from(self.installer);
        format!("a105d15c-{series:04x}-4000-8000-{:012x}", self.number)
    }
}

/// The partitions of an image, with where each starts (MiB), and the disk's size (MiB).
/// An installer's are where they will be on the disk that it installs to.
pub fn place(with_config: bool, installer: bool) -> (Vec<(Partition, u64)>, u64) {
    let mut at = EDGE_MIB;
    let mut placed = Vec::new();
    for mut partition in TABLE {
        if partition.name == CONFIG && !with_config {
            continue;
        }
        partition.installer = installer;
        if partition.name == DATA && installer {
            partition.mib = INSTALLER_DATA_MIB;
        }
        placed.push((partition, at));
        at += partition.mib;
    }
    (placed, at + EDGE_MIB)
}

/// What sfdisk reads.
pub fn script(placed: &[(Partition, u64)]) -> String {
    let line = |(partition, at): &(Partition, u64)| {
        format!(
            "{} : start={at}MiB, size={}MiB, type={}, uuid={}, name=\"{}\"\n",
            partition.number,
            partition.mib,
            partition.kind,
            partition.uuid(),
            partition.name
        )
    };
    let disk = match placed.iter().any(|(partition, _)| partition.installer) {
        true => INSTALLER_UUID,
        false => DISK_UUID,
    };
    format!(
        "label: gpt\nlabel-id: {disk}\nfirst-lba: 2048\n{}",
        placed.iter().map(line).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_last_and_no_number_depends_on_provisioning() {
        for (with_config, installer) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let (placed, total) = place(with_config, installer);
            let (last, at) = placed.last().unwrap();
            assert_eq!((last.name, last.number), ("aios-data", 8));
            assert_eq!(at + last.mib + EDGE_MIB, total);
            for pair in placed.windows(2) {
                assert_eq!(pair[0].1 + pair[0].0.mib, pair[1].1, "{pair:?}");
            }
        }
        assert_eq!(place(true, false).0.len(), 9);
        let starts = |installer| {
            let (placed, _) = place(true, installer);
            placed.into_iter().map(|(_, at)| at).collect::<Vec<_>>()
        };
        assert_eq!(
            starts(false),
            starts(true),
            "the boot loader counts on them"
        );
    }

    #[test]
    fn grub_counts_on_these_numbers() {
        let text = include_str!("../../image/grub/disk.cfg");
        let number = |name: &str| {
            let found = TABLE.iter().find(|partition| partition.name == name);
            found.unwrap().number
        };
        for slot in ["a", "b"] {
            let (boot, root) = (
                number(&format!("boot-{slot}")),
                number(&format!("root-{slot}")),
            );
            assert!(text.contains(&format!("start {slot} {boot} {root}\n")));
        }
        assert!(text.contains(&format!("gpt{})/grubenv\"", number("grubenv"))));
        assert!(text.contains(&format!("\"($disk,gpt{})\"", number("aios-data"))));
    }
}
