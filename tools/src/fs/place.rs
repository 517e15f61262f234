//! A place in the file system that cannot be moved under us: an open parent directory, reached
//! without following any symbolic link, and one name in it.

use std::ffi::OsString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::error::ToolError;

/// Where an act works.
#[derive(Debug)]
pub struct Place {
    /// The resolved path, for messages.
    pub path: PathBuf,
    /// The directory that it is in.
    pub parent: OwnedFd,
    /// Its name there; `.` for the root directory.
    pub name: OsString,
}

impl Place {
    /// Opens the parent of a resolved path.
    ///
    /// # Errors
    /// `Precondition` naming the missing folder, or that something on the way was replaced by a
    /// symbolic link since the path was resolved.
    pub fn open(path: &str) -> Result<Self, ToolError> {
        let path = Path::new(path);
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name.to_owned()),
            _ => (Path::new("/"), OsString::from(".")),
        };
        Ok(Self {
            path: path.to_owned(),
            parent: open_folder(folder)?,
            name,
        })
    }

    /// What is there (the link itself, if it is one); `None` when nothing is.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub fn stat(&self) -> Result<Option<Stat>, ToolError> {
        match rustix::fs::statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(self.error(error)),
        }
    }

    /// What is there.
    ///
    /// # Errors
    /// `Precondition` when nothing is.
    pub fn existing(&self) -> Result<Stat, ToolError> {
        self.stat()?.ok_or_else(|| self.error(Errno::NOENT))
    }

    /// Opens it without following a link in the last place either.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn open_with(&self, flags: OFlags, mode: Mode) -> Result<OwnedFd, ToolError> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, &self.name, flags, mode).map_err(|error| self.error(error))
    }

    /// A path to it through the open parent, for calls that have no `at` form (xattr(7)).
    pub fn through_parent(&self) -> PathBuf {
        Path::new("/proc/self/fd")
            .join(self.parent.as_raw_fd().to_string())
            .join(&self.name)
    }

    /// An error that names the place.
    pub fn error(&self, error: Errno) -> ToolError {
        match error {
            Errno::LOOP => ToolError::Precondition(format!(
                "{}: was replaced by a symbolic link",
                self.path.display()
            )),
            _ => ToolError::io(self.path.display(), error),
        }
    }
}

/// Opens a directory by its resolved path; any symbolic link on the way is an error.
///
/// # Errors
/// `Precondition` naming the folder.
pub fn open_folder(folder: &Path) -> Result<OwnedFd, ToolError> {
    rustix::fs::openat2(
        rustix::fs::CWD,
        folder,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS,
    )
    .map_err(|error| match error {
        Errno::NOENT => {
            ToolError::Precondition(format!("the folder {} does not exist", folder.display()))
        }
        Errno::NOTDIR => {
            ToolError::Precondition(format!("{} is not a directory", folder.display()))
        }
        Errno::LOOP => ToolError::Precondition(format!(
            "{}: a part of the path was replaced by a symbolic link",
            folder.display()
        )),
        _ => ToolError::io(folder.display(), error),
    })
}
