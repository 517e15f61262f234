//! The last partition of a table reaches the end of its disk, which has become larger.
//!
//! The entries go to a second, free place at the disk's beginning, and **one write of one sector,
//! the header, makes them count**.

use super::fields::{put, sum};
use super::{ENTRIES, ENTRY, Header, last_before_backup, last_usable, read};
use crate::layout::MIB_SECTORS;

/// Where a table's entries may begin: after the header, or after those.
const PLACES: [u64; 2] = [2, 2 + ENTRIES];
/// The first sector that both places leave free.
const FREE: u64 = 2 + 2 * ENTRIES;
/// Less than this is not worth it: 8 MiB in sectors.
const GAIN_MIN: u64 = 8 * MIB_SECTORS;

/// What is to be written, in this order, each durable before the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Sector and content.
    pub writes: Vec<(u64, Vec<u8>)>,
    /// New length of the partition in sectors.
    pub length: u64,
}

/// Grows partition `number` (from 1) of the table with this header and these
/// entries on a disk of so many sectors. None: there is nothing to gain.
///
/// # Errors
/// The table is not one that this can change, and why.
pub fn grow(
    header: &[u8],
    entries: &[u8],
    number: usize,
    disk: u64,
) -> Result<Option<Change>, &'static str> {
    let partitions = read(header, entries)?;
    let old = Header::read(header).ok_or("its partition table is damaged")?;
    let last = partitions.last().filter(|last| last.number == number);
    let partition = last.ok_or("the data partition is not the last one")?;
    let too_small = "the disk is smaller than its partition table says";
    let end = last_usable(disk).ok_or(too_small)?;
    let usable = last_before_backup(disk).ok_or(too_small)?;
    if end < partition.last + GAIN_MIN {
        return Ok(None);
    }
    if partitions.iter().any(|partition| partition.first < FREE) {
        return Err("there is no room for a second table before the first partition");
    }
    let [first, second] = PLACES;
    let other = if old.entries == first { second } else { first };
    // Only the one number: whatever else the entries say is kept bit by bit.
    let mut entries = entries.to_vec();
    let place = (number - 1) * ENTRY + 40;
    put(&mut entries, place, &end.to_le_bytes());
    let header = |own: u64, other: u64, entries_at: u64| {
        Header {
            own,
            other,
            first_usable: FREE,
            last_usable: usable,
            entries: entries_at,
            sum: sum(&entries),
            ..old
        }
        .sector()
    };
    let backup = disk - 1 - ENTRIES;
    Ok(Some(Change {
        writes: vec![
            (backup, entries.clone()),
            (disk - 1, header(disk - 1, 1, backup)),
            (other, entries.clone()),
            (1, header(1, disk - 1, other)),
        ],
        length: end + 1 - partition.first,
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{ENTRIES_LENGTH, Entry, entries_at, make};
    use super::*;
    use crate::layout::SECTOR_LENGTH as SECTOR;

    const MIB: u64 = MIB_SECTORS;

    /// A table of partitions (first, last) for a disk of so many sectors.
    fn table(partitions: &[(u64, u64)], disk: u64) -> (Vec<u8>, Vec<u8>) {
        let entry = |(nth, (first, last)): (usize, &(u64, u64))| Entry {
            number: nth + 1,
            kind: [7; 16],
            guid: [7; 16],
            first: *first,
            last: *last,
            attributes: 0,
            name: String::new(),
        };
        let entries: Vec<Entry> = partitions.iter().enumerate().map(entry).collect();
        let writes = make(&entries, [9; 16], disk, &[]).unwrap().writes;
        (writes[3].1.clone(), writes[2].1.clone())
    }

    #[test]
    fn after_each_write_the_table_that_the_header_names_is_whole() {
        let (old, new) = (64 * MIB, 256 * MIB);
        let (header, entries) = table(&[(MIB, 9 * MIB), (10 * MIB, 63 * MIB - 1)], old);
        let mut disk = vec![0_u8; usize::try_from(new).unwrap() * SECTOR];
        let write = |disk: &mut Vec<u8>, sector: u64, bytes: &[u8]| {
            put(disk, usize::try_from(sector).unwrap() * SECTOR, bytes);
        };
        write(&mut disk, 1, &header);
        write(&mut disk, 2, &entries);
        let change = grow(&header, &entries, 2, new).unwrap().unwrap();
        let last = |disk: &[u8]| {
            let header = &disk[SECTOR..2 * SECTOR];
            let at = usize::try_from(entries_at(header).expect("a sound header")).unwrap() * SECTOR;
            let table = read(header, &disk[at..at + ENTRIES_LENGTH]);
            table.expect("sound entries").last().unwrap().last
        };
        let ends: Vec<u64> = change
            .writes
            .iter()
            .map(|(sector, bytes)| {
                write(&mut disk, *sector, bytes);
                last(&disk)
            })
            .collect();
        let (before, after) = (63 * MIB - 1, 255 * MIB - 1);
        assert_eq!(ends, [before, before, before, after]);
        assert_eq!(change.length, after + 1 - 10 * MIB);
        // A second time, on a bigger disk still: back at the first place.
        let header = disk[SECTOR..2 * SECTOR].to_vec();
        let entries = change.writes[2].1.clone();
        let again = grow(&header, &entries, 2, 2 * new).unwrap().unwrap();
        assert_eq!(again.writes[2].0, 2);
        assert_eq!(grow(&header, &entries, 2, new), Ok(None), "nothing to gain");
    }

    #[test]
    fn what_is_not_understood_is_not_changed() {
        let disk = 64 * MIB;
        let big = 256 * MIB;
        let (header, entries) = table(&[(MIB, 9 * MIB), (10 * MIB, 60 * MIB - 1)], disk);
        let grown = |header: &[u8], entries: &[u8], number| grow(header, entries, number, big);
        assert!(grown(&header, &entries, 1).is_err(), "not the last");
        assert!(grown(&header, &entries, 3).is_err(), "no such partition");
        let mut bad = header.clone();
        bad[60] ^= 1;
        assert!(grown(&bad, &entries, 2).is_err(), "header damaged");
        let mut bad = entries.clone();
        bad[300] ^= 1;
        assert!(grown(&header, &bad, 2).is_err(), "entries damaged");
        let (header, entries) = table(&[(40, 60 * MIB)], disk);
        assert!(grown(&header, &entries, 1).is_err(), "no room");
    }
}
