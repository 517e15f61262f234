//! The EFI system partition: FAT32 with GRUB where firmware looks for a boot loader on
//! a disk that it does not know (UEFI specification, 3.5.1.1).

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

/// Identity of the file system; fixed, see [`crate::layout::DISK_UUID`].
const VOLUME_ID: u32 = 0xa105_0e5f;

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
    // fatfs without its feature `chrono` gives every file the same time.
    let volume = FileSystem::new(&file, FsOptions::new())?;
    let folder = volume.root_dir().create_dir("EFI")?.create_dir("BOOT")?;
    folder
        .create_file("BOOTX64.EFI")?
        .write_all(boot_loader)
        .context("the boot loader does not fit into the EFI system partition")?;
    drop(folder);
    volume.unmount()?;
    Ok(file.sync_all()?)
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
