//! Members of archives: tar, plain or gzipped, and zip.

use std::collections::BTreeMap;
use std::io::{self, Read};

use flate2::read::{DeflateDecoder, MultiGzDecoder};

/// The most bytes that all members of an archive may have: a small file may unpack to any size.
const UNPACKED_MAX: u64 = 256 * 1024 * 1024;

/// Members by the name that the archive gives them.
pub type Members = BTreeMap<String, Vec<u8>>;

/// Why the members cannot be told.
#[derive(Debug, PartialEq, Eq)]
pub enum Unread {
    /// It is an archive of a sort that this tester does not read.
    Unknown(&'static str),
    /// It is no archive, or a damaged one.
    Damaged(String),
}

/// The members that are files.
///
/// # Errors
/// [`Unread`].
pub fn members(bytes: &[u8]) -> Result<Members, Unread> {
    let damaged = |error: io::Error| Unread::Damaged(error.to_string());
    match bytes {
        [0x1f, 0x8b, ..] => tar(MultiGzDecoder::new(bytes)).map_err(damaged),
        [b'P', b'K', 3 | 5, ..] => {
            zip(bytes).ok_or_else(|| Unread::Damaged("the zip file is damaged".to_owned()))
        }
        [0xfd, b'7', b'z', b'X', b'Z', ..] => Err(Unread::Unknown("xz")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Err(Unread::Unknown("zstd")),
        [b'B', b'Z', b'h', ..] => Err(Unread::Unknown("bzip2")),
        [b'7', b'z', 0xbc, 0xaf, ..] => Err(Unread::Unknown("7z")),
        _ => tar(bytes).map_err(damaged),
    }
}

fn tar(source: impl Read) -> io::Result<Members> {
    let mut archive = ::tar::Archive::new(source.take(UNPACKED_MAX));
    let mut members = Members::new();
    let mut is_empty = true;
    for entry in archive.entries()? {
        let mut entry = entry?;
        is_empty = false;
        if entry.header().entry_type().is_file() {
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            members.insert(name, content);
        }
    }
    match is_empty {
        true => Err(io::Error::other("it has no members")),
        false => Ok(members),
    }
}

/// Reads by the central directory (APPNOTE.TXT 4.3.12): sizes stand there for certain.
fn zip(bytes: &[u8]) -> Option<Members> {
    let end = bytes.windows(4).rposition(|at| at == b"PK\x05\x06")?;
    let mut at = long(bytes, end + 16)?;
    let mut members = Members::new();
    let mut left = UNPACKED_MAX;
    for _ in 0..short(bytes, end + 10)? {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (method, packed) = (short(bytes, at + 10)?, long(bytes, at + 20)?);
        let (name, extra, comment) = (
            short(bytes, at + 28)?,
            short(bytes, at + 30)?,
            short(bytes, at + 32)?,
        );
        let header = long(bytes, at + 42)?;
        let called = bytes.get(at + 46..at + 46 + name)?;
        let called = String::from_utf8_lossy(called).into_owned();
        let start = header + 30 + short(bytes, header + 26)? + short(bytes, header + 28)?;
        let data = bytes.get(start..start.checked_add(packed)?)?;
        let mut content = Vec::new();
        match method {
            0 => content.extend_from_slice(data),
            8 => {
                let mut unpacked = DeflateDecoder::new(data).take(left);
                unpacked.read_to_end(&mut content).ok()?;
            }
            _ => return None,
        }
        left = left.saturating_sub(content.len() as u64);
        if !called.ends_with('/') {
            members.insert(called, content);
        }
        at += 46 + name + extra + comment;
    }
    Some(members)
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let two = bytes.get(at..at.checked_add(2)?)?;
    Some(usize::from(u16::from_le_bytes(two.try_into().ok()?)))
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(four.try_into().ok()?)).ok()
}

/// The member whose path ends in these names: `b/c.txt` is the end of `a/b/c.txt`, and not of `xb/c.txt`.
pub fn ending_in<'a>(members: &'a Members, end: &str) -> Option<&'a [u8]> {
    let fits = |name: &str| {
        let name = name.trim_start_matches("./");
        let before = name.strip_suffix(end.trim_start_matches('/'));
        before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
    };
    members
        .iter()
        .find(|(name, _)| fits(name))
        .map(|(_, content)| content.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn packed() -> Vec<u8> {
        let mut archive = ::tar::Builder::new(Vec::new());
        for (name, content) in [("./a/b/c.txt", "one"), ("xb/c.txt", "two")] {
            let mut header = ::tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_cksum();
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        archive.into_inner().unwrap()
    }

    #[test]
    fn tar_and_its_gzip_have_the_same_members() {
        let plain = members(&packed()).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&packed()).unwrap();
        assert_eq!(members(&gzip.finish().unwrap()).unwrap(), plain);
        assert_eq!(plain.len(), 2);
        assert_eq!(ending_in(&plain, "b/c.txt"), Some(&b"one"[..]));
        assert_eq!(ending_in(&plain, "xb/c.txt"), Some(&b"two"[..]));
        assert_eq!(ending_in(&plain, "txt"), None);
    }

    #[test]
    fn zip_is_read_stored_and_deflated() {
        // `zip` of a/one.txt (stored: "one\n") and two.txt (deflated: 100 times "two\n").
        let mut bytes = Vec::new();
        let mut central = Vec::new();
        let two = "two\n".repeat(100);
        let mut deflate =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        deflate.write_all(two.as_bytes()).unwrap();
        let deflated = deflate.finish().unwrap();
        let files: [(&str, u16, &[u8], usize); 2] = [
            ("a/one.txt", 0, b"one\n", 4),
            ("two.txt", 8, &deflated, two.len()),
        ];
        for (name, method, data, size) in files {
            let offset = bytes.len() as u32;
            let mut common = vec![20, 0, 0, 0];
            common.extend(method.to_le_bytes());
            common.extend([0; 8]);
            common.extend((data.len() as u32).to_le_bytes());
            common.extend((size as u32).to_le_bytes());
            common.extend((name.len() as u16).to_le_bytes());
            common.extend([0, 0]);
            bytes.extend(b"PK\x03\x04");
            bytes.extend(&common);
            bytes.extend(name.as_bytes());
            bytes.extend(data);
            central.extend(b"PK\x01\x02\x14\x00");
            central.extend(&common);
            central.extend([0; 10]);
            central.extend(offset.to_le_bytes());
            central.extend(name.as_bytes());
        }
        let offset = bytes.len() as u32;
        bytes.extend(&central);
        bytes.extend(b"PK\x05\x06\0\0\0\0\x02\0\x02\0");
        bytes.extend((central.len() as u32).to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        bytes.extend([0, 0]);
        let members = members(&bytes).unwrap();
        assert_eq!(ending_in(&members, "one.txt"), Some(&b"one\n"[..]));
        assert_eq!(ending_in(&members, "two.txt"), Some(two.as_bytes()));
    }

    #[test]
    fn what_is_no_archive_has_no_members() {
        assert!(matches!(members(b"hello"), Err(Unread::Damaged(_))));
        assert!(matches!(members(&packed()[..700]), Err(Unread::Damaged(_))));
        assert!(matches!(members(b"PK\x05\x06"), Err(Unread::Damaged(_))));
        let xz = b"\xfd7zXZ\0rest";
        assert_eq!(members(xz), Err(Unread::Unknown("xz")));
    }
}
