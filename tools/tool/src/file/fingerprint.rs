//! What is at a place, as one line that differs when it was changed.

use std::io::{self, Read};

use rustix::fs::FileType;
use sha2::{Digest, Sha256};

use super::meta::Meta;
use super::place::Place;
use crate::error::ToolError;

/// Up to this size a single file's content counts; of larger ones, and of those in folders, size
/// and time of change do. 64 MiB are hashed in about 0.2 s.
const CONTENT_MAX: i64 = 64 * 1024 * 1024;

/// The fingerprint of nothing.
pub const ABSENT: &str = "absent";

/// The fingerprint of what is at a resolved path, with everything below it.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn at(path: &str) -> Result<String, ToolError> {
    match Place::open_if_any(path)? {
        None => Ok(ABSENT.to_owned()),
        Some(place) => of(&place),
    }
}

/// The fingerprint of what is at the place, with everything below it.
///
/// # Errors
/// When it cannot be read.
pub fn of(place: &Place) -> Result<String, ToolError> {
    if place.stat()?.is_none() {
        return Ok(ABSENT.to_owned());
    }
    let mut digest = Sha256::new();
    add(&mut digest, place, true)?;
    Ok(format!("sha256:{:x}", digest.finalize()))
}

/// What tells what a preview was made of from everything that may be there later: as [`of`], and of a
/// file that was written to, also when its size and times are as before. For an approval, not for an
/// undo: reading, and more names, are changes of the last kind of time.
///
/// # Errors
/// When it cannot be read.
pub fn seen(place: &Place) -> Result<String, ToolError> {
    let mut digest = Sha256::new();
    add_seen(&mut digest, place)?;
    Ok(format!("{} {:x}", of(place)?, digest.finalize()))
}

/// Adds what the kernel alone sets (inode(7)): when it was last changed. Not the inode's number, which
/// under overlayfs is another one after each mount: an approval outlives a restart.
fn add_seen(digest: &mut Sha256, place: &Place) -> Result<(), ToolError> {
    let stat = place.existing()?;
    let (seconds, nanoseconds) = (stat.st_ctime, stat.st_ctime_nsec);
    digest.update(format!("{seconds} {nanoseconds} "));
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        for child in place.children()? {
            add_seen(digest, &child)?;
        }
        digest.update([0xff]); // ends the list: a number begins otherwise
    }
    Ok(())
}

/// The fingerprint of a folder itself, whatever is in it. Without its inode number, which under
/// overlayfs is another one after each mount.
///
/// # Errors
/// When it cannot be read.
pub fn of_folder_itself(place: &Place) -> Result<String, ToolError> {
    let Some(stat) = place.stat()? else {
        return Ok(ABSENT.to_owned());
    };
    let (_, meta) = Meta::read(place, &place.hold()?)?;
    Ok(format!(
        "{}:{:o}:{}:{}",
        super::kind_name(FileType::from_raw_mode(stat.st_mode)),
        meta.mode,
        meta.uid,
        meta.gid
    ))
}

fn add(digest: &mut Sha256, place: &Place, top: bool) -> Result<(), ToolError> {
    let (stat, meta) = Meta::read(place, &place.hold()?)?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    let mut field = |bytes: &[u8]| {
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    };
    field(super::kind_name(kind).as_bytes());
    field(format!("{:o} {} {}", meta.mode, meta.uid, meta.gid).as_bytes());
    for (name, value) in &meta.attributes {
        field(name.as_bytes());
        field(value);
    }
    match kind {
        FileType::RegularFile if top && stat.st_size <= CONTENT_MAX => {
            let content = content_digest(place)?;
            field(&content);
        }
        FileType::RegularFile => {
            let (seconds, nanoseconds) = (stat.st_mtime, stat.st_mtime_nsec);
            field(format!("{} {seconds} {nanoseconds}", stat.st_size).as_bytes());
        }
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())
                .map_err(|error| place.error(error))?;
            field(target.to_bytes());
        }
        FileType::Directory => {
            for child in place.children()? {
                digest.update(child.name.as_encoded_bytes());
                digest.update([0]);
                add(digest, &child, false)?;
            }
            digest.update([0xff]); // ends the list: no name begins with it after a NUL
        }
        _ => {}
    }
    Ok(())
}

/// SHA-256 of a regular file's content.
///
/// # Errors
/// When it cannot be read.
pub fn content_digest(place: &Place) -> Result<[u8; 32], ToolError> {
    let mut file = place.open_content()?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(digest.finalize().into()),
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ToolError::io(place.shown(), error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::disallowed_methods)] // its thread is its own
    fn what_was_seen_is_not_what_was_written_since_with_the_same_size_and_time() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap().join("x");
        std::fs::create_dir(&path).unwrap();
        let (file, place) = (path.join("file"), Place::open(path.to_str().unwrap()));
        let place = place.unwrap();
        std::fs::write(&file, "one").unwrap();
        let time = std::fs::metadata(&file).unwrap().modified().unwrap();
        let before = (of(&place).unwrap(), seen(&place).unwrap());
        assert_eq!(seen(&place).unwrap(), before.1);
        std::thread::sleep(std::time::Duration::from_millis(20)); // a tick of the kernel's clock
        std::fs::write(&file, "two").unwrap();
        let open = std::fs::File::options().write(true).open(&file).unwrap();
        open.set_modified(time).unwrap();
        assert_eq!(
            of(&place).unwrap(),
            before.0,
            "nothing tells it by the looks"
        );
        assert_ne!(seen(&place).unwrap(), before.1);
    }

    #[test]
    fn a_folder_has_no_fingerprint_of_its_inode() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let of = |name: &str| {
            let path = root.join(name);
            std::fs::create_dir(&path).unwrap();
            of_folder_itself(&Place::open(path.to_str().unwrap()).unwrap()).unwrap()
        };
        assert_eq!(of("one"), of("other"));
    }
}
