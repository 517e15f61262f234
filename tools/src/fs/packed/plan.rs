//! What unpacking an archive would make, found out before the first file is made.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::header::{self, Described, What, damaged};
use super::member;
use aios_tool::budget::Share;
use aios_tool::context::Context;
use aios_tool::file::name;
use aios_tool::format::bytes;

/// So many members an archive may have.
const MEMBERS_MAX: u64 = 100_000;
/// So much an archive may hold, in bytes.
const BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// What is held by an archive may be so many times its own size …
const RATIO_MAX: u64 = 200;
/// … once it holds more than this, in bytes: a few zeros compress better than any text.
const SMALL_MAX: u64 = 64 * 1024 * 1024;
/// So many of what was left out are named.
const NAMED_MAX: usize = 20;
/// Permission bits that a member keeps.
const MODE: u32 = 0o777;

/// What is made of a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Make {
    /// A folder.
    Folder,
    /// A file with so many bytes.
    File(u64),
    /// A symbolic link to this.
    Link(Vec<u8>),
    /// Another name of this file.
    HardLink(PathBuf),
}

/// What an archive would make, and what of it not.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is made at each path below the new folder.
    made: BTreeMap<PathBuf, Make>,
    /// So many members were looked at.
    pub members: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// How many directories are below each other.
    pub depth: usize,
    /// What is left out, and why; not all when it is much.
    pub left_out: Vec<String>,
    /// How much is left out.
    pub left_out_count: u64,
    /// So many lose set-user-ID, set-group-ID or the sticky bit.
    pub privileges_dropped: u64,
    /// What it takes in memory, which is others' to say.
    share: Share,
}

/// What a path takes in memory beside its text, in bytes.
const PATH: usize = 200;

impl Plan {
    /// Goes through an archive of this size on the disk.
    ///
    /// # Errors
    /// When it is no archive, damaged, or larger than what is unpacked; when a member would be
    /// outside of the new folder, twice, or below what is no folder.
    pub fn of(archive: impl Read, size: u64, context: &Context) -> io::Result<Self> {
        let mut plan = Self::default();
        let limited = Limited::of(archive, size, context);
        header::members(limited, |described, _| plan.add(described).map(drop))?;
        if plan.members == 0 {
            return Err(damaged(
                "it has no members, or is no archive (tar, tar.gz, tar.zst)".into(),
            ));
        }
        Ok(plan)
    }

    /// So many files, folders and links would be made, without the new folder itself.
    pub fn entries(&self) -> u64 {
        self.made.len() as u64
    }

    /// The folders that are made, parents first.
    pub fn folders(&self) -> impl DoubleEndedIterator<Item = &Path> {
        let made = self.made.iter().filter(|(_, make)| **make == Make::Folder);
        made.map(|(path, _)| path.as_path())
    }

    /// Adds a member: what is to be made of it, and where. `None`: nothing.
    pub fn add(&mut self, described: Described) -> io::Result<Option<(PathBuf, Make, u32)>> {
        self.members += 1;
        if self.members > MEMBERS_MAX {
            return Err(damaged(format!("it has more than {MEMBERS_MAX} members")));
        }
        let path = member::path(&described.name).map_err(|why| fault(&described.name, why))?;
        if path.as_os_str().is_empty() {
            return Ok(None); // the folder itself
        }
        let make = match described.what {
            What::Folder => Make::Folder,
            What::File => Make::File(described.size),
            What::Link(target) if member::stays_within(&path, &target) => Make::Link(target),
            What::Link(_) => return Ok(self.leave_out(&path, "a link that leads out of it")),
            What::HardLink(target) => Make::HardLink(self.linked(&target).ok_or_else(|| {
                fault(
                    &described.name,
                    "is another name of what is no file before it",
                )
            })?),
            What::Other => return Ok(self.leave_out(&path, "a device or a pipe")),
        };
        self.take(&path, &make)
            .map_err(|why| fault(&described.name, why))?;
        let has_mode = matches!(make, Make::File(_) | Make::Folder);
        if has_mode && described.mode & !MODE != 0 {
            self.privileges_dropped += 1;
        }
        if let Make::File(size) = make {
            self.bytes = self.bytes.saturating_add(size);
        }
        Ok(Some((path, make, described.mode & MODE)))
    }

    /// The file that a hard link names.
    fn linked(&self, target: &[u8]) -> Option<PathBuf> {
        let target = member::path(target).ok()?;
        let is_file = matches!(self.made.get(&target), Some(Make::File(_)));
        is_file.then_some(target)
    }

    fn leave_out(&mut self, path: &Path, why: &str) -> Option<(PathBuf, Make, u32)> {
        self.left_out_count += 1;
        if self.left_out.len() < NAMED_MAX {
            self.left_out
                .push(format!("{} ({why})", name::encode(path)));
        }
        None
    }

    /// Takes the path, with the folders above it.
    fn take(&mut self, path: &Path, make: &Make) -> Result<(), &'static str> {
        let depth = path.components().count();
        self.depth = self.depth.max(depth);
        if depth > aios_tool::file::place::DEPTH_MAX {
            return Err("is nested too deep");
        }
        for above in path
            .ancestors()
            .skip(1)
            .filter(|above| !above.as_os_str().is_empty())
        {
            match self.made.get(above) {
                Some(Make::Folder) => break,
                Some(_) => return Err("would be below what is no folder"),
                None => self.insert(above, Make::Folder)?,
            }
        }
        match (self.made.get(path), make) {
            (None, _) => {}
            (Some(Make::Folder), Make::Folder) => return Ok(()),
            _ => return Err("comes twice"),
        }
        self.insert(path, make.clone())
    }

    fn insert(&mut self, path: &Path, make: Make) -> Result<(), &'static str> {
        let also = match &make {
            Make::Link(target) => target.len(),
            Make::HardLink(target) => target.as_os_str().len(),
            Make::Folder | Make::File(_) => 0,
        };
        // Twice: unpacking keeps the modes of folders by their paths, too.
        let size = 2 * (path.as_os_str().len() + PATH) + also;
        self.share
            .grow(size as u64)
            .map_err(|_| "is one of so many with long names that there is no memory for them")?;
        self.made.insert(path.to_owned(), make);
        Ok(())
    }
}

fn fault(name: &[u8], why: &str) -> io::Error {
    use std::os::unix::ffi::OsStrExt as _;
    let shown: String = name::encode(std::ffi::OsStr::from_bytes(name))
        .chars()
        .take(120)
        .collect();
    damaged(format!("its member \"{shown}\" {why}"))
}

/// At most so much is read, and only while there is time.
pub struct Limited<'a, R> {
    inner: R,
    left: u64,
    context: &'a Context,
}

impl<'a, R> Limited<'a, R> {
    /// As much as an archive of this size on the disk may hold.
    pub fn of(inner: R, size: u64, context: &'a Context) -> Self {
        let left = BYTES_MAX.min(size.saturating_mul(RATIO_MAX).max(SMALL_MAX));
        Self {
            inner,
            left,
            context,
        }
    }
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.context.remaining().is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let read = self.inner.read(into)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            damaged(format!(
                "it holds more than {RATIO_MAX} times its own size, or more than {}",
                bytes(BYTES_MAX)
            ))
        })?;
        Ok(read)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // helpers of tests
mod tests {
    use super::*;
    use crate::fs::packed;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for name in ["a".to_owned(), "d/b".to_owned(), "long".repeat(50)] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_mtime(0);
            header.set_size(3);
            builder.append_data(&mut header, name, &b"xyz"[..]).unwrap();
        }
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_mode(0o777);
        header.set_mtime(0);
        header.set_size(0);
        builder.append_link(&mut header, "link", "a").unwrap();
        builder.into_inner().unwrap()
    }

    fn planned(bytes: &[u8]) -> io::Result<Plan> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let context = crate::trial::context(folder.path());
        let content = packed::open(std::fs::File::open(path).unwrap())?;
        Plan::of(content, bytes.len() as u64, &context)
    }

    #[test]
    fn what_would_be_made_is_known_before() {
        let plan = planned(&sample()).unwrap();
        assert_eq!((plan.members, plan.entries(), plan.bytes), (4, 5, 9));
        assert_eq!(plan.folders().collect::<Vec<_>>(), [Path::new("d")]);
        assert_eq!(plan.depth, 2);
    }

    /// Each member is a folder that is nested as deep as it may be, under a name of its own.
    #[test]
    fn long_names_take_no_more_memory_than_there_is() {
        let mut bytes = Vec::new();
        let mut encoder = flate2::write::GzEncoder::new(&mut bytes, flate2::Compression::fast());
        let mut builder = tar::Builder::new(&mut encoder);
        for number in 0..1000 {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(0o755);
            header.set_size(0);
            let name = format!("{number:04}{}", "/xxxxxxxxxxxxxx".repeat(250));
            builder
                .append_data(&mut header, name, std::io::empty())
                .unwrap();
        }
        drop(builder);
        encoder.finish().unwrap();
        let error = planned(&bytes).map(|plan| plan.members).unwrap_err();
        assert!(error.to_string().contains("no memory"), "{error}");
    }

    proptest! {
        #[test]
        fn no_archive_makes_it_panic(
            places in proptest::collection::vec((0usize..3600, any::<u8>()), 0..12),
            sum in any::<bool>(),
        ) {
            let mut bytes = sample();
            let length = bytes.len();
            for (at, byte) in places {
                bytes[at % length] = byte;
            }
            if sum {
                // With right sums what is behind them is reached.
                for block in bytes.chunks_exact_mut(512) {
                    let mut header = tar::Header::from_byte_slice(block).clone();
                    header.set_cksum();
                    block.copy_from_slice(header.as_bytes());
                }
            }
            let _ = planned(&bytes);
        }

        #[test]
        fn no_bytes_make_it_panic(
            begin in prop::sample::select(vec![
                vec![0x1f, 0x8b, 8, 0], vec![0x28, 0xb5, 0x2f, 0xfd], Vec::new(),
            ]),
            rest in proptest::collection::vec(any::<u8>(), 0..2000),
        ) {
            let _ = planned(&[begin, rest].concat());
        }
    }
}
