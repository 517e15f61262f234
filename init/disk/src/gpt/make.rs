//! Making the table of a new disk.

use super::fields::{put, sum};
use super::{ENTRIES, ENTRIES_LENGTH, ENTRY, Entry, Header, last_before_backup};
use crate::layout::{MIB_SECTORS, SECTOR_LENGTH};

/// Where boot code ends in the first sector, and where its partition table begins.
const BOOT_CODE: usize = 440;
const OLD_TABLE: usize = 446;
/// So that no old tool takes the disk for an empty one (UEFI specification, 5.2.3).
const PROTECTIVE: u8 = 0xEE;

/// The last sector that a partition may have on a disk of so many, if any: partitions end at whole
/// mebibytes.
pub fn last_usable(disk: u64) -> Option<u64> {
    let end = (last_before_backup(disk)? + 1) / MIB_SECTORS * MIB_SECTORS;
    end.checked_sub(1)
}

/// A table as it is written.
pub struct Table {
    /// Sectors and their content, in the order of writing: backup first. **Only when the
    /// last one is there is it a disk that anything boots from**: boot code, and the
    /// protective table without which no firmware looks for a GPT.
    pub writes: Vec<(u64, Vec<u8>)>,
}

/// Makes the table of a disk of so many sectors, whose first sector gets the boot code of `first`.
///
/// # Errors
/// The disk is too small for a table, or an entry has a number that no table has.
pub fn make(
    entries: &[Entry],
    guid: [u8; 16],
    disk: u64,
    first: &[u8],
) -> Result<Table, &'static str> {
    let last_usable = last_before_backup(disk).ok_or("the disk is too small")?;
    let last = last_usable + ENTRIES + 1;
    let mut all = vec![0; ENTRIES_LENGTH];
    for entry in entries {
        let slot = entry.number.checked_sub(1);
        let slot = slot.and_then(|nth| all.chunks_exact_mut(ENTRY).nth(nth));
        fill(slot.ok_or("a partition has an impossible number")?, entry);
    }
    let header = |own: u64, other: u64, entries: u64| {
        Header {
            own,
            other,
            first_usable: MIB_SECTORS,
            last_usable,
            guid,
            entries,
            sum: sum(&all),
        }
        .sector()
    };
    let backup = last - ENTRIES;
    Ok(Table {
        writes: vec![
            (backup, all.clone()),
            (last, header(last, 1, backup)),
            (2, all.clone()),
            (1, header(1, last, 2)),
            (0, boot_sector(first, disk)),
        ],
    })
}

fn fill(slot: &mut [u8], entry: &Entry) {
    put(slot, 0, &entry.kind);
    put(slot, 16, &entry.guid);
    put(slot, 32, &entry.first.to_le_bytes());
    put(slot, 40, &entry.last.to_le_bytes());
    put(slot, 48, &entry.attributes.to_le_bytes());
    for (nth, unit) in entry.name.encode_utf16().take(36).enumerate() {
        put(slot, 56 + 2 * nth, &unit.to_le_bytes());
    }
}

fn boot_sector(first: &[u8], disk: u64) -> Vec<u8> {
    let mut sector = vec![0; SECTOR_LENGTH];
    put(&mut sector, 0, first.get(..BOOT_CODE).unwrap_or_default());
    let length = u32::try_from(disk - 1).unwrap_or(u32::MAX);
    put(&mut sector, OLD_TABLE, &[0, 0, 2, 0, PROTECTIVE]);
    put(&mut sector, OLD_TABLE + 5, &[0xff, 0xff, 0xff]);
    put(&mut sector, OLD_TABLE + 8, &1_u32.to_le_bytes());
    put(&mut sector, OLD_TABLE + 12, &length.to_le_bytes());
    put(&mut sector, 510, &[0x55, 0xaa]);
    sector
}

#[cfg(test)]
mod tests {
    use super::super::fields::{u32_at, u64_at};
    use super::super::{own_sum, read};
    use super::*;
    use proptest::prelude::*;

    fn entry(number: usize, first: u64, last: u64, name: &str) -> Entry {
        Entry {
            number,
            kind: [1; 16],
            guid: [number as u8; 16],
            first,
            last,
            attributes: 4,
            name: name.to_owned(),
        }
    }

    fn written(table: &Table, sector: u64) -> &[u8] {
        let found = table.writes.iter().find(|(at, _)| *at == sector);
        &found.unwrap().1
    }

    #[test]
    fn what_is_made_reads_back_from_both_places_and_the_boot_sector_is_last() {
        let entries = [
            entry(1, 2048, 4095, "bios"),
            entry(8, 4096, 9999, "aios-data"),
        ];
        let disk = 20_000;
        let table = make(&entries, [9; 16], disk, &[0xfa; 512]).unwrap();
        assert_eq!(
            read(written(&table, 1), written(&table, 2)).unwrap(),
            entries
        );
        let header = written(&table, disk - 1);
        assert_eq!(
            u64_at(header, 24),
            Some(disk - 1),
            "the backup names itself"
        );
        assert_eq!(u32_at(header, 16), own_sum(header));
        let order: Vec<u64> = table.writes.iter().map(|(at, _)| *at).collect();
        assert_eq!(order, [disk - 33, disk - 1, 2, 1, 0]);
        let first = written(&table, 0);
        assert!(first[..440].iter().all(|byte| *byte == 0xfa));
        assert_eq!(
            (first[446], first[450], &first[510..]),
            (0, 0xee, &[0x55, 0xaa][..])
        );
        assert_eq!(u32_at(first, 458), Some(19_999));
    }

    #[test]
    fn sfdisk_finds_nothing_to_say_against_it() {
        use std::os::unix::fs::FileExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let disk = 40_960;
        file.as_file().set_len(disk * 512).unwrap();
        let last = last_usable(disk).unwrap();
        let entries = [
            entry(1, 2048, 4095, "bios"),
            entry(8, 4096, last, "aios-data"),
        ];
        for (sector, bytes) in make(&entries, [9; 16], disk, &[0; 512]).unwrap().writes {
            file.as_file().write_all_at(&bytes, sector * 512).unwrap();
        }
        let sfdisk = std::process::Command::new("/sbin/sfdisk")
            .arg("--verify")
            .arg(file.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&sfdisk.stdout).into_owned()
            + &String::from_utf8_lossy(&sfdisk.stderr);
        assert!(
            sfdisk.status.success() && said.contains("No errors detected"),
            "{said}"
        );
    }

    #[test]
    fn a_table_that_lies_is_refused() {
        let disk = 20_000;
        let refused = |entries: &[Entry]| {
            let table = make(entries, [9; 16], disk, &[]).unwrap();
            read(written(&table, 1), written(&table, 2)).is_err()
        };
        assert!(
            refused(&[entry(1, 2048, 4095, ""), entry(2, 4095, 5000, "")]),
            "overlap"
        );
        assert!(refused(&[entry(1, 4096, 4095, "")]), "backwards");
        assert!(refused(&[entry(1, 1, 4095, "")]), "over the table");
        assert!(refused(&[entry(1, 2048, u64::MAX, "")]), "endless");
        let table = make(&[entry(1, 2048, 4095, "")], [9; 16], disk, &[]).unwrap();
        let mut entries = written(&table, 2).to_vec();
        entries[40] ^= 1;
        assert!(read(written(&table, 1), &entries).is_err(), "damaged");
    }

    #[test]
    fn a_table_that_cannot_be_is_not_made() {
        for (number, disk) in [(0, 20_000), (129, 20_000), (1, 0), (1, 33)] {
            let made = make(&[entry(number, 2048, 4095, "")], [9; 16], disk, &[]);
            assert!(made.is_err(), "{number} {disk}");
        }
    }

    #[test]
    fn only_a_disk_with_room_for_the_backup_has_a_last_sector() {
        assert_eq!(last_usable(0), None);
        assert_eq!(last_usable(2048), None);
        assert_eq!(last_usable(4096), Some(2047));
        assert_eq!(last_usable(4096 + 33), Some(4095));
    }

    proptest! {
        #[test]
        fn garbage_is_never_a_table_and_never_a_crash(
            header in proptest::collection::vec(any::<u8>(), 0..600),
            entries in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            prop_assert!(read(&header, &entries).is_err());
        }
    }
}
