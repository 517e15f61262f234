//! What is done to disks: the environment block, an image, the room that is left.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, FileTypeExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{Advice, OFlags};
use sha2::{Digest, Sha256};

use crate::bundle::{Part, hex};
use crate::environment::{Environment, LENGTH, OFFSET};
use crate::error::Failure;
use crate::slots::VARIABLES;

/// Bytes that are copied at a time.
const PIECE: usize = 1 << 20;

/// Reads the boot loader's environment.
///
/// # Errors
/// When it cannot be read or is damaged.
pub fn environment(path: &Path) -> Result<Environment, Failure> {
    let mut block = [0; LENGTH];
    let file = File::open(path).map_err(Failure::io("open", path))?;
    file.read_exact_at(&mut block, OFFSET)
        .map_err(Failure::io("read", path))?;
    Ok(Environment::decode(&block)?)
}

/// Replaces the boot loader's environment, in one write; on the disk when it returns.
///
/// # Errors
/// When it does not fit or cannot be written.
pub fn put_environment(path: &Path, environment: &Environment) -> Result<(), Failure> {
    let block = environment.encode(&VARIABLES)?;
    let file = exclusive(path, false)?;
    match file.write_at(&block, OFFSET) {
        Ok(LENGTH) => file.sync_all().map_err(Failure::io("sync", path)),
        Ok(_) => Err(Failure::io("write all of", path)(
            io::ErrorKind::WriteZero.into(),
        )),
        Err(error) => Err(Failure::io("write", path)(error)),
    }
}

/// Writes an image that begins at `at` of `source` to a device; on the disk when it returns.
/// `goes_on` is told how many bytes were written, and ends it by `false`.
///
/// # Errors
/// When the device is in use, cannot be written, or nobody wants it any more.
pub fn write(
    target: &Path,
    source: &File,
    at: u64,
    length: u64,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<(), Failure> {
    let file = exclusive(target, false)?;
    each_piece(length, |offset, piece| {
        source
            .read_exact_at(piece, at + offset)
            .map_err(Failure::io("read the staged copy for", target))?;
        file.write_all_at(piece, offset)
            .map_err(Failure::io("write", target))?;
        if goes_on(piece.len() as u64) {
            Ok(())
        } else {
            Err(Failure::GivenUp)
        }
    })?;
    file.sync_all().map_err(Failure::io("sync", target))
}

/// Is this image what the device holds? Read from the device, not from memory.
///
/// # Errors
/// When it cannot be read, holds something else, or nobody wants to know any more.
pub fn check(
    target: &Path,
    part: &Part,
    goes_on: &mut dyn FnMut(u64) -> bool,
) -> Result<(), Failure> {
    let file = exclusive(target, true)?;
    // What was written is clean by now and can be forgotten.
    rustix::fs::fadvise(&file, 0, None, Advice::DontNeed)
        .map_err(|error| Failure::io("reread", target)(error.into()))?;
    let mut hash = Sha256::new();
    each_piece(part.length, |offset, piece| {
        file.read_exact_at(piece, offset)
            .map_err(Failure::io("read back", target))?;
        hash.update(&*piece);
        if goes_on(piece.len() as u64) {
            Ok(())
        } else {
            Err(Failure::GivenUp)
        }
    })?;
    if hex(&hash.finalize()) == part.sha256 {
        Ok(())
    } else {
        Err(Failure::ReadBack {
            path: target.to_owned(),
        })
    }
}

/// Bytes that are free in the file system of a folder.
///
/// # Errors
/// When it cannot be asked.
pub fn free(folder: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(folder)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Opens a device that nothing else uses: O_EXCL of a block device fails while it is
/// mounted or under another device, so what runs cannot be written even by mistake.
fn exclusive(path: &Path, read_only: bool) -> Result<File, Failure> {
    let device = path
        .metadata()
        .map_err(Failure::io("look at", path))?
        .file_type()
        .is_block_device();
    let flags = if device { OFlags::EXCL.bits() } else { 0 };
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(!read_only)
        .custom_flags(flags.cast_signed());
    options.open(path).map_err(Failure::io("open", path))
}

fn each_piece(
    length: u64,
    mut act: impl FnMut(u64, &mut [u8]) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE];
    let mut offset = 0;
    while offset < length {
        let piece = usize::try_from(length - offset).unwrap_or(PIECE).min(PIECE);
        act(offset, &mut buffer[..piece])?;
        offset += piece as u64;
    }
    Ok(())
}
