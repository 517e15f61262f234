//! What a file has beside its content: owner, mode, times, extended attributes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::name;
use super::place::Place;
use crate::error::ToolError;

/// Set-user-ID and set-group-ID (inode(7)).
const PRIVILEGED: u32 = 0o6000;
/// The attribute with the capabilities of a program file (capabilities(7)).
const CAPABILITIES: &str = "security.capability";

/// The metadata of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last access and last modification: seconds, nanoseconds. `None`: as they come.
    pub times: Option<[(i64, i64); 2]>,
    /// Extended attributes (xattr(7)), access control lists among them, by their names in the written
    /// form of names.
    pub attributes: BTreeMap<String, Vec<u8>>,
}

impl Meta {
    /// That of a new file.
    pub fn new(mode: u32, (uid, gid): (u32, u32)) -> Self {
        Self {
            mode,
            uid,
            gid,
            times: None,
            attributes: BTreeMap::new(),
        }
    }

    /// That of an object held by [`Place::hold`].
    ///
    /// # Errors
    /// When it cannot be read whole.
    pub fn read(place: &Place, object: &OwnedFd) -> Result<(Stat, Self), ToolError> {
        let stat = rustix::fs::fstat(object).map_err(|error| place.error(error))?;
        let attributes = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => BTreeMap::new(),
            _ => read_attributes(&proc_path(object)).map_err(|error| place.error(error))?,
        };
        let meta = Self {
            mode: stat.st_mode & 0o7777,
            uid: stat.st_uid,
            gid: stat.st_gid,
            times: Some([
                (stat.st_atime, nanoseconds(stat.st_atime_nsec)),
                (stat.st_mtime, nanoseconds(stat.st_mtime_nsec)),
            ]),
            attributes,
        };
        Ok((stat, meta))
    }

    /// Does it let whoever runs the file do more than they may?
    pub fn has_privileges(&self) -> bool {
        self.mode & PRIVILEGED != 0 || self.attributes.contains_key(CAPABILITIES)
    }

    /// Takes that away. The answer: there was something to take.
    pub fn drop_privileges(&mut self) -> bool {
        let had = self.has_privileges();
        self.mode &= !PRIVILEGED;
        self.attributes.remove(CAPABILITIES);
        had
    }

    /// Gives it to what is at the place. Times come last: the rest changes them.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn apply(&self, place: &Place) -> Result<(), ToolError> {
        let object = place.hold()?;
        let fault = |error| place.error(error);
        let stat = rustix::fs::fstat(&object).map_err(fault)?;
        let link = FileType::from_raw_mode(stat.st_mode) == FileType::Symlink;
        if (stat.st_uid, stat.st_gid) != (self.uid, self.gid) {
            let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
            rustix::fs::chownat(&object, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH)
                .map_err(fault)?;
        }
        if !link {
            let path = proc_path(&object);
            write_attributes(&path, &self.attributes).map_err(fault)?;
            rustix::fs::chmod(&path, Mode::from_raw_mode(self.mode)).map_err(fault)?;
        }
        self.apply_times(place)
    }

    /// Gives only the times.
    ///
    /// # Errors
    /// What the kernel refused.
    pub fn apply_times(&self, place: &Place) -> Result<(), ToolError> {
        let Some([access, modification]) = self.times else {
            return Ok(());
        };
        let spec = |(tv_sec, tv_nsec)| Timespec { tv_sec, tv_nsec };
        let times = Timestamps {
            last_access: spec(access),
            last_modification: spec(modification),
        };
        rustix::fs::utimensat(
            &place.parent,
            &place.name,
            &times,
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .map_err(|error| place.error(error))
    }
}

/// Below 10⁹, whatever type stat(2) has for them.
fn nanoseconds(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(0)
}

/// A path to an object that is held, for calls that take no descriptor opened with `O_PATH`.
fn proc_path(object: &OwnedFd) -> PathBuf {
    Path::new("/proc/self/fd").join(object.as_raw_fd().to_string())
}

fn read_attributes(path: &Path) -> Result<BTreeMap<String, Vec<u8>>, Errno> {
    let mut found = BTreeMap::new();
    for name in attribute_names(path)? {
        let name = OsStr::from_bytes(&name);
        let size = match rustix::fs::getxattr_query(path, name) {
            Ok(size) => size,
            Err(Errno::NODATA | Errno::NOTSUP) => continue,
            Err(error) => return Err(error),
        };
        let mut value = vec![0; size];
        let read = rustix::fs::getxattr(path, name, &mut value[..])?;
        value.truncate(read);
        found.insert(name::encode(name), value);
    }
    Ok(found)
}

fn attribute_names(path: &Path) -> Result<Vec<Vec<u8>>, Errno> {
    let size = match rustix::fs::listxattr_query(path) {
        Ok(size) => size,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Vec::new()), // the file system has none
        Err(error) => return Err(error),
    };
    let mut list = vec![0; size];
    let read = rustix::fs::listxattr(path, &mut list[..])?;
    list.truncate(read);
    let names = list
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    Ok(names.map(<[u8]>::to_vec).collect())
}

/// Makes the attributes exactly these.
fn write_attributes(path: &Path, wanted: &BTreeMap<String, Vec<u8>>) -> Result<(), Errno> {
    let present = read_attributes(path)?;
    for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
        rustix::fs::removexattr(path, name::decode(name))?;
    }
    for (name, value) in wanted {
        if present.get(name) != Some(value) {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::setxattr(path, name::decode(name), value, flags)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read_and_given_whole() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (first, second) = (root.join("first"), root.join("second"));
        std::fs::write(&first, "").unwrap();
        std::fs::write(&second, "").unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        if rustix::fs::setxattr(&first, "user.note", b"kept\0", flags).is_err() {
            return; // this file system has no attributes
        }
        let odd = OsStr::from_bytes(b"user.caf\xe9"); // a name is any bytes
        rustix::fs::setxattr(&first, odd, b"odd", flags).unwrap();
        rustix::fs::setxattr(&second, "user.other", b"", flags).unwrap();
        rustix::fs::chmod(&first, Mode::from_raw_mode(0o4711)).unwrap();
        let place = |path: &Path| Place::open(path.to_str().unwrap()).unwrap();
        let read = |place: &Place| Meta::read(place, &place.hold().unwrap()).unwrap().1;
        let meta = read(&place(&first));
        assert_eq!(meta.attributes["user.note"], b"kept\0");
        assert_eq!(meta.mode, 0o4711);
        meta.apply(&place(&second)).unwrap();
        assert_eq!(read(&place(&second)), meta);
        let mut value = [0; 8];
        assert_eq!(rustix::fs::getxattr(&second, odd, &mut value[..]), Ok(3));
    }
}
