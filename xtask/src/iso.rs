//! A disk image that is a CD-ROM, too.
//!
//! ISO 9660 leaves the first 32 KiB to others, and the partitions begin at 1 MiB: what makes a
//! CD-ROM of the image (ECMA-119) and lets BIOS and UEFI start from it (El Torito 1.0, UEFI
//! specification 13.3.2) fits between. Nothing that is there moves, so the same bytes are a disk
//! with a partition table and a CD-ROM; as a CD-ROM it shows an empty folder, and whoever starts
//! from it finds everything through the partition table.
//!
//! Not by xorriso: it lays partitions out itself, and these have their places already.

use std::fs::File;
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, ensure};

/// Bytes of a CD-ROM's block.
pub const BLOCK: usize = 2048;

// Blocks of the descriptors; the first three have no other place.
const VOLUME: u32 = 16;
const BOOT_RECORD: u32 = 17;
const END: u32 = 18;
const PATHS: u32 = 19;
const PATHS_BIG_ENDIAN: u32 = 20;
const ROOT: u32 = 21;
const CATALOGUE: u32 = 22;
/// GRUB for a CD-ROM and BIOS: at 64 KiB, and up to the first partition.
const CORE: u32 = 32;
const CORE_MAX: usize = (1 << 20) - CORE as usize * BLOCK;

/// How much BIOS loads of it, in sectors of 512 bytes: its first block, which loads the rest.
const LOADED: u16 = 4;

/// Where GRUB's first block is told where the rest is.
const TABLE: usize = 8;
const TABLE_END: usize = 64;

/// What is on the CD-ROM.
pub struct Contents<'a> {
    /// The whole image's bytes.
    pub length: u64,
    /// GRUB for a CD-ROM and BIOS.
    pub core: Vec<u8>,
    /// Where the EFI system partition begins, in bytes.
    pub esp: u64,
    /// The volume's name.
    pub name: &'a str,
}

/// Makes a CD-ROM of the disk image.
///
/// # Errors
/// When GRUB does not fit, or the file cannot be written.
pub fn add(disk: &File, contents: &Contents) -> Result<()> {
    ensure!(
        contents.core.len() <= CORE_MAX && contents.core.len() > BLOCK,
        "GRUB for CD-ROMs has {} bytes, which do not fit",
        contents.core.len()
    );
    let blocks = u32::try_from(contents.length / BLOCK as u64).context("too long for a CD-ROM")?;
    let esp = u32::try_from(contents.esp / BLOCK as u64)?;
    let mut core = contents.core.clone();
    core.resize(core.len().next_multiple_of(BLOCK), 0);
    tell_place(&mut core);
    for (block, bytes) in [
        (VOLUME, volume(contents.name, blocks)),
        (BOOT_RECORD, boot_record()),
        (END, descriptor(255)),
        (PATHS, paths(ROOT.to_le_bytes(), 1_u16.to_le_bytes())),
        (
            PATHS_BIG_ENDIAN,
            paths(ROOT.to_be_bytes(), 1_u16.to_be_bytes()),
        ),
        (ROOT, root()),
        (CATALOGUE, catalogue(esp)),
        (CORE, core),
    ] {
        disk.write_all_at(&bytes, u64::from(block) * BLOCK as u64)?;
    }
    Ok(())
}

/// "Boot info table": where the volume descriptor and this program are, how long it is, its sum.
fn tell_place(core: &mut [u8]) {
    let words = core[TABLE_END..].chunks_exact(4);
    let sum = words
        .map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
        .fold(0, u32::wrapping_add);
    let table = [VOLUME, CORE, core.len() as u32, sum];
    for (nth, word) in table.into_iter().enumerate() {
        put(core, TABLE + 4 * nth, &word.to_le_bytes());
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

/// Numbers are there twice, in both orders of bytes.
fn both(value: u32) -> [u8; 8] {
    let mut bytes = [0; 8];
    put(&mut bytes, 0, &value.to_le_bytes());
    put(&mut bytes, 4, &value.to_be_bytes());
    bytes
}

fn both_short(value: u16) -> [u8; 4] {
    let mut bytes = [0; 4];
    put(&mut bytes, 0, &value.to_le_bytes());
    put(&mut bytes, 2, &value.to_be_bytes());
    bytes
}

fn descriptor(kind: u8) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    bytes[0] = kind;
    put(&mut bytes, 1, b"CD001\x01");
    bytes
}

/// The primary volume descriptor (ECMA-119, 8.4).
fn volume(name: &str, blocks: u32) -> Vec<u8> {
    let mut bytes = descriptor(1);
    for (from, to) in [(8, 72), (190, 813)] {
        bytes[from..to].fill(b' '); // names that nobody has given
    }
    put(&mut bytes, 40, name.as_bytes());
    put(&mut bytes, 80, &both(blocks));
    put(&mut bytes, 120, &both_short(1)); // one volume
    put(&mut bytes, 124, &both_short(1)); // the first
    put(&mut bytes, 128, &both_short(BLOCK as u16));
    put(&mut bytes, 132, &both(10)); // the path table's length
    put(&mut bytes, 140, &PATHS.to_le_bytes());
    put(&mut bytes, 148, &PATHS_BIG_ENDIAN.to_be_bytes());
    put(&mut bytes, 156, &folder(0));
    // No dates: zeros are "not specified", as digits and an offset.
    for at in [813, 830, 847, 864] {
        bytes[at..at + 16].fill(b'0');
    }
    bytes[881] = 1;
    bytes
}

/// El Torito, figure 7: where the catalogue is.
fn boot_record() -> Vec<u8> {
    let mut bytes = descriptor(0);
    put(&mut bytes, 7, b"EL TORITO SPECIFICATION");
    put(&mut bytes, 71, &CATALOGUE.to_le_bytes());
    bytes
}

/// A path table of the root folder alone (9.4).
fn paths(block: [u8; 4], parent: [u8; 2]) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    bytes[0] = 1;
    put(&mut bytes, 2, &block);
    put(&mut bytes, 6, &parent);
    bytes
}

/// The root folder, of which nothing but itself is there: as `.` and as `..`.
fn root() -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    let own = folder(0);
    put(&mut bytes, 0, &own);
    put(&mut bytes, own.len(), &folder(1));
    bytes
}

/// The root folder's record (9.1).
fn folder(name: u8) -> [u8; 34] {
    let mut bytes = [0; 34];
    bytes[0] = 34;
    put(&mut bytes, 2, &both(ROOT));
    put(&mut bytes, 10, &both(BLOCK as u32));
    // 2020-01-01, as everything that has to have a date here.
    put(&mut bytes, 18, &[120, 1, 1, 0, 0, 0, 0]);
    bytes[25] = 2; // a folder
    put(&mut bytes, 28, &both_short(1));
    bytes[32] = 1;
    bytes[33] = name;
    bytes
}

/// What firmware can start: GRUB for BIOS, and the EFI system partition.
fn catalogue(esp: u32) -> Vec<u8> {
    let mut bytes = vec![0; BLOCK];
    let mut first = [0; 32];
    first[0] = 1;
    put(&mut first, 4, b"aiOS");
    put(&mut first, 30, &[0x55, 0xaa]);
    let words = first.chunks_exact(2);
    let sum = words
        .map(|word| u16::from_le_bytes([word[0], word[1]]))
        .fold(0, u16::wrapping_add);
    put(&mut first, 28, &sum.wrapping_neg().to_le_bytes());
    put(&mut bytes, 0, &first);
    let entry = |sectors: u16, block: u32| {
        let mut entry = [0; 32];
        entry[0] = 0x88; // can be started, and emulates no disk
        put(&mut entry, 6, &sectors.to_le_bytes());
        put(&mut entry, 8, &block.to_le_bytes());
        entry
    };
    put(&mut bytes, 32, &entry(LOADED, CORE));
    // The last section: EFI, one entry.
    put(&mut bytes, 64, &[0x91, 0xef, 1, 0]);
    // 0: up to the end; the field is too short for a partition.
    put(&mut bytes, 96, &entry(0, esp));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(core: usize) -> Result<Vec<u8>> {
        let file = tempfile::NamedTempFile::new()?;
        file.as_file().set_len(3 << 20)?;
        file.as_file().write_all_at(&[7; 17_408], 0)?;
        file.as_file().write_all_at(&[8; 512], 1 << 20)?;
        let contents = Contents {
            length: 3 << 20,
            core: vec![0x11; core],
            esp: 2 << 20,
            name: "AIOS",
        };
        add(file.as_file(), &contents)?;
        Ok(std::fs::read(file.path())?)
    }

    #[test]
    fn the_disk_in_it_stays_as_it_is() {
        let image = image(CORE_MAX).unwrap();
        assert!(
            image[..17_408].iter().all(|byte| *byte == 7),
            "boot sector and partition table"
        );
        assert!(
            image[1 << 20..][..512].iter().all(|byte| *byte == 8),
            "the first partition"
        );
        assert!(super::tests::image(CORE_MAX + 1).is_err());
        assert!(super::tests::image(100).is_err());
    }

    #[test]
    fn firmware_finds_its_boot_loader() {
        let image = image(5000).unwrap();
        let block = |number: u32| &image[number as usize * BLOCK..][..BLOCK];
        let word =
            |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(&block(VOLUME)[..7], b"\x01CD001\x01");
        assert_eq!(word(block(VOLUME), 80), (3 << 20) / 2048);
        assert_eq!(
            &block(BOOT_RECORD)[..30],
            b"\x00CD001\x01EL TORITO SPECIFICATION"
        );
        let catalogue = block(word(block(BOOT_RECORD), 71));
        let sum = catalogue[..32]
            .chunks_exact(2)
            .map(|word| u16::from_le_bytes([word[0], word[1]]))
            .fold(0, u16::wrapping_add);
        assert_eq!((sum, &catalogue[30..34]), (0, &[0x55, 0xaa, 0x88, 0][..]));
        let core = word(catalogue, 40);
        assert_eq!(word(catalogue, 64) & 0xffff, 0xef91);
        assert_eq!(
            word(catalogue, 104) * 2048,
            2 << 20,
            "the EFI system partition"
        );
        let core = &image[core as usize * BLOCK..];
        assert_eq!(
            (word(core, 8), word(core, 12), word(core, 16)),
            (16, CORE, 6144)
        );
    }
}
