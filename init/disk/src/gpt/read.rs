//! Reading a table.

use super::fields::{sum, u32_at, u64_at};
use super::{ENTRIES, ENTRIES_LENGTH, ENTRY, Entry, Header, SIGNATURE};
use crate::layout::MIB_SECTORS;

/// Larger entries than this are no partition table, in bytes.
const ENTRY_MAX: u32 = 4096;

/// Where the entries of the table begin that has this header in the disk's second sector.
///
/// # Errors
/// It is no table of the usual form, or its header is damaged.
pub fn entries_at(header: &[u8]) -> Result<u64, &'static str> {
    let header = Header::read(header);
    let header = header.filter(|header| header.own == 1 && header.entries < MIB_SECTORS);
    let header = header.ok_or("it has no partition table that is whole")?;
    Ok(header.entries)
}

/// Reads a table: the header's sector and all entries. In the order in which the partitions lie.
///
/// # Errors
/// It is damaged, or says what cannot be.
pub fn read(header: &[u8], entries: &[u8]) -> Result<Vec<Entry>, &'static str> {
    const DAMAGED: &str = "its partition table is damaged";
    entries_at(header)?;
    let header = Header::read(header).ok_or(DAMAGED)?;
    if entries.len() != ENTRIES_LENGTH || header.sum != sum(entries) {
        return Err(DAMAGED);
    }
    let mut found = Vec::new();
    for (at, bytes) in entries.chunks_exact(ENTRY).enumerate() {
        if bytes.starts_with(&[0; 16]) {
            continue;
        }
        let entry = entry(at + 1, bytes).ok_or(DAMAGED)?;
        if entry.first < 2 + ENTRIES || entry.last < entry.first || entry.last > u64::MAX >> 16 {
            return Err(DAMAGED);
        }
        found.push(entry);
    }
    found.sort_by_key(|entry| entry.first);
    let mut pairs = found.iter().zip(found.iter().skip(1));
    match pairs.any(|(entry, next)| entry.last >= next.first) {
        true => Err("its partitions overlap"),
        false => Ok(found),
    }
}

fn entry(number: usize, bytes: &[u8]) -> Option<Entry> {
    let units = bytes.get(56..ENTRY)?.chunks_exact(2);
    let units: Vec<u16> = units
        .filter_map(|unit| Some(u16::from_le_bytes(unit.try_into().ok()?)))
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

/// Where the GUID of partition `number` (from 1) lies on a disk with this header and sectors of
/// `block` bytes. In bytes. For any table that the kernel may have read, not only those of the usual
/// form: nothing is changed by what is found there.
pub fn place_of_guid(header: &[u8], block: u64, number: u32) -> Option<u64> {
    let (count, size) = (u32_at(header, 80)?, u32_at(header, 84)?);
    let sound = header.starts_with(SIGNATURE) && number <= count && size <= ENTRY_MAX;
    let nth = number.checked_sub(1).filter(|_| sound)?;
    u64_at(header, 72)?
        .checked_mul(block)?
        .checked_add(u64::from(nth) * u64::from(size) + 16)
}

/// A GUID as people and command lines write it; the first three fields are little-endian.
pub fn guid_text(guid: [u8; 16]) -> String {
    const ORDER: [&[usize]; 5] = [
        &[3, 2, 1, 0],
        &[5, 4],
        &[7, 6],
        &[8, 9],
        &[10, 11, 12, 13, 14, 15],
    ];
    let group = |places: &&[usize]| -> String {
        places
            .iter()
            .filter_map(|&place| guid.get(place))
            .map(|byte| format!("{byte:02x}"))
            .collect()
    };
    ORDER.iter().map(group).collect::<Vec<_>>().join("-")
}
