//! What is done to the target.
//!
//! 1. The target's old table goes first, its new first sector comes last: **a cut at any
//!    instant leaves a disk that plainly does not boot**, never half a system.
//! 2. Everything that was written is read back from the disk and compared before that.
//! 3. The target is opened exclusively: what anybody uses is not erased.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::process::{Command, Stdio};

use aios_disk::gpt::{self, Entry};
use aios_disk::layout::{DATA_OPTIONS, SECTOR, SECTOR_LENGTH};
use sha2::{Digest, Sha256};

use super::plan::{self, BLOCK_AT, Piece, Plan, What};

/// Bytes that are handled at a time.
const CHUNK: usize = 1 << 20;

/// What we run from.
pub struct Medium {
    /// The whole of it.
    pub file: File,
    /// Its partitions.
    pub table: Vec<Entry>,
    first: Vec<u8>,
}

impl Medium {
    /// Reads a medium's table.
    ///
    /// # Errors
    /// It cannot be read, or is damaged or cut short.
    pub fn open(path: &Path) -> Result<Self, String> {
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let file = File::open(path).map_err(failed)?;
        let read = |sector: u64, length: usize| {
            let mut bytes = vec![0; length];
            let done = file.read_exact_at(&mut bytes, sector * SECTOR);
            done.map(|()| bytes).map_err(failed)
        };
        let (first, header) = (read(0, SECTOR_LENGTH)?, read(1, SECTOR_LENGTH)?);
        let entries = read(gpt::entries_at(&header)?, gpt::ENTRIES_LENGTH)?;
        let table = gpt::read(&header, &entries)?;
        Ok(Self { file, table, first })
    }
}

/// A random GUID (RFC 9562, version 4) as it is on a disk.
///
/// # Errors
/// The kernel gives no random numbers.
pub fn guid() -> io::Result<[u8; 16]> {
    let mut guid = [0; 16];
    // Waits until there is entropy, which an identity for life is worth.
    io::Read::read_exact(&mut File::open("/dev/random")?, &mut guid)?;
    guid[7] = guid[7] & 0x0f | 0x40;
    guid[8] = guid[8] & 0x3f | 0x80;
    Ok(guid)
}

/// Reads a whole device, telling in percent how far it is.
///
/// # Errors
/// It cannot be read to its end.
pub fn read_through(path: &Path, tell: &mut dyn FnMut(u64)) -> io::Result<()> {
    let file = File::open(path)?;
    let length = io::Seek::seek(&mut &file, io::SeekFrom::End(0))?;
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        let piece = buffer
            .len()
            .min(usize::try_from(length - at).unwrap_or(CHUNK));
        file.read_exact_at(&mut buffer[..piece], at)?;
        at += piece as u64;
        tell(at * 100 / length);
    }
    Ok(())
}

/// Installs. `tell` hears what is being done, and how far it is in percent.
///
/// # Errors
/// What failed. The target does not boot then.
pub fn install(
    medium: &Medium,
    target: &Path,
    plan: &Plan,
    disk: [u8; 16],
    tell: &mut dyn FnMut(&str, u64),
) -> Result<(), String> {
    let said = |what: &'static str| move |error: io::Error| format!("cannot {what}: {error}");
    let file = open(target).map_err(said("open the disk"))?;
    tell("erasing", 0);
    wipe(&file, plan.sectors).map_err(said("erase the old partition table"))?;
    let total: u64 = plan.pieces.iter().map(|piece| piece.length).sum();
    let (mut done, mut sums) = (0, Vec::new());
    for piece in &plan.pieces {
        each(piece, |at, buffer| {
            fill(medium, piece, at, buffer)?;
            let written = file.write_all_at(buffer, at);
            written.map_err(|error| format!("cannot write {}: {error}", piece.name))?;
            sums.push(sum(buffer));
            done += buffer.len() as u64;
            tell("writing", done * 100 / total);
            Ok(())
        })?;
    }
    file.sync_all().map_err(said("write everything down"))?;
    drop(file); // mke2fs wants it for itself, too
    tell("making the data file system", 0);
    make_data(target, plan.data)?;
    let file = open(target).map_err(said("open the disk"))?;
    verify(&file, plan, &sums, tell)?;
    let table = gpt::make(&plan.entries, disk, plan.sectors, &medium.first)?;
    for (sector, bytes) in table.writes {
        let at = sector * SECTOR;
        let written = file.write_all_at(&bytes, at).and_then(|()| file.sync_all());
        written.map_err(said("write the partition table"))?;
        forget(&file);
        let mut back = vec![0; bytes.len()];
        file.read_exact_at(&mut back, at)
            .map_err(said("read the partition table back"))?;
        if back != bytes {
            return Err("the disk does not keep its partition table".to_owned());
        }
    }
    Ok(())
}

fn open(target: &Path) -> io::Result<File> {
    // Of a device, O_EXCL without O_CREAT: nobody else may have it mounted or open so.
    let flags = nix::libc::O_EXCL | nix::libc::O_CLOEXEC;
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(target)
}

/// From here on nothing finds a system, or a table, on it.
fn wipe(file: &File, sectors: u64) -> io::Result<()> {
    let zeros = vec![0; CHUNK];
    let end = (sectors * SECTOR).saturating_sub(CHUNK as u64);
    for at in [0, end] {
        file.write_all_at(&zeros, at)?;
        file.sync_all()?;
    }
    Ok(())
}

/// Walks over a piece.
fn each(
    piece: &Piece,
    mut work: impl FnMut(u64, &mut [u8]) -> Result<(), String>,
) -> Result<(), String> {
    let mut buffer = vec![0; CHUNK];
    let end = piece.at + piece.length;
    let mut at = piece.at;
    while at < end {
        let length = CHUNK.min(usize::try_from(end - at).unwrap_or(CHUNK));
        work(at, &mut buffer[..length])?;
        at += length as u64;
    }
    Ok(())
}

/// What belongs there.
fn fill(medium: &Medium, piece: &Piece, at: u64, buffer: &mut [u8]) -> Result<(), String> {
    if piece.what == What::Zero {
        buffer.fill(0);
        return Ok(());
    }
    medium
        .file
        .read_exact_at(buffer, at)
        .map_err(|error| format!("cannot read {} of this medium: {error}", piece.name))?;
    if piece.what == What::Environment && at == piece.at {
        let block = plan::environment(buffer)?;
        buffer[BLOCK_AT..BLOCK_AT + block.len()].copy_from_slice(&block);
    }
    Ok(())
}

/// What tells a chunk from every other. Zeros, most of a disk, are told apart without a hash.
fn sum(bytes: &[u8]) -> Option<[u8; 32]> {
    let zero = bytes.iter().all(|byte| *byte == 0);
    (!zero).then(|| Sha256::digest(bytes).into())
}

fn verify(
    file: &File,
    plan: &Plan,
    sums: &[Option<[u8; 32]>],
    tell: &mut dyn FnMut(&str, u64),
) -> Result<(), String> {
    forget(file);
    let total: u64 = plan.pieces.iter().map(|piece| piece.length).sum();
    let (mut done, mut sums) = (0, sums.iter());
    for piece in &plan.pieces {
        each(piece, |at, buffer| {
            file.read_exact_at(buffer, at)
                .map_err(|error| format!("cannot read {} back: {error}", piece.name))?;
            if sums.next() != Some(&sum(buffer)) {
                return Err(format!(
                    "{} is not what was written: the disk is faulty",
                    piece.name
                ));
            }
            done += buffer.len() as u64;
            tell("reading back", done * 100 / total);
            Ok(())
        })?;
    }
    Ok(())
}

/// What is read next comes from the disk, not from memory.
fn forget(file: &File) {
    // Err: then it may come from memory; what is wrong then, verity finds at boot.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
}

/// An empty file system, where the data partition will be.
fn make_data(target: &Path, (at, length): (u64, u64)) -> Result<(), String> {
    let made = Command::new("/sbin/mke2fs")
        .args(["-q", "-F"])
        .args(DATA_OPTIONS)
        .arg("-E")
        .arg(format!("offset={at},nodiscard,root_owner=0:0"))
        .arg(target)
        .arg(format!("{}k", length / 1024))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run mke2fs: {error}"))?;
    match made.status.success() {
        true => Ok(()),
        false => Err(format!(
            "cannot make the data file system: {}",
            super::disks::plain(&String::from_utf8_lossy(&made.stderr))
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_update::environment::Environment;

    const MIB: u64 = 2048;

    /// A medium and an old disk in files.
    fn medium(folder: &Path) -> std::path::PathBuf {
        let names = [
            "bios",
            "esp",
            "grubenv",
            "boot-a",
            "root-a",
            "boot-b",
            "root-b",
            "aios-data",
        ];
        let entry = |(nth, name): (usize, &&str)| Entry {
            number: nth + 1,
            kind: [nth as u8 + 1; 16],
            guid: [9; 16],
            first: (nth as u64 + 1) * MIB,
            last: (nth as u64 + 2) * MIB - 1,
            attributes: 0,
            name: (*name).to_owned(),
        };
        let entries: Vec<Entry> = names.iter().enumerate().map(entry).collect();
        let path = folder.join("medium");
        let file = File::create(&path).unwrap();
        let sectors = 10 * MIB;
        file.set_len(sectors * 512).unwrap();
        for (sector, bytes) in gpt::make(&entries, [1; 16], sectors, &[0xfa; 512])
            .unwrap()
            .writes
        {
            file.write_all_at(&bytes, sector * 512).unwrap();
        }
        for entry in &entries {
            file.write_all_at(entry.name.as_bytes(), entry.first * 512 + 700)
                .unwrap();
        }
        let mut environment = Environment::default();
        environment.set("install", "1");
        let block = environment.encode(&[]).unwrap();
        file.write_all_at(&block, 3 * MIB * 512 + BLOCK_AT as u64)
            .unwrap();
        path
    }

    fn old_disk(folder: &Path, sectors: u64) -> std::path::PathBuf {
        let path = folder.join("target");
        let file = File::create(&path).unwrap();
        file.set_len(sectors * 512).unwrap();
        for at in [0, 1, 2 * MIB, 6 * MIB, 7 * MIB, sectors - 1] {
            file.write_all_at(b"old bytes", at * 512).unwrap();
        }
        path
    }

    #[test]
    fn the_target_becomes_what_the_medium_holds_and_the_boot_sector_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let medium = Medium::open(&medium(folder.path())).unwrap();
        let sectors = plan::needed(&medium.table).unwrap() + 333;
        let target = old_disk(folder.path(), sectors);
        let plan = plan::plan(&medium.table, sectors, &mut || guid().unwrap()).unwrap();
        let mut boots = Vec::new();
        let disk = target.clone();
        let mut tell = |_: &str, _| {
            let mut first = [0; 512];
            File::open(&disk)
                .unwrap()
                .read_exact_at(&mut first, 0)
                .unwrap();
            boots.push(first[510] == 0x55 || first.starts_with(b"old"));
        };
        install(&medium, &target, &plan, guid().unwrap(), &mut tell).unwrap();
        // Erasing is told before it is done.
        assert!(boots.iter().skip(1).all(|boots| !boots), "{boots:?}");
        let new = Medium::open(&target).unwrap();
        assert_eq!(new.table, plan.entries);
        assert!(new.first[..440].iter().all(|byte| *byte == 0xfa));
        let text = |at: u64, length: usize| {
            let mut bytes = vec![0; length];
            new.file.read_exact_at(&mut bytes, at).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        for name in ["bios", "esp", "boot-a", "root-a"] {
            let entry = new.table.iter().find(|entry| entry.name == name).unwrap();
            assert_eq!(text(entry.first * 512 + 700, name.len()), name);
        }
        assert_eq!(
            text(6 * MIB * 512, 9),
            "\0".repeat(9),
            "an old boot-b is gone"
        );
        let block = text(3 * MIB * 512 + BLOCK_AT as u64, 1024);
        let environment = Environment::decode(block.as_bytes()).unwrap();
        assert_eq!(
            (environment.get("install"), environment.get("first")),
            (None, Some("a"))
        );
        let fsck = Command::new("/sbin/e2fsck")
            .args(["-fn"])
            .arg(format!("{}?offset={}", target.display(), plan.data.0))
            .output()
            .unwrap();
        assert!(fsck.status.success(), "{fsck:?}");
    }

    #[test]
    fn a_medium_that_is_cut_short_or_damaged_is_found_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = medium(folder.path());
        let file = File::options().write(true).open(&path).unwrap();
        let whole = Medium::open(&path).unwrap();
        let sectors = plan::needed(&whole.table).unwrap();
        let target = old_disk(folder.path(), sectors);
        let plan = plan::plan(&whole.table, sectors, &mut || [5; 16]).unwrap();
        file.set_len(5 * MIB * 512 + 100).unwrap();
        let failed = install(&whole, &target, &plan, [6; 16], &mut |_, _| {}).unwrap_err();
        assert!(
            failed.contains("cannot read root-a of this medium"),
            "{failed}"
        );
        assert!(Medium::open(&target).is_err(), "half a system is none");
        file.set_len(600).unwrap();
        assert!(Medium::open(&path).is_err());
        assert!(Medium::open(&folder.path().join("nothing")).is_err());
    }

    #[test]
    fn every_guid_is_another() {
        let (one, two) = (guid().unwrap(), guid().unwrap());
        assert_ne!(one, two);
        assert_eq!((one[7] >> 4, one[8] >> 6), (4, 2));
    }
}
