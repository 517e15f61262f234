//! The members of a tar archive as they come (POSIX.1-2001, pax): without trust in what is written.

use std::io::{self, Read};

/// The longest name that a member may have, in bytes (PATH_MAX of Linux). Names of any length could
/// be written, and each is held in memory.
const NAME_MAX: u64 = 4096;
/// The most that a pax header may hold, in bytes.
const PAX_MAX: u64 = 64 * 1024;

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link to this.
    Link(Vec<u8>),
    /// Another name of the member of this name.
    HardLink(Vec<u8>),
    /// A device, a pipe, or what is not known.
    Other,
}

/// A member as the archive describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Its name as it is written.
    pub name: Vec<u8>,
    /// What it is.
    pub what: What,
    /// Size of its content in bytes.
    pub size: u64,
    /// Permission bits, with set-user-ID, set-group-ID and sticky.
    pub mode: u32,
    /// Last change of its content, Unix time in seconds.
    pub modified: i64,
}

/// What headers before a member say about it.
#[derive(Default)]
struct Before {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

/// Goes through the members in order. `each` reads the content of a member from what it gets; what it
/// leaves is passed over.
///
/// # Errors
/// When it is no archive or is damaged; what `each` answers.
pub fn members(
    archive: impl Read,
    mut each: impl FnMut(Described, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let mut archive = tar::Archive::new(archive);
    let mut before = Before::default();
    // Raw: the library would read names of any length into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let (kind, size) = (entry.header().entry_type(), entry.header().entry_size()?);
        match kind {
            tar::EntryType::GNULongName => before.name = Some(name(&mut entry, size)?),
            tar::EntryType::GNULongLink => before.link = Some(name(&mut entry, size)?),
            tar::EntryType::XHeader => pax(&bounded(&mut entry, size, PAX_MAX)?, &mut before)?,
            tar::EntryType::XGlobalHeader => {} // comments, as git writes them
            _ => {
                let described = described(entry.header(), std::mem::take(&mut before), size)?;
                each(described, &mut entry)?;
            }
        }
    }
    Ok(())
}

fn described(header: &tar::Header, before: Before, size: u64) -> io::Result<Described> {
    let link = || {
        let own = || header.link_name_bytes().map(|link| link.into_owned());
        let link = before.link.clone().or_else(own);
        link.ok_or_else(|| damaged("a link says nothing".to_owned()))
    };
    let what = match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous => What::File,
        tar::EntryType::Directory => What::Folder,
        tar::EntryType::Symlink => What::Link(link()?),
        tar::EntryType::Link => What::HardLink(link()?),
        tar::EntryType::GNUSparse => {
            return Err(damaged(
                "it has files with holes in the form of old GNU tar".to_owned(),
            ));
        }
        _ => What::Other,
    };
    Ok(Described {
        name: before
            .name
            .unwrap_or_else(|| header.path_bytes().into_owned()),
        size: if what == What::File { size } else { 0 },
        what,
        mode: header.mode()? & 0o7777,
        modified: i64::try_from(header.mtime()?).unwrap_or(0),
    })
}

/// A name that is the content of a header.
fn name(content: &mut dyn Read, size: u64) -> io::Result<Vec<u8>> {
    let mut name = bounded(content, size, NAME_MAX)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    Ok(name)
}

fn bounded(content: &mut dyn Read, size: u64, most: u64) -> io::Result<Vec<u8>> {
    if size > most {
        return Err(damaged(format!(
            "a header has {size} bytes, more than {most}"
        )));
    }
    let mut whole = Vec::new();
    content.take(most).read_to_end(&mut whole)?;
    Ok(whole)
}

/// Records like `17 path=some/name\n`: their length, a name, a value.
fn pax(text: &[u8], before: &mut Before) -> io::Result<()> {
    let mut rest = text;
    while !rest.is_empty() {
        let fault = || damaged("a pax header is damaged".to_owned());
        let space = rest
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or_else(fault)?;
        let length = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|text| text.parse().ok());
        let length: usize = length
            .filter(|length| *length > space + 1)
            .ok_or_else(fault)?;
        let record = rest.get(space + 1..length).ok_or_else(fault)?;
        let record = record.strip_suffix(b"\n").ok_or_else(fault)?;
        let equals = record
            .iter()
            .position(|byte| *byte == b'=')
            .ok_or_else(fault)?;
        let value = || record[equals + 1..].to_vec();
        match &record[..equals] {
            b"path" | b"linkpath" if record.len() - equals - 1 > NAME_MAX as usize => {
                return Err(damaged(format!("a name has more than {NAME_MAX} bytes")));
            }
            b"path" => before.name = Some(value()),
            b"linkpath" => before.link = Some(value()),
            b"size" => return Err(damaged("a member is larger than 8 GiB".to_owned())),
            key if key.starts_with(b"GNU.sparse.") => {
                return Err(damaged(
                    "it has files with holes in the form of GNU tar".to_owned(),
                ));
            }
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(())
}

/// An error of an archive's content.
pub fn damaged(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pax_records_are_read_or_refused() {
        let check = |text: &[u8], expected: Option<&[u8]>| {
            let mut before = Before::default();
            let found = pax(text, &mut before).ok().and(before.name);
            assert_eq!(found.as_deref(), expected, "{text:?}");
        };
        check(b"10 path=a\n", Some(b"a"));
        check(b"12 path=a\nb\n", Some(b"a\nb"));
        check(b"11 path=\xff\xfe\n11 mtime=1\n", Some(b"\xff\xfe"));
        check(b"10 path=a", None);
        check(b"99 path=a\n", None);
        check(b"0 path=a\n", None);
        check(b"2 \n", None);
        check(b"18446744073709551616 path=a\n", None);
        check(b"9 path a\n", None);
        check(b"13 size=1000\n", None);
        let named = |length: usize| format!("{} path={}\n", length + 11, "x".repeat(length));
        check(named(4096).as_bytes(), Some("x".repeat(4096).as_bytes()));
        check(named(4097).as_bytes(), None);
    }
}
