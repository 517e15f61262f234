//! The appliance's file system, reached by the tester from outside.
//!
//! Every path is resolved by the kernel inside the root (`RESOLVE_IN_ROOT` of openat2(2)): a link that
//! the appliance made, absolute or with `..`, leads to where it leads there, never to a file of this machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, Dir, FileType, Gid, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::form::Kind;

/// The largest file that is read, in bytes. No goal makes a larger one.
const FILE_MAX: u64 = 256 * 1024 * 1024;

/// The most entries of a folder and what is below it that are looked at.
const ENTRIES_MAX: usize = 200_000;

/// How often a path is resolved again when something was moved meanwhile.
const TRIES: usize = 16;

/// What a name is, without following it when it is a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
}

/// What a snapshot says of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    Folder(u32),
    /// Permission bits, and the content's SHA-256; of a device or a pipe nothing.
    File(u32, Vec<u8>),
    Link(Vec<u8>),
}

/// A folder with all that is below it, by path; empty when nothing is there.
pub type Snapshot = BTreeMap<String, Seen>;

/// The root of a file system.
pub struct Root {
    folder: OwnedFd,
}

impl Root {
    /// That of a process, in its mount namespace.
    ///
    /// # Errors
    /// When there is no such process, or it may not be looked into.
    pub fn of(pid: u32) -> io::Result<Self> {
        Self::at(Path::new(&format!("/proc/{pid}/root")))
    }

    /// A folder of this machine.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn at(folder: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            folder: rustix::fs::open(folder, flags, Mode::empty())?,
        })
    }

    fn open(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let relative = match path.trim_start_matches('/') {
            "" => ".",
            relative => relative,
        };
        let mode = match flags.contains(OFlags::CREATE) {
            true => Mode::from_raw_mode(0o644),
            false => Mode::empty(),
        };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        for _ in 0..TRIES {
            let flags = flags | OFlags::CLOEXEC;
            match rustix::fs::openat2(&self.folder, relative, flags, mode, resolve) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                opened => return Ok(opened?),
            }
        }
        Err(Errno::AGAIN.into())
    }

    /// The name itself; `None` when nothing is there.
    ///
    /// # Errors
    /// When the path cannot be looked at for another reason.
    pub fn look(&self, path: &str) -> io::Result<Option<Node>> {
        let opened = self.open(path, OFlags::PATH | OFlags::NOFOLLOW);
        let Some(opened) = found(opened)? else {
            return Ok(None);
        };
        let stat = rustix::fs::fstat(&opened)?;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::File,
        };
        let mode = stat.st_mode & 0o7777;
        Ok(Some(Node { kind, mode }))
    }

    /// The permission bits of what the path leads to.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn mode(&self, path: &str) -> io::Result<u32> {
        Ok(self.stat(path)?.st_mode & 0o7777)
    }

    fn stat(&self, path: &str) -> io::Result<Stat> {
        Ok(rustix::fs::fstat(self.open(path, OFlags::PATH)?)?)
    }

    /// Where a link leads, as it is written in it.
    ///
    /// # Errors
    /// When it is no link.
    pub fn target(&self, path: &str) -> io::Result<Vec<u8>> {
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        Ok(rustix::fs::readlinkat(&link, c"", Vec::new())?.into_bytes())
    }

    /// A regular file's bytes; links are followed inside the root.
    ///
    /// # Errors
    /// When it is no regular file, or larger than [`FILE_MAX`].
    pub fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        // Not waiting: a pipe has perhaps no other end.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        bytes_of(self.open(path, flags)?)
    }

    /// The names in a folder, sorted; a link to one is not followed.
    ///
    /// # Errors
    /// When it is no folder.
    pub fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let mut names = Vec::new();
        for entry in Dir::new(self.open(path, flags)?)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The path and all that is below it.
    ///
    /// # Errors
    /// When it holds more than is looked at, or cannot be read.
    pub fn tree(&self, path: &str) -> io::Result<Vec<(String, Node)>> {
        let mut tree = Vec::new();
        let mut waiting = vec![path.to_owned()];
        while let Some(path) = waiting.pop() {
            // What went away meanwhile is not there.
            let Some(node) = self.look(&path)? else {
                continue;
            };
            if node.kind == Kind::Directory {
                let names = self.names(&path)?;
                waiting.extend(names.iter().rev().map(|name| below(&path, name)));
            }
            if tree.len() == ENTRIES_MAX {
                return Err(io::Error::other(format!("{path}: too much is below it")));
            }
            tree.push((path, node));
        }
        Ok(tree)
    }

    /// What [`Root::tree`] finds, with contents.
    ///
    /// # Errors
    /// As [`Root::tree`].
    pub fn snapshot(&self, path: &str) -> io::Result<Snapshot> {
        let mut snapshot = Snapshot::new();
        for (path, node) in self.tree(path)? {
            let seen = match node.kind {
                Kind::Directory => Seen::Folder(node.mode),
                Kind::Symlink => Seen::Link(self.target(&path)?),
                Kind::File => {
                    let content = self.read(&path);
                    let hash = content.map(|bytes| Sha256::digest(&bytes).to_vec());
                    Seen::File(node.mode, hash.unwrap_or_default())
                }
            };
            snapshot.insert(path, seen);
        }
        Ok(snapshot)
    }

    /// Makes a folder, and those above it.
    ///
    /// # Errors
    /// When something else is in the way.
    pub fn make_folder(&self, path: &str) -> io::Result<()> {
        let mut made = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let above = self.open(&made, OFlags::PATH | OFlags::DIRECTORY)?;
            made = below(&made, name);
            match self.open(&made, OFlags::PATH | OFlags::DIRECTORY) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o755))?;
                    self.set_mode(&made, 0o755)?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes a file of mode 0644, in folders that are made.
    ///
    /// # Errors
    /// When something is in the way.
    pub fn write(&self, path: &str, content: &[u8]) -> io::Result<()> {
        self.make_folder(parent(path))?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut file = File::from(self.open(path, flags)?);
        file.write_all(content)?;
        Ok(rustix::fs::fchmod(&file, Mode::from_raw_mode(0o644))?)
    }

    /// Sets the time of change of a file to so many seconds since 1970.
    ///
    /// # Errors
    /// When it is not there.
    pub fn set_changed(&self, path: &str, seconds: i64) -> io::Result<()> {
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 0,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        let file = self.open(path, OFlags::WRONLY | OFlags::NONBLOCK)?;
        Ok(rustix::fs::futimens(&file, &times)?)
    }

    /// Makes a link, in folders that are made. One that is there stays.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn link(&self, path: &str, target: &str) -> io::Result<()> {
        self.make_folder(parent(path))?;
        match rustix::fs::symlinkat(target, self.parent_of(path)?, name(path)) {
            Err(Errno::EXIST) => Ok(()),
            made => Ok(made?),
        }
    }

    /// Sets permission bits.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn set_mode(&self, path: &str, mode: u32) -> io::Result<()> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        Ok(rustix::fs::fchmod(&opened, Mode::from_raw_mode(mode))?)
    }

    /// Gives a file or folder to an account.
    ///
    /// # Errors
    /// When nothing is there.
    pub fn give_to(&self, path: &str, id: u32) -> io::Result<()> {
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
        Ok(rustix::fs::fchown(&opened, Some(uid), Some(gid))?)
    }

    /// Deletes a file, a link, or a folder with all that is in it. Nothing there is well, too.
    ///
    /// # Errors
    /// When something cannot be deleted.
    pub fn delete(&self, path: &str) -> io::Result<()> {
        for (path, node) in self.tree(path)?.into_iter().rev() {
            let flags = match node.kind {
                Kind::Directory => AtFlags::REMOVEDIR,
                _ => AtFlags::empty(),
            };
            rustix::fs::unlinkat(self.parent_of(&path)?, name(&path), flags)?;
        }
        Ok(())
    }

    fn parent_of(&self, path: &str) -> io::Result<OwnedFd> {
        self.open(parent(path), OFlags::PATH | OFlags::DIRECTORY)
    }
}

/// The bytes of a regular file.
fn bytes_of(opened: OwnedFd) -> io::Result<Vec<u8>> {
    let stat = rustix::fs::fstat(opened.as_fd())?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut bytes = Vec::new();
    File::from(opened)
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other("it is too large to be read"));
    }
    Ok(bytes)
}

/// `None` when nothing is there.
fn found<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None)
        }
        outcome => outcome.map(Some),
    }
}

/// The path of a name in a folder.
pub fn below(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.trim_end_matches('/'))
}

/// The folder of a path.
pub fn parent(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The last name of a path.
pub fn name(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn root() -> (tempfile::TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        (folder, root)
    }

    #[test]
    fn no_link_leads_out_of_the_root() {
        let (folder, root) = root();
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("secret"), "s").unwrap();
        let above = format!("../../../../../../{}", outside.path().display());
        symlink(outside.path(), folder.path().join("absolute")).unwrap();
        symlink(&above, folder.path().join("above")).unwrap();
        symlink("/proc/self/root", folder.path().join("magic")).unwrap();
        for link in ["/absolute", "/above", "/magic"] {
            let path = below(link, "secret");
            assert!(root.read(&path).is_err(), "{path}");
            assert!(root.write(&path, b"x").is_err(), "{path}");
            assert_eq!(root.look(&path).unwrap(), None, "{path}");
        }
        let climbing = format!("/../..{}/secret", outside.path().display());
        assert!(root.read(&climbing).is_err());
        let left = std::fs::read_to_string(outside.path().join("secret")).unwrap();
        assert_eq!(left, "s");
    }

    #[test]
    fn a_link_inside_leads_where_the_appliance_goes() {
        let (_folder, root) = root();
        root.write("/srv/a/x", b"inside").unwrap();
        root.link("/srv/b", "/srv/a").unwrap();
        assert_eq!(root.read("/srv/b/x").unwrap(), b"inside");
        assert_eq!(root.target("/srv/b").unwrap(), b"/srv/a");
        let node = root.look("/srv/b").unwrap().unwrap();
        assert_eq!(node.kind, Kind::Symlink);
    }

    #[test]
    fn a_snapshot_tells_content_mode_links_and_what_is_new() {
        let (_folder, root) = root();
        root.write("/srv/a/x", b"1").unwrap();
        root.link("/srv/a/l", "x").unwrap();
        let first = root.snapshot("/srv/a").unwrap();
        assert_eq!(first.len(), 3);
        assert_eq!(root.snapshot("/srv/a").unwrap(), first);
        let differs = |root: &Root| root.snapshot("/srv/a").unwrap() != first;
        root.write("/srv/a/x", b"2").unwrap();
        assert!(differs(&root));
        root.write("/srv/a/x", b"1").unwrap();
        assert!(!differs(&root));
        root.set_mode("/srv/a/x", 0o600).unwrap();
        assert!(differs(&root));
        root.set_mode("/srv/a/x", 0o644).unwrap();
        root.make_folder("/srv/a/new").unwrap();
        assert!(differs(&root));
        root.delete("/srv/a").unwrap();
        assert!(root.snapshot("/srv/a").unwrap().is_empty());
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let (folder, root) = root();
        let pipe = folder.path().join("p");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        assert!(root.read("/p").is_err());
        assert_eq!(root.snapshot("/p").unwrap().len(), 1);
    }

    #[test]
    fn a_file_can_be_old() {
        let (folder, root) = root();
        root.write("/old", b"").unwrap();
        root.set_changed("/old", 1_000_000).unwrap();
        let changed = std::fs::metadata(folder.path().join("old"))
            .unwrap()
            .modified()
            .unwrap();
        let since = changed.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_secs(), 1_000_000);
    }
}
