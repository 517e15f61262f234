//! A place in the file system that cannot be moved under us: an open parent directory, reached
//! without following any symbolic link, and one name in it.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use super::secrets::Secrets;
use super::{name, path, quarantine};
use crate::context::Context;
use crate::error::ToolError;

/// How many directories below the place that a call names an act may go. Every level costs a file
/// descriptor and a stack frame of the act's thread (2 MiB), and other users make these trees.
pub const DEPTH_MAX: usize = 256;

/// Where an act works.
#[derive(Debug)]
pub struct Place {
    /// The resolved path; [`Self::shown`] is for messages.
    pub path: PathBuf,
    /// The directory that it is in.
    pub parent: Arc<OwnedFd>,
    /// Its name there; `.` for the root directory.
    pub name: OsString,
    /// How many directories it is below the place that was opened by its path.
    depth: usize,
    /// Files that are not read under any name; `None`: all may be.
    secrets: Option<Arc<Secrets>>,
}

impl Place {
    /// Opens the parent of a resolved path.
    ///
    /// # Errors
    /// `Precondition` naming the missing folder, or that something on the way was replaced by a
    /// symbolic link since the path was resolved.
    pub(crate) fn open(path: &str) -> Result<Self, ToolError> {
        let path = name::decode(path);
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name.to_owned()),
            _ => (Path::new("/"), OsString::from(".")),
        };
        Ok(Self {
            parent: Arc::new(open_folder(folder)?),
            name,
            path,
            depth: 0,
            secrets: None,
        })
    }

    /// The same; `None` when the parent does not exist.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn open_if_any(path: &str) -> Result<Option<Self>, ToolError> {
        let whole = name::decode(path);
        let parent = whole.parent().unwrap_or(Path::new("/"));
        match parent.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            _ => Self::open(path).map(Some),
        }
    }

    /// The same place, at and below which these files are not read under any name.
    pub(crate) fn keeping(self, secrets: Arc<Secrets>) -> Self {
        Self {
            secrets: Some(secrets),
            ..self
        }
    }

    /// Opens a file's content for reading, without leaving a trace in its access time where that
    /// is permitted. Never blocks, whatever it is.
    ///
    /// # Errors
    /// `Denied` for another name of what holds secrets; what the kernel says.
    pub fn open_content(&self) -> Result<std::fs::File, ToolError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |flags| rustix::fs::openat(&self.parent, &self.name, flags, Mode::empty());
        let opened = match open(flags | OFlags::NOATIME) {
            Err(Errno::PERM) => open(flags),
            other => other,
        };
        let opened = opened.map_err(|error| self.error(error))?;
        if let Some(secrets) = &self.secrets
            && secrets.contain(&rustix::fs::fstat(&opened).map_err(|error| self.error(error))?)
        {
            return Err(ToolError::Denied(format!(
                "{} cannot be read by a tool: it is another name of a file that holds secrets",
                self.shown()
            )));
        }
        Ok(opened.into())
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

    /// Are there keys or passwords here, which no tool may read?
    pub fn is_secret(&self, context: &Context) -> bool {
        path::readable(&self.shown(), context).is_err()
    }

    /// The same folder, another name.
    pub fn sibling(&self, name: &str) -> Self {
        Self {
            path: self.path.with_file_name(name),
            parent: Arc::clone(&self.parent),
            name: name.into(),
            depth: self.depth,
            secrets: self.secrets.clone(),
        }
    }

    /// Holds the object itself (the link, if it is one), without opening its content.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn hold(&self) -> Result<OwnedFd, ToolError> {
        self.open_with(OFlags::PATH, Mode::empty())
    }

    /// What is in this directory, ordered by name, without the quarantine of a file system. The only way down a tree, so that every walk has
    /// the bound of [`DEPTH_MAX`].
    ///
    /// # Errors
    /// `Precondition` when it is too deep below the place where the walk began; otherwise when it
    /// is no directory or cannot be read.
    pub fn children(&self) -> Result<Vec<Self>, ToolError> {
        if self.depth >= DEPTH_MAX {
            return Err(ToolError::Precondition(format!(
                "{}: is nested more than {DEPTH_MAX} directories deep",
                self.shown()
            )));
        }
        let folder = self.open_with(OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty())?;
        let folder = Arc::new(folder);
        let mut names: Vec<OsString> = Vec::new();
        let entries = rustix::fs::Dir::read_from(&folder).map_err(|error| self.error(error))?;
        for entry in entries {
            let entry = entry.map_err(|error| self.error(error))?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(OsStr::from_bytes(name).to_owned());
            }
        }
        if self.is_mounted() {
            names.retain(|name| name != quarantine::NAME);
        }
        names.sort();
        let child = |name: OsString| Self {
            path: self.path.join(&name),
            parent: Arc::clone(&folder),
            name,
            depth: self.depth + 1,
            secrets: self.secrets.clone(),
        };
        Ok(names.into_iter().map(child).collect())
    }

    /// The place in this directory, which `folder` holds open, that has the name of `child`: where
    /// the counterpart of a tree's entry is in another tree.
    pub fn counterpart(&self, folder: &Arc<OwnedFd>, child: &Self) -> Self {
        Self {
            path: self.path.join(&child.name),
            parent: Arc::clone(folder),
            name: child.name.clone(),
            depth: self.depth + 1,
            secrets: self.secrets.clone(),
        }
    }

    /// Makes what changed in the parent durable.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn sync_parent(&self) -> Result<(), ToolError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::openat(&self.parent, ".", flags, Mode::empty())
            .and_then(|folder| rustix::fs::fsync(&folder))
            .map_err(|error| self.error(error))
    }

    /// Is something mounted here? Not known (so: no) before Linux 5.8.
    pub fn is_mounted(&self) -> bool {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        rustix::fs::statx(&self.parent, &self.name, flags, StatxFlags::empty())
            .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
    }

    /// Can a rename move something from here to there? Not from one mount to another, even of the
    /// same file system.
    pub fn is_on_the_mount_of(&self, other: &Self) -> bool {
        let own = quarantine::mount(&self.parent);
        own.is_some() && own == quarantine::mount(&other.parent)
    }

    /// Its path in its written form, for people and as an argument.
    pub fn shown(&self) -> String {
        name::encode(&self.path)
    }

    /// An error that names the place.
    pub fn error(&self, error: Errno) -> ToolError {
        match error {
            Errno::LOOP => ToolError::Precondition(format!(
                "{}: was replaced by a symbolic link",
                self.shown()
            )),
            _ => ToolError::io(self.shown(), error),
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
        Errno::NOENT => ToolError::Precondition(format!(
            "the folder {} does not exist",
            name::encode(folder)
        )),
        Errno::NOTDIR => {
            ToolError::Precondition(format!("{} is not a directory", name::encode(folder)))
        }
        Errno::LOOP => ToolError::Precondition(format!(
            "{}: a part of the path was replaced by a symbolic link",
            name::encode(folder)
        )),
        _ => ToolError::io(name::encode(folder), error),
    })
}
