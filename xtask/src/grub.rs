//! GRUB for BIOS and UEFI, put into a disk image without `grub-install` (which wants a
//! mounted disk). Its whole configuration (`image/grub/disk.cfg`) is embedded in the core
//! images, so that both firmwares take the same decisions and no file on the disk can
//! change them.

use std::path::Path;
use std::process::Command;

use aios_disk::layout::SECTOR_LENGTH as SECTOR;
use aios_update::environment::{Environment, LENGTH, OFFSET};
use anyhow::{Context, Result, ensure};

use crate::{exec, tar};

/// The configuration, and where GRUB looks for it in its memory disk.
pub const CONFIGURATION: &str = include_str!("../../image/grub/disk.cfg");
const CONFIGURATION_PATH: &str = "boot/grub/grub.cfg";

/// What a core image must be able to do: read its configuration, count tries, read a boot
/// partition, load Linux, and talk on screen and serial line.
const MODULES: [&str; 17] = [
    "configfile", // `source`
    "echo",
    "ext2",
    "linux",
    "loadenv",
    "memdisk",
    "normal",
    "part_gpt",
    "probe",
    "reboot",
    "regexp",
    "serial",
    "sleep",
    "tar",
    "terminal",
    "test",
    "true",
];

/// A firmware that GRUB can be started by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// Boot sector and core image.
    Bios,
    /// The same from a CD-ROM.
    BiosCd,
    /// One EFI program, for disks and CD-ROMs. Not signed: Secure Boot must be off.
    Uefi,
}

impl Firmware {
    fn format(self) -> &'static str {
        match self {
            Self::Bios => "i386-pc",
            Self::BiosCd => "i386-pc-eltorito",
            Self::Uefi => "x86_64-efi",
        }
    }

    /// Where Debian keeps GRUB's parts.
    fn parts(self) -> String {
        let folder = match self {
            Self::Bios | Self::BiosCd => "i386-pc",
            Self::Uefi => "x86_64-efi",
        };
        format!("/usr/lib/grub/{folder}")
    }

    /// What it is told before its configuration. UEFI has names of its own for CD-ROMs,
    /// by which the configuration knows them; BIOS numbers them like disks.
    fn prelude(self) -> &'static str {
        match self {
            Self::BiosCd => "set cd=1\n",
            Self::Bios | Self::Uefi => "",
        }
    }

    fn own_modules(self) -> &'static [&'static str] {
        match self {
            Self::Bios | Self::BiosCd => &["biosdisk"],
            // So that Linux inherits a screen.
            Self::Uefi => &["efi_gop", "efi_uga"],
        }
    }
}

// Offsets from GRUB's own headers: include/grub/i386/pc/boot.h.
const KERNEL_SECTOR: usize = 0x5c;
const DRIVE_CHECK: usize = 0x66;
const PARTITION_TABLE: usize = 0x1b8;
const BLOCK_LIST: usize = 0x1f4;
/// Segment at which the second sector of the core image is loaded.
const SECOND_SEGMENT: u16 = 0x820;

/// Makes the core image, which needs no file from a disk to take its decisions.
///
/// # Errors
/// When grub-mkimage fails.
pub fn core(folder: &Path, firmware: Firmware) -> Result<Vec<u8>> {
    let (memory_disk, image) = (folder.join("memdisk.tar"), folder.join("core.img"));
    let configuration = format!("{}{CONFIGURATION}", firmware.prelude());
    std::fs::write(
        &memory_disk,
        tar::archive(&[(CONFIGURATION_PATH, configuration.as_bytes())])?,
    )?;
    exec::run(
        "disk: boot loader",
        Command::new("grub-mkimage")
            .args(["-O", firmware.format(), "-d", &firmware.parts()])
            .args(["-p", "(memdisk)/boot/grub", "-m"])
            .arg(&memory_disk)
            .arg("-o")
            .arg(&image)
            .args(MODULES)
            .args(firmware.own_modules()),
    )?;
    Ok(std::fs::read(image)?)
}

/// The content of the partition `grubenv`: a tar archive, which is the smallest file
/// system that GRUB can write a file of in place.
///
/// # Errors
/// When it is longer than an environment can be.
pub fn environment(variables: &[(&str, &str)]) -> Result<Vec<u8>> {
    let mut environment = Environment::default();
    for (name, value) in variables {
        environment.set(name, value);
    }
    let names: Vec<&str> = variables.iter().map(|(name, _)| *name).collect();
    let archive = tar::archive(&[("grubenv", &environment.encode(&names)?)])?;
    let at = usize::try_from(OFFSET)?;
    ensure!(
        Environment::decode(&archive[at..at + LENGTH])? == environment,
        "the environment is not where updates look for it"
    );
    Ok(archive)
}

/// A slot's own part of the configuration: loads its kernel with these words, in which
/// GRUB fills in `$root_uuid`, and the words that GRUB adds.
pub fn slot_config(command_line: &str) -> String {
    format!("if linux \"$boot/bzImage\" {command_line} $words; then set loaded=1; fi\n")
}

/// Debian's boot sector.
///
/// # Errors
/// When it cannot be read.
pub fn boot_sector() -> Result<Vec<u8>> {
    let path = format!("{}/boot.img", Firmware::Bios.parts());
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
    fn the_configuration_is_a_script_that_grub_understands() {
        let slot = slot_config("ro \"dm-mod.create=vroot,,,ro,0 8 PARTUUID=$root_uuid\"");
        for text in [CONFIGURATION, &slot] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            let checked = Command::new("grub-script-check").arg(file.path()).output();
            let checked = checked.unwrap();
            let said = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{said}");
        }
    }

    #[test]
    fn the_environment_is_at_one_place_and_in_one_sector() {
        let content = environment(&[("first", "a"), ("tries_a", "3")]).unwrap();
        let block = &content[tar::BLOCK..][..1024];
        let expected = b"# GRUB Environment Block\nfirst=a\ntries_a=3\n";
        assert!(block.starts_with(expected));
        assert!(block[expected.len()..].iter().all(|byte| *byte == b'#'));
        assert!(environment(&[("first", &"a".repeat(500))]).is_err());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        let sector = vec![0; SECTOR];
        assert!(link(&sector, &sector[1..], &mut vec![0; 1024], 1).is_err());
        assert!(link(&sector, &sector, &mut vec![0; 512], 1).is_err());
        assert!(link(&sector, &sector, &mut vec![0; 70_000 * SECTOR], 1).is_err());
    }
}
