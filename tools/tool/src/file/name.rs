//! Names of files as text. A name may be any bytes but NUL and `/`: with a line feed in it, it would
//! forge a line of an answer, and two that are not UTF-8 would look the same.
//!
//! There is one written form, in answers, in capabilities, in what is stored, and in arguments:
//! a byte that is not part of visible UTF-8 is written `\xHH`, and so is a backslash that would
//! otherwise be read as the beginning of one (`\x5c`). Every other character stands for itself, a
//! backslash too. So [`decode`] of [`encode`] is the same name, and what an answer shows is what
//! an argument takes.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A name or a path in its written form.
pub fn encode(path: impl AsRef<Path>) -> String {
    let bytes = path.as_ref().as_os_str().as_bytes();
    let mut text = String::with_capacity(bytes.len());
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            let size = character.len_utf8();
            let ambiguous = character == '\\' && escaped(&bytes[at..]).is_some();
            if ambiguous || is_invisible(character) {
                escape(&mut text, &bytes[at..at + size]);
            } else {
                text.push(character);
            }
            at += size;
        }
        escape(&mut text, chunk.invalid());
        at += chunk.invalid().len();
    }
    text
}

/// What a text stands for, whether [`encode`] or a person wrote it.
pub fn decode(text: &str) -> PathBuf {
    let mut rest = text.as_bytes();
    let mut bytes = Vec::with_capacity(rest.len());
    while let Some((first, after)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes).into()
}

/// The byte that these begin with when they begin with an escape.
fn escaped(bytes: &[u8]) -> Option<u8> {
    let [b'\\', b'x', high, low, ..] = bytes else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(text, "\\x{byte:02x}").ok(); // a String takes all
    }
}

/// Does it end a line, move what is shown, or show nothing? Controls, separators of lines, and
/// Unicode's marks of direction and joining.
fn is_invisible(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn a_name_is_written_in_one_way_and_read_back() {
        let check = |bytes: &[u8], expected: &str| {
            let name = Path::new(OsStr::from_bytes(bytes));
            assert_eq!(encode(name), expected);
            assert_eq!(decode(expected), name, "{expected}");
        };
        check(b"plain", "plain");
        check("Grüße 1 €".as_bytes(), "Grüße 1 €");
        check(b"a\nb", "a\\x0ab");
        check(b"caf\xe9", "caf\\xe9");
        check(b"\xff\xfe", "\\xff\\xfe");
        check(b"back\\slash", "back\\slash");
        check(b"\\x", "\\x");
        check(b"\\xe9", "\\x5cxe9");
        check(b"\\\\xE9", "\\\\x5cxE9");
        check(b"\\x5c", "\\x5cx5c");
        check(b"\\x0\n", "\\x0\\x0a");
        check(b"\\\n", "\\\\x0a");
        check("\u{202e}\u{85}".as_bytes(), "\\xe2\\x80\\xae\\xc2\\x85");
    }

    #[test]
    fn every_short_run_of_awkward_bytes_comes_back_and_is_unlike_others() {
        let bytes = [b'\\', b'x', b'5', b'c', b'\n', 0xe9];
        let mut seen = std::collections::HashSet::new();
        for number in 0..6_usize.pow(6) {
            let name: Vec<u8> = (0..6)
                .map(|at| bytes[number / 6_usize.pow(at) % 6])
                .collect();
            let name = OsStr::from_bytes(&name);
            let text = encode(name);
            assert_eq!(decode(&text).as_os_str(), name);
            assert!(seen.insert(text));
        }
    }
}
