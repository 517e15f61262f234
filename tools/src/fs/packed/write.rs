//! Making an archive of a tree.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::fs::{FileType, Stat};
use tar::{Builder, EntryType, Header};

use aios_tool::choices;
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::file::place::Place;

choices! {
    /// The form of an archive.
    pub enum Format {
        /// As it is (ustar with the long names of GNU tar).
        Tar = "tar",
        /// Compressed with gzip (RFC 1952).
        TarGz = "tar.gz",
    }
}

impl Format {
    /// The form that a file name tells.
    pub fn of_name(name: &str) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let ends = |ends: &[&str]| ends.iter().any(|end| name.ends_with(end));
        if ends(&[".tar.gz", ".tgz"]) {
            Some(Self::TarGz)
        } else if ends(&[".tar"]) {
            Some(Self::Tar)
        } else {
            None
        }
    }
}

/// What was put into an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Files, folders and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Sockets, pipes and devices, which are left out.
    pub left_out: u64,
}

/// Writes the archive of what is at a place, under its own name. The same tree gives the same bytes.
///
/// # Errors
/// When something cannot be read or written, or the time is over.
pub fn pack(
    source: &Place,
    format: Format,
    to: impl Write,
    context: &Context,
) -> io::Result<Packed> {
    let (packed, mut to) = match format {
        Format::Tar => packed(source, to, context)?,
        Format::TarGz => {
            let encoder = GzEncoder::new(to, Compression::default());
            let (packed, encoder) = packed(source, encoder, context)?;
            (packed, encoder.finish()?)
        }
    };
    to.flush()?;
    Ok(packed)
}

fn packed<W: Write>(source: &Place, to: W, context: &Context) -> io::Result<(Packed, W)> {
    let mut pack = Pack {
        builder: Builder::new(to),
        packed: Packed::default(),
        context,
    };
    pack.visit(source, Path::new(&source.name))?;
    Ok((pack.packed, pack.builder.into_inner()?))
}

struct Pack<'a, W: Write> {
    builder: Builder<W>,
    packed: Packed,
    context: &'a Context,
}

impl<W: Write> Pack<'_, W> {
    fn visit(&mut self, place: &Place, path: &Path) -> io::Result<()> {
        let stat = place.existing().map_err(other)?;
        let mut header = header(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                header.set_entry_type(EntryType::Directory);
                self.builder.append_data(&mut header, path, io::empty())?;
                for child in place.children().map_err(other)? {
                    self.visit(&child, &path.join(&child.name))?;
                }
            }
            FileType::RegularFile => {
                let size = u64::try_from(stat.st_size).unwrap_or(0);
                header.set_size(size);
                let content = Exactly {
                    inner: place.open_content().map_err(other)?,
                    left: size,
                    context: self.context,
                };
                self.builder.append_data(&mut header, path, content)?;
                self.packed.bytes += size;
            }
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&place.parent, &place.name, Vec::new())?;
                header.set_entry_type(EntryType::Symlink);
                let target = OsStr::from_bytes(target.to_bytes());
                self.builder.append_link(&mut header, path, target)?;
            }
            _ => {
                self.packed.left_out += 1;
                return Ok(());
            }
        }
        self.packed.entries += 1;
        Ok(())
    }
}

fn header(stat: &Stat) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(stat.st_mode & 0o7777);
    header.set_uid(stat.st_uid.into());
    header.set_gid(stat.st_gid.into());
    header.set_mtime(u64::try_from(stat.st_mtime).unwrap_or(0));
    header.set_size(0);
    header
}

fn other(error: ToolError) -> io::Error {
    io::Error::other(error.to_string())
}

/// Exactly so much of a file: its header says so already.
struct Exactly<'a, R> {
    inner: R,
    left: u64,
    context: &'a Context,
}

impl<R: Read> Read for Exactly<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.context.remaining().is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(into.len());
        if most == 0 {
            return Ok(0);
        }
        let read = self.inner.read(&mut into[..most])?;
        if read == 0 {
            return Err(io::Error::other("a file became shorter while it was read"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
