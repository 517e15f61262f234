//! GRUB for BIOS, put into a disk image without `grub-install` (which wants a
//! mounted disk): the boot sector reads the core image from a partition of its own.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::exec;

/// Where Debian keeps GRUB's parts for BIOS.
const PARTS: &str = "/usr/lib/grub/i386-pc";

/// What the core image must be able to do: find the boot partition on any BIOS
/// disk, read it, load Linux, and talk on screen and serial line.
const MODULES: [&str; 13] = [
    "biosdisk",
    "part_gpt",
    "ext2",
    "linux",
    "normal",
    "configfile",
    "search",
    "search_label",
    "serial",
    "terminal",
    "echo",
    "reboot",
    "halt",
];

const SECTOR: usize = 512;

// Offsets from GRUB's own headers: include/grub/i386/pc/boot.h.
const KERNEL_SECTOR: usize = 0x5c;
const DRIVE_CHECK: usize = 0x66;
const PARTITION_TABLE: usize = 0x1b8;
const BLOCK_LIST: usize = 0x1f4;
/// Segment at which the second sector of the core image is loaded.
const SECOND_SEGMENT: u16 = 0x820;

/// Makes the core image, which looks for its configuration on the file system
/// labelled `label`.
///
/// # Errors
/// When grub-mkimage fails.
pub fn core(folder: &Path, label: &str) -> Result<Vec<u8>> {
    let (early, image) = (folder.join("early.cfg"), folder.join("core.img"));
    std::fs::write(
        &early,
        format!("search --no-floppy --label --set=root {label}\nset prefix=($root)/grub\n"),
    )?;
    exec::run(
        "disk: boot loader",
        Command::new("grub-mkimage")
            .args(["-O", "i386-pc", "-d", PARTS, "-p", "/grub", "-c"])
            .arg(&early)
            .arg("-o")
            .arg(&image)
            .args(MODULES),
    )?;
    Ok(std::fs::read(image)?)
}

/// Debian's boot sector.
///
/// # Errors
/// When it cannot be read.
pub fn boot_sector() -> Result<Vec<u8>> {
    let path = format!("{PARTS}/boot.img");
    std::fs::read(&path).context(path)
}

/// Tells the boot sector and the core image where the core image is.
///
/// `first` is the disk's first sector as it is (its partition table is kept);
/// returned is the one to write.
///
/// # Errors
/// When one of them has not the size it must have.
pub fn link(first: &[u8], boot: &[u8], core: &mut Vec<u8>, core_at: u64) -> Result<Vec<u8>> {
    ensure!(
        first.len() == SECTOR && boot.len() == SECTOR,
        "a sector has 512 bytes"
    );
    ensure!(core.len() > SECTOR, "the core image is too short");
    core.resize(core.len().next_multiple_of(SECTOR), 0);
    let rest = u16::try_from(core.len() / SECTOR - 1).context("the core image is too long")?;
    let mut sector = boot.to_vec();
    sector[PARTITION_TABLE..].copy_from_slice(&first[PARTITION_TABLE..]);
    sector[KERNEL_SECTOR..KERNEL_SECTOR + 8].copy_from_slice(&core_at.to_le_bytes());
    // Two no-ops instead of a jump: some BIOSes pass a wrong drive number.
    sector[DRIVE_CHECK..DRIVE_CHECK + 2].copy_from_slice(&[0x90, 0x90]);
    core[BLOCK_LIST..BLOCK_LIST + 8].copy_from_slice(&(core_at + 1).to_le_bytes());
    core[BLOCK_LIST + 8..BLOCK_LIST + 10].copy_from_slice(&rest.to_le_bytes());
    core[BLOCK_LIST + 10..BLOCK_LIST + 12].copy_from_slice(&SECOND_SEGMENT.to_le_bytes());
    Ok(sector)
}

/// The boot loader's configuration: starts Linux at once.
pub fn config(command_line: &str) -> String {
    format!(
        "serial --unit=0 --speed=115200\n\
         terminal_input serial console\n\
         terminal_output serial console\n\
         linux /bzImage {command_line}\n\
         boot\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_partition_table_survives_the_boot_sector() {
        let first: Vec<u8> = (0..SECTOR).map(|byte| byte as u8).collect();
        let boot = vec![0xee; SECTOR];
        let mut core = vec![0; 3 * SECTOR - 7];
        let sector = link(&first, &boot, &mut core, 2048).unwrap();
        assert_eq!(sector[PARTITION_TABLE..], first[PARTITION_TABLE..]);
        assert_eq!(
            sector[KERNEL_SECTOR..KERNEL_SECTOR + 8],
            2048u64.to_le_bytes()
        );
        assert_eq!(core.len(), 3 * SECTOR);
        assert_eq!(core[BLOCK_LIST..BLOCK_LIST + 8], 2049u64.to_le_bytes());
        assert_eq!(core[BLOCK_LIST + 8..BLOCK_LIST + 10], 2u16.to_le_bytes());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let sector = vec![0; SECTOR];
        assert!(link(&sector, &sector[1..], &mut vec![0; 1024], 1).is_err());
        assert!(link(&sector, &sector, &mut vec![0; 512], 1).is_err());
        assert!(link(&sector, &sector, &mut vec![0; 70_000 * SECTOR], 1).is_err());
    }
}
