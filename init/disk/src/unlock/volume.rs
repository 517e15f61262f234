//! What is on the data partition, by its first bytes. Pure, but for reading them.
//!
//! **A partition is made anew only when it is certain that nothing is on it**: the file
//! system that the image brought, never mounted, or our own [`mark`] that it was being
//! made. Everything else is left alone, however broken it looks.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aios_config::Encryption;

use crate::layout::{DATA, SECTOR_LENGTH as SECTOR};

/// The opened, decrypted device. Made by libdevmapper without udev.
pub const MAPPED: &str = "/dev/mapper/aios-data";
/// LUKS2's primary header begins with this, its secondary with the other (LUKS2 on-disk
/// format specification, 2.1), at byte 16384 in headers that are ours.
const PRIMARY: &[u8] = b"LUKS\xba\xbe";
const SECONDARY: (usize, &[u8]) = (0x4000, b"SKUL\xba\xbe");
/// So much is looked at: up to the secondary header's magic.
const LENGTH: usize = SECONDARY.0 + SECTOR;
/// ext4's superblock (linux/fs/ext4/ext4.h).
const SUPERBLOCK: usize = 1024;

/// What [`mark`] begins with.
const MARK: &str = "aiOS: this data partition is being made: ";

/// What is on a data partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The file system that came with the image, never used.
    Pristine,
    /// Making it was begun and not finished; nothing is on it yet.
    Begun(Encryption),
    /// LUKS2.
    Encrypted,
    /// Anything else: to be mounted as it is.
    Plain,
}

/// Looks at a device.
///
/// # Errors
/// When it cannot be read.
pub fn look(device: &Path) -> io::Result<Kind> {
    let mut start = vec![0; LENGTH];
    File::open(device)?.read_exact_at(&mut start, 0)?;
    Ok(kind(&start))
}

/// The first sector of a partition that is being made. ext4 leaves it free, LUKS2 begins
/// there: the one write of its header ends this state.
pub fn mark(encryption: Encryption) -> [u8; SECTOR] {
    let mut sector = [0; SECTOR];
    let text = format!("{MARK}{}\n", encryption.word());
    for (place, byte) in sector.iter_mut().zip(text.bytes()) {
        *place = byte;
    }
    sector
}

fn kind(start: &[u8]) -> Kind {
    let has = |at: usize, magic: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(magic));
    if let Some(encryption) = begun(start) {
        return Kind::Begun(encryption);
    }
    let superblock = start.get(SUPERBLOCK..).unwrap_or_default();
    let is_ext4 = number(superblock, 0x38, 2) == 0xEF53;
    // The secondary alone: the primary was being written when the power went; cryptsetup mends it.
    if has(0, PRIMARY) || (!is_ext4 && has(SECONDARY.0, SECONDARY.1)) {
        return Kind::Encrypted;
    }
    match is_ext4 && is_pristine(superblock) {
        true => Kind::Pristine,
        false => Kind::Plain,
    }
}

fn begun(start: &[u8]) -> Option<Encryption> {
    let sector = start.get(..SECTOR)?;
    let end = sector.iter().position(|byte| *byte == b'\n')?;
    let text = std::str::from_utf8(sector.get(..end)?).ok()?;
    Encryption::of(text.strip_prefix(MARK)?).filter(|encryption| *encryption != Encryption::None)
}

/// Never mounted, as mke2fs made it, under our label. Several signs, as each alone can lie: e2fsck
/// sets the count of mounts to 0, and a clock without battery says 1970.
fn is_pristine(superblock: &[u8]) -> bool {
    let (inodes, free, first) = (
        number(superblock, 0x00, 4),
        number(superblock, 0x10, 4),
        number(superblock, 0x54, 4),
    );
    let label = superblock.get(0x78..0x88).unwrap_or_default();
    let mounted = number(superblock, 0x2C, 4) != 0 || number(superblock, 0x34, 2) != 0;
    let last_place = number(superblock, 0x88, 1);
    // Reserved ones and lost+found: `first` of them.
    let is_empty = inodes.checked_sub(free) == Some(first);
    let is_ours = label.starts_with(DATA.as_bytes()) && number(label, DATA.len(), 1) == 0;
    is_ours && is_empty && !mounted && last_place == 0
}

/// A little-endian number.
fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let field = bytes.get(at..at + length).unwrap_or_default();
    field
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What mke2fs makes.
    fn pristine() -> Vec<u8> {
        let mut disk = vec![0; LENGTH];
        for (at, bytes) in [
            (0x00, &76_912_u32.to_le_bytes()[..]),
            (0x10, &76_901_u32.to_le_bytes()),
            (0x38, &0xEF53_u16.to_le_bytes()),
            (0x54, &11_u32.to_le_bytes()),
            (0x78, b"aios-data"),
        ] {
            disk[SUPERBLOCK + at..SUPERBLOCK + at + bytes.len()].copy_from_slice(bytes);
        }
        disk
    }

    #[test]
    fn only_a_file_system_without_any_sign_of_use_is_pristine() {
        assert_eq!(kind(&pristine()), Kind::Pristine);
        for (what, at) in [
            ("mounted once, the clock said 1970", 0x34),
            ("mounted, and then checked", 0x2C),
            ("mounted somewhere", 0x88),
            ("a file, in spite of all that", 0x10),
            ("not our label", 0x81),
            ("not ext4 any more", 0x38),
        ] {
            let mut disk = pristine();
            disk[SUPERBLOCK + at] ^= 1;
            assert_eq!(kind(&disk), Kind::Plain, "{what}");
        }
    }

    #[test]
    fn every_state_on_the_way_to_an_encrypted_partition_is_known() {
        let mut disk = pristine();
        disk[..SECTOR].copy_from_slice(&mark(Encryption::Tpm2));
        assert_eq!(kind(&disk), Kind::Begun(Encryption::Tpm2));
        // All of the new header but its first block is there.
        disk[SECONDARY.0..SECONDARY.0 + 6].copy_from_slice(SECONDARY.1);
        assert_eq!(kind(&disk), Kind::Begun(Encryption::Tpm2));
        // Of the first block only a part.
        let mut torn = disk.clone();
        torn[..6].copy_from_slice(PRIMARY);
        assert_eq!(kind(&torn), Kind::Encrypted);
        disk[..4096].fill(0);
        assert_eq!(kind(&disk), Kind::Encrypted);
    }

    #[test]
    fn what_is_not_understood_is_left_alone() {
        assert_eq!(kind(&[]), Kind::Plain);
        assert_eq!(kind(&vec![0; LENGTH]), Kind::Plain);
        assert_eq!(kind(&vec![0xff; LENGTH]), Kind::Plain);
        for text in ["none\n", "tpm3\n", "tpm2", "\n"] {
            let mut disk = vec![0; LENGTH];
            let text = format!("{MARK}{text}");
            disk[..text.len()].copy_from_slice(text.as_bytes());
            assert_eq!(kind(&disk), Kind::Plain, "{text:?}");
        }
        // A used file system whose first sector was written over by somebody is no unfinished one.
        let mut used = pristine();
        used[SUPERBLOCK + 0x34] = 1;
        used[SECONDARY.0..SECONDARY.0 + 6].copy_from_slice(SECONDARY.1);
        assert_eq!(kind(&used), Kind::Plain);
    }
}
