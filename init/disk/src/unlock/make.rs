//! Making an encrypted data partition of one that holds nothing.
//!
//! The header is made in memory and written last, its first block as the very last: until
//! then the first sector says that the partition is being made ([`volume::mark`]), and **a
//! power cut at any instant leaves one that the next boot makes again, or a whole one**.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use aios_config::Encryption;

use super::cryptsetup::{self, HEADER_LENGTH, WORK};
use super::keys::Keys;
use super::prompt::Terminals;
use super::volume::{self, MAPPED};

/// What is written last: the block with the primary header, and with ext4's superblock.
const FIRST_BLOCK: usize = 4096;

/// Makes it and leaves it open. What was on the device is gone.
///
/// # Errors
/// What could not be done. The next boot tries again, once the device was touched.
pub fn make(
    device: &Path,
    encryption: Encryption,
    keys: &Keys,
    terminals: &Terminals,
) -> Result<(), String> {
    cryptsetup::close()?;
    begin(device, encryption).map_err(|error| format!("{}: {error}", device.display()))?;
    super::grow(device);
    let header = PathBuf::from(WORK).join("header");
    cryptsetup::format(&header, device, keys.first())?;
    keys.add_to(&header)?;
    if !cryptsetup::open(device, Some(&header), keys.first().bytes)? {
        return Err("the new disk's own key does not open it".to_owned());
    }
    cryptsetup::make_file_system(Path::new(MAPPED))?;
    // Before it counts: a key that was not shown must not be the one.
    keys.show(terminals);
    finish(device, &header).map_err(|error| format!("{}: {error}", device.display()))
}

fn begin(device: &Path, encryption: Encryption) -> io::Result<()> {
    let device = File::options().write(true).open(device)?;
    device.write_all_at(&volume::mark(encryption), 0)?;
    device.sync_all()
}

/// Copies the header over; durable when this returns.
fn finish(device: &Path, header: &Path) -> io::Result<()> {
    // The file system first: its journal is complete, and nobody else writes.
    File::open(MAPPED)?.sync_all()?;
    let mut bytes = Vec::new();
    File::open(header)?
        .take(HEADER_LENGTH)
        .read_to_end(&mut bytes)?;
    let (first, rest) = bytes
        .split_at_checked(FIRST_BLOCK)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let device = File::options().write(true).open(device)?;
    device.write_all_at(rest, FIRST_BLOCK as u64)?;
    device.sync_all()?;
    device.write_all_at(first, 0)?;
    device.sync_all()?;
    std::fs::remove_file(header)
}

#[cfg(test)]
mod tests {
    use super::super::volume::Kind;
    use super::*;

    #[test]
    fn the_state_of_the_partition_changes_with_one_write() {
        let folder = tempfile::tempdir().unwrap();
        let (device, header) = (folder.path().join("device"), folder.path().join("header"));
        std::fs::write(&device, vec![0; 1 << 20]).unwrap();
        begin(&device, Encryption::Passphrase).unwrap();
        assert_eq!(
            volume::look(&device).unwrap(),
            Kind::Begun(Encryption::Passphrase)
        );
        let mut new = vec![7; 64 << 10];
        new[..6].copy_from_slice(b"LUKS\xba\xbe");
        std::fs::write(&header, &new).unwrap();
        let whole = File::options().write(true).open(&device).unwrap();
        whole
            .write_all_at(&new[FIRST_BLOCK..], FIRST_BLOCK as u64)
            .unwrap();
        assert_eq!(
            volume::look(&device).unwrap(),
            Kind::Begun(Encryption::Passphrase),
            "all but the last write"
        );
        whole.write_all_at(&new[..FIRST_BLOCK], 0).unwrap();
        assert_eq!(volume::look(&device).unwrap(), Kind::Encrypted);
    }
}
