//! GUID partition tables (UEFI specification, chapter 5.3). Pure: sectors in, sectors out.
//!
//! 1. [`read`] takes a table of the usual form that contradicts itself nowhere, and nothing else.
//! 2. [`make`] makes the table of a new disk, [`grow`] lets the last partition of a table reach the
//!    end of its disk. Each says the order in which its sectors are to be written.
//! 3. Not by a library: those that there are write a table themselves, the entries over the old
//!    ones and then the header. A power cut between the two leaves a table that Linux does not read.
//!    Here **one write of one sector makes a table count**: in [`grow`] the header, in [`make`] the
//!    disk's first sector.

mod fields;
mod grow;
mod make;
mod read;

pub use grow::{Change, grow};
pub use make::{Table, last_usable, make};
pub use read::{entries_at, guid_text, place_of_guid, read};

use crate::layout::SECTOR_LENGTH;
use fields::{put, sum, u32_at, u64_at};

/// Entries of a table.
const COUNT: usize = 128;
/// Bytes of an entry.
const ENTRY: usize = 128;
/// Bytes of a header that count for its checksum.
const HEADER: usize = 92;
/// What a header begins with, and its revision, 1.0.
const SIGNATURE: &[u8; 8] = b"EFI PART";
const REVISION: u32 = 0x0001_0000;

/// Bytes of all entries.
pub const ENTRIES_LENGTH: usize = COUNT * ENTRY;
/// Sectors of all entries.
const ENTRIES: u64 = (ENTRIES_LENGTH / SECTOR_LENGTH) as u64;

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
        (self.last + 1).saturating_sub(self.first)
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Where it lies itself, in sectors as all places here.
    own: u64,
    /// Where the other one lies.
    other: u64,
    /// What partitions may use.
    first_usable: u64,
    last_usable: u64,
    /// The disk's identity.
    guid: [u8; 16],
    /// Where its entries begin.
    entries: u64,
    /// Their checksum.
    sum: u32,
}

impl Header {
    /// The header in a sector, if it has the usual form and its checksum is right.
    fn read(sector: &[u8]) -> Option<Self> {
        let sound = sector.starts_with(SIGNATURE)
            && u32_at(sector, 12)? as usize == HEADER
            && u32_at(sector, 80)? as usize == COUNT
            && u32_at(sector, 84)? as usize == ENTRY
            && u32_at(sector, 16)? == own_sum(sector)?;
        sound.then_some(Self {
            own: u64_at(sector, 24)?,
            other: u64_at(sector, 32)?,
            first_usable: u64_at(sector, 40)?,
            last_usable: u64_at(sector, 48)?,
            guid: sector.get(56..72)?.try_into().ok()?,
            entries: u64_at(sector, 72)?,
            sum: u32_at(sector, 88)?,
        })
    }

    /// As a sector of the disk.
    fn sector(&self) -> Vec<u8> {
        let mut sector = vec![0; SECTOR_LENGTH];
        put(&mut sector, 0, SIGNATURE);
        put(&mut sector, 8, &REVISION.to_le_bytes());
        put(&mut sector, 12, &(HEADER as u32).to_le_bytes());
        put(&mut sector, 24, &self.own.to_le_bytes());
        put(&mut sector, 32, &self.other.to_le_bytes());
        put(&mut sector, 40, &self.first_usable.to_le_bytes());
        put(&mut sector, 48, &self.last_usable.to_le_bytes());
        put(&mut sector, 56, &self.guid);
        put(&mut sector, 72, &self.entries.to_le_bytes());
        put(&mut sector, 80, &(COUNT as u32).to_le_bytes());
        put(&mut sector, 84, &(ENTRY as u32).to_le_bytes());
        put(&mut sector, 88, &self.sum.to_le_bytes());
        let sum = own_sum(&sector).unwrap_or_default();
        put(&mut sector, 16, &sum.to_le_bytes());
        sector
    }
}

/// A header's checksum, which counts its own field as zero.
fn own_sum(header: &[u8]) -> Option<u32> {
    let mut copy = header.get(..HEADER)?.to_vec();
    put(&mut copy, 16, &[0; 4]);
    Some(sum(&copy))
}

/// The last sector that partitions may use on a disk of so many sectors: the entries and the header
/// of the second table are the disk's last.
fn last_before_backup(disk: u64) -> Option<u64> {
    disk.checked_sub(ENTRIES + 2)
}
