//! The EFI system partition: FAT32 with GRUB where firmware looks for a boot loader on
//! a disk that it does not know (UEFI specification, 3.5.1.1).

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

use aios_disk::layout::{SECTOR, SECTOR_LENGTH};
use anyhow::{Context, Result, ensure};
use fatfs::{Date, DateTime, FatType, FileSystem, FormatVolumeOptions, FsOptions, Time};

/// Identity of the file system; fixed, see [`crate::layout::DISK_UUID`].
const VOLUME_ID: u32 = 0xa105_0e5f;

/// The time of everything in it.
#[derive(Debug)]
struct Always;

impl fatfs::TimeProvider for Always {
    fn get_current_date(&self) -> Date {
        Date {
            year: 2020,
            month: 1,
            day: 1,
        }
    }

    fn get_current_date_time(&self) -> DateTime {
        let time = Time {
            hour: 0,
            min: 0,
            sec: 0,
            millis: 0,
        };
        DateTime {
            date: self.get_current_date(),
            time,
        }
    }
}

/// Makes an EFI system partition of `length` bytes in a new file at `path`.
///
/// # Errors
/// When the boot loader does not fit, or the file cannot be written.
pub fn make(path: &Path, length: u64, boot_loader: &[u8]) -> Result<()> {
    let file = File::options()
        .read(true)
        .write(true)
        .create_new(true)
        .open(path)
        .with_context(|| path.display().to_string())?;
    file.set_len(length)?;
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(512)
        .volume_id(VOLUME_ID)
        .volume_label(*b"AIOS-ESP   ");
    fatfs::format_volume(&file, options).context("cannot make the EFI system partition")?;
    let volume = FileSystem::new(&file, FsOptions::new().time_provider(&Always))?;
    let folder = volume.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
    folder
        .create_file("BOOTX64.EFI")?
        .write_all(boot_loader)
        .context("the boot loader does not fit into the EFI system partition")?;
    drop(folder);
    volume.unmount()?;
    correct_parent(&file)?;
    Ok(file.sync_all()?)
}

/// The parent of a folder in the root folder is "cluster 0" (FAT specification, 6.5);
/// fatfs 0.3 writes the root's own number. `EFI` is the first thing after the root.
fn correct_parent(file: &File) -> Result<()> {
    let mut boot = [0; SECTOR_LENGTH];
    file.read_exact_at(&mut boot, 0)?;
    let reserved = u64::from(u16::from_le_bytes([boot[14], boot[15]]));
    let table = u64::from(u32::from_le_bytes([boot[36], boot[37], boot[38], boot[39]]));
    let entry = (reserved + u64::from(boot[16]) * table + 1) * SECTOR + 32;
    let mut name = [0; 11];
    file.read_exact_at(&mut name, entry)?;
    ensure!(
        &name == b"..         ",
        "the folder EFI is not where it should be"
    );
    file.write_all_at(&[0; 2], entry + 20)?;
    Ok(file.write_all_at(&[0; 2], entry + 26)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn firmware_finds_the_boot_loader_and_the_bytes_are_always_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (one, two) = (folder.path().join("1"), folder.path().join("2"));
        let loader = vec![0x4d; 700_001];
        make(&one, 40 << 20, &loader).unwrap();
        std::process::Command::new("sleep")
            .arg("2.1")
            .status()
            .unwrap(); // FAT's clock ticks in 2 s
        make(&two, 40 << 20, &loader).unwrap();
        assert!(std::fs::read(&one).unwrap() == std::fs::read(&two).unwrap());
        let file = File::options().read(true).write(true).open(&one).unwrap();
        let volume = FileSystem::new(file, FsOptions::new()).unwrap();
        assert_eq!(volume.fat_type(), FatType::Fat32);
        let mut read = Vec::new();
        let mut found = volume.root_dir().open_file("efi/boot/bootx64.efi").unwrap();
        found.read_to_end(&mut read).unwrap();
        assert!(read == loader);
    }
}
