//! A GUID partition table (UEFI specification, chapter 5.3) whose last partition
//! is to reach the disk's end. Pure: sectors in, sectors out.
//!
//! Not by a library: those that there are write the entries and then the header
//! over the old ones, and a power cut between the two leaves a table that Linux
//! does not read. Here the entries go to a second, free place at the disk's
//! beginning, and **one write of one sector, the header, makes them count**.

/// Bytes of a sector; disks of 4096 are left alone.
pub const SECTOR: usize = 512;
/// Where a table's entries may begin: after the header, or after those.
const PLACES: [u64; 2] = [2, 34];
/// Entries take so many sectors: 128 of 128 bytes.
const ENTRIES: u64 = 32;
const ENTRY: usize = 128;
const COUNT: usize = 128;
const HEADER: usize = 92;
/// Partitions end at whole mebibytes, as they begin.
const ALIGN: u64 = 2048;
/// Less than this is not worth it: 8 MiB in sectors.
const GAIN_MIN: u64 = 8 * 2048;

/// What is to be written, in this order, each durable before the next.
#[derive(Debug, PartialEq, Eq)]
pub struct Change {
    /// Sector and content.
    pub writes: Vec<(u64, Vec<u8>)>,
    /// New length of the partition in sectors.
    pub length: u64,
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

/// Where the entries of this header begin, if it is a header as we write them.
pub fn entries_at(header: &[u8]) -> Option<u64> {
    let sound = header.get(..8)? == b"EFI PART"
        && u32_at(header, 12)? as usize == HEADER
        && u64_at(header, 24)? == 1
        && u32_at(header, 80)? as usize == COUNT
        && u32_at(header, 84)? as usize == ENTRY
        && u32_at(header, 16)? == header_sum(header)?;
    sound.then_some(u64_at(header, 72)?)
}

fn header_sum(header: &[u8]) -> Option<u32> {
    let mut copy = header.get(..HEADER)?.to_vec();
    put(&mut copy, 16, &[0; 4]);
    Some(sum(&copy))
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
    let place = entries_at(header).ok_or("the partition table is not of the usual form")?;
    let broken = "the partition table is damaged";
    if entries.len() != COUNT * ENTRY || u32_at(header, 88) != Some(sum(entries)) {
        return Err(broken);
    }
    let at = number
        .checked_sub(1)
        .filter(|at| *at < COUNT)
        .ok_or(broken)?
        * ENTRY;
    let (first, last) = (u64_at(entries, at + 32), u64_at(entries, at + 40));
    let (first, last) = first
        .zip(last)
        .filter(|(first, last)| first <= last)
        .ok_or(broken)?;
    let used = || {
        entries
            .chunks_exact(ENTRY)
            .filter(|entry| !entry.starts_with(&[0; 16]))
    };
    if used().any(|entry| u64_at(entry, 32).is_some_and(|other| other > last)) {
        return Err("the data partition is not the last one");
    }
    // The backup's entries and header are the disk's last sectors.
    let usable = disk.checked_sub(ENTRIES + 2).ok_or(broken)?;
    let end = (usable + 1) / ALIGN * ALIGN;
    if end < last + 1 + GAIN_MIN {
        return Ok(None);
    }
    let other = PLACES
        .into_iter()
        .find(|other| *other != place)
        .unwrap_or(PLACES[1]);
    if used().any(|entry| u64_at(entry, 32).is_none_or(|first| first < PLACES[1] + ENTRIES)) {
        return Err("there is no room for a second table before the first partition");
    }
    let mut entries = entries.to_vec();
    put(&mut entries, at + 40, &(end - 1).to_le_bytes());
    let make = |own: u64, alternate: u64, place: u64| {
        let mut sector = header.to_vec();
        sector.resize(SECTOR, 0);
        put(&mut sector, 24, &own.to_le_bytes());
        put(&mut sector, 32, &alternate.to_le_bytes());
        put(&mut sector, 40, &(PLACES[1] + ENTRIES).to_le_bytes());
        put(&mut sector, 48, &usable.to_le_bytes());
        put(&mut sector, 72, &place.to_le_bytes());
        put(&mut sector, 88, &sum(&entries).to_le_bytes());
        let sum = header_sum(&sector).unwrap_or_default();
        put(&mut sector, 16, &sum.to_le_bytes());
        sector
    };
    let backup = make(disk - 1, 1, disk - 1 - ENTRIES);
    let primary = make(1, disk - 1, other);
    Ok(Some(Change {
        writes: vec![
            (disk - 1 - ENTRIES, entries.clone()),
            (disk - 1, backup),
            (other, entries),
            (1, primary),
        ],
        length: end - first,
    }))
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

    const MIB: u64 = 2048;

    /// A table of partitions (first, last) for a disk of so many sectors.
    fn table(partitions: &[(u64, u64)], disk: u64) -> (Vec<u8>, Vec<u8>) {
        let mut entries = vec![0; COUNT * ENTRY];
        for (place, (first, last)) in partitions.iter().enumerate() {
            put(&mut entries, place * ENTRY, &[7; 32]);
            put(&mut entries, place * ENTRY + 32, &first.to_le_bytes());
            put(&mut entries, place * ENTRY + 40, &last.to_le_bytes());
        }
        let mut header = vec![0; SECTOR];
        put(&mut header, 0, b"EFI PART");
        put(&mut header, 12, &(HEADER as u32).to_le_bytes());
        put(&mut header, 24, &1_u64.to_le_bytes());
        put(&mut header, 32, &(disk - 1).to_le_bytes());
        put(&mut header, 72, &2_u64.to_le_bytes());
        put(&mut header, 80, &(COUNT as u32).to_le_bytes());
        put(&mut header, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut header, 88, &sum(&entries).to_le_bytes());
        let sum = header_sum(&header).unwrap();
        put(&mut header, 16, &sum.to_le_bytes());
        (header, entries)
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(sum(b"123456789"), 0xCBF4_3926);
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
            let entries = &disk[at..at + COUNT * ENTRY];
            assert_eq!(u32_at(header, 88), Some(sum(entries)), "sound entries");
            u64_at(entries, ENTRY + 40).unwrap()
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
