//! The partition table of the medium, and the one that is made for the target. Pure.

/// Bytes of a sector; other disks are not offered.
pub const SECTOR: usize = 512;
/// Entries take so many sectors: 128 of 128 bytes.
const ENTRIES: u64 = 32;
const ENTRY: usize = 128;
const COUNT: usize = 128;
const HEADER: usize = 92;
/// Partitions begin and end at whole mebibytes.
const ALIGN: u64 = 2048;

/// Bytes of all entries.
pub const ENTRIES_LENGTH: usize = COUNT * ENTRY;

/// Where boot code ends in the first sector, and where its partition table begins.
const BOOT_CODE: usize = 440;
const OLD_TABLE: usize = 446;
/// So that no old tool takes the disk for an empty one (UEFI specification, 5.2.3).
const PROTECTIVE: u8 = 0xEE;

/// One partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the table, from 1.
    pub number: usize,
    /// The GUID of its type, as it is on the disk.
    pub kind: [u8; 16],
    /// Its own GUID.
    pub guid: [u8; 16],
    /// First and last sector.
    pub first: u64,
    /// The last one is part of it.
    pub last: u64,
    /// Attributes.
    pub attributes: u64,
    /// Its name.
    pub name: String,
}

impl Entry {
    /// How many sectors it has.
    pub fn sectors(&self) -> u64 {
        self.last + 1 - self.first
    }
}

/// Where the entries of the table with this header begin.
///
/// # Errors
/// It is no table.
pub fn place(header: &[u8]) -> Result<u64, &'static str> {
    // A header as we write them: that of the table at the disk's beginning.
    let sound = header.starts_with(b"EFI PART")
        && u32_at(header, 12) == Some(HEADER as u32)
        && u64_at(header, 24) == Some(1)
        && u32_at(header, 80) == Some(COUNT as u32)
        && u32_at(header, 84) == Some(ENTRY as u32)
        && u32_at(header, 16) == header_sum(header);
    let at = u64_at(header, 72).filter(|at| sound && *at < ALIGN);
    at.ok_or("it has no partition table that is whole")
}

/// Reads a table: the header's sector and all entries.
///
/// # Errors
/// It is damaged, or says what cannot be.
pub fn read(header: &[u8], entries: &[u8]) -> Result<Vec<Entry>, &'static str> {
    const DAMAGED: &str = "its partition table is damaged";
    place(header)?;
    if entries.len() != ENTRIES_LENGTH || u32_at(header, 88) != Some(sum(entries)) {
        return Err(DAMAGED);
    }
    let mut found = Vec::new();
    for (at, bytes) in entries.chunks_exact(ENTRY).enumerate() {
        if bytes.iter().take(16).all(|byte| *byte == 0) {
            continue;
        }
        let entry = entry(at + 1, bytes).ok_or(DAMAGED)?;
        if entry.first < 2 + ENTRIES || entry.last < entry.first || entry.last > u64::MAX >> 16 {
            return Err(DAMAGED);
        }
        found.push(entry);
    }
    found.sort_by_key(|entry| entry.first);
    match found.windows(2).any(|pair| pair[0].last >= pair[1].first) {
        true => Err("its partitions overlap"),
        false => Ok(found),
    }
}

fn entry(number: usize, bytes: &[u8]) -> Option<Entry> {
    let units = bytes.get(56..ENTRY)?.chunks_exact(2);
    let units: Vec<u16> = units
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .take_while(|unit| *unit != 0)
        .collect();
    Some(Entry {
        number,
        kind: bytes.get(..16)?.try_into().ok()?,
        guid: bytes.get(16..32)?.try_into().ok()?,
        first: u64_at(bytes, 32)?,
        last: u64_at(bytes, 40)?,
        attributes: u64_at(bytes, 48)?,
        name: String::from_utf16_lossy(&units),
    })
}

/// The last sector that a partition may have on a disk of so many, if any.
pub fn last_usable(disk: u64) -> Option<u64> {
    // The backup's entries and header are the disk's last sectors.
    let end = disk.checked_sub(ENTRIES + 1)? / ALIGN * ALIGN;
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
pub fn make(entries: &[Entry], guid: [u8; 16], disk: u64, first: &[u8]) -> Table {
    let mut all = vec![0; ENTRIES_LENGTH];
    for entry in entries {
        let at = (entry.number - 1) * ENTRY;
        put(&mut all, at, &entry.kind);
        put(&mut all, at + 16, &entry.guid);
        put(&mut all, at + 32, &entry.first.to_le_bytes());
        put(&mut all, at + 40, &entry.last.to_le_bytes());
        put(&mut all, at + 48, &entry.attributes.to_le_bytes());
        for (nth, unit) in entry.name.encode_utf16().take(36).enumerate() {
            put(&mut all, at + 56 + 2 * nth, &unit.to_le_bytes());
        }
    }
    let last = disk - 1;
    let header = |own: u64, other: u64, place: u64| {
        let mut sector = vec![0; SECTOR];
        put(&mut sector, 0, b"EFI PART\x00\x00\x01\x00");
        put(&mut sector, 12, &(HEADER as u32).to_le_bytes());
        put(&mut sector, 24, &own.to_le_bytes());
        put(&mut sector, 32, &other.to_le_bytes());
        put(&mut sector, 40, &ALIGN.to_le_bytes());
        put(&mut sector, 48, &(last - ENTRIES - 1).to_le_bytes());
        put(&mut sector, 56, &guid);
        put(&mut sector, 72, &place.to_le_bytes());
        put(&mut sector, 80, &(COUNT as u32).to_le_bytes());
        put(&mut sector, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut sector, 88, &sum(&all).to_le_bytes());
        let sum = header_sum(&sector).unwrap_or_default();
        put(&mut sector, 16, &sum.to_le_bytes());
        sector
    };
    let backup = last - ENTRIES;
    Table {
        writes: vec![
            (backup, all.clone()),
            (last, header(last, 1, backup)),
            (2, all.clone()),
            (1, header(1, last, 2)),
            (0, boot_sector(first, disk)),
        ],
    }
}

fn boot_sector(first: &[u8], disk: u64) -> Vec<u8> {
    let mut sector = vec![0; SECTOR];
    put(&mut sector, 0, first.get(..BOOT_CODE).unwrap_or_default());
    let length = u32::try_from(disk - 1).unwrap_or(u32::MAX);
    put(&mut sector, OLD_TABLE, &[0, 0, 2, 0, PROTECTIVE]);
    put(&mut sector, OLD_TABLE + 5, &[0xff, 0xff, 0xff]);
    put(&mut sector, OLD_TABLE + 8, &1_u32.to_le_bytes());
    put(&mut sector, OLD_TABLE + 12, &length.to_le_bytes());
    put(&mut sector, 510, &[0x55, 0xaa]);
    sector
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + value.len()) {
        place.copy_from_slice(value);
    }
}

fn header_sum(header: &[u8]) -> Option<u32> {
    let mut copy = header.get(..HEADER)?.to_vec();
    put(&mut copy, 16, &[0; 4]);
    Some(sum(&copy))
}

/// CRC-32 as in Ethernet and GPT; 16 KiB at most, so no table is needed.
fn sum(bytes: &[u8]) -> u32 {
    let byte = |sum: u32, byte: &u8| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(!0, byte)
}

#[cfg(test)]
mod tests {
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
        let table = make(&entries, [9; 16], disk, &[0xfa; 512]);
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
        assert_eq!(u32_at(header, 16), header_sum(header));
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
        for (sector, bytes) in make(&entries, [9; 16], disk, &[0; 512]).writes {
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
            let table = make(entries, [9; 16], disk, &[]);
            read(written(&table, 1), written(&table, 2)).is_err()
        };
        assert!(
            refused(&[entry(1, 2048, 4095, ""), entry(2, 4095, 5000, "")]),
            "overlap"
        );
        assert!(refused(&[entry(1, 4096, 4095, "")]), "backwards");
        assert!(refused(&[entry(1, 1, 4095, "")]), "over the table");
        assert!(refused(&[entry(1, 2048, u64::MAX, "")]), "endless");
        let table = make(&[entry(1, 2048, 4095, "")], [9; 16], disk, &[]);
        let mut entries = written(&table, 2).to_vec();
        entries[40] ^= 1;
        assert!(read(written(&table, 1), &entries).is_err(), "damaged");
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
