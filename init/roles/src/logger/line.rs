//! One line of a log: how it comes from a service and how it is stored
//! (`<unix_ms> <level> text`).

use std::fmt;

/// A line is cut after so many bytes.
pub const LINE_MAX: usize = 8 * 1024;

/// How grave a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Only for whoever looks for a fault.
    Debug,
    /// Good to know.
    Info,
    /// Not as it should be.
    Warning,
    /// Something failed.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

impl Level {
    /// By syslog's numbers (0 the gravest); facilities are passed over.
    pub fn from_severity(severity: u32) -> Self {
        match severity & 7 {
            0..=3 => Self::Error,
            4 => Self::Warning,
            7 => Self::Debug,
            _ => Self::Info,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Debug, Self::Info, Self::Warning, Self::Error]
            .into_iter()
            .find(|level| level.to_string() == name)
    }
}

/// The level by a leading `<N>` and the rest, made safe: no control characters,
/// valid UTF-8, not longer than [`LINE_MAX`].
pub fn parse(bytes: &[u8]) -> (Level, String) {
    let (level, rest) = split_prefix(bytes);
    let cut = &rest[..rest.len().min(LINE_MAX)];
    let safe = |c: char| {
        if c.is_control() && c != '\t' {
            '\u{fffd}'
        } else {
            c
        }
    };
    (
        level,
        String::from_utf8_lossy(cut).chars().map(safe).collect(),
    )
}

/// sd-daemon(3)'s prefix; without one a line is information.
fn split_prefix(bytes: &[u8]) -> (Level, &[u8]) {
    match bytes {
        [b'<', digit @ b'0'..=b'7', b'>', rest @ ..] => {
            (Level::from_severity(u32::from(digit - b'0')), rest)
        }
        _ => (Level::Info, bytes),
    }
}

/// Time, level and text of a stored line.
pub fn parse_stored(line: &str) -> Option<(i64, Level, &str)> {
    let mut parts = line.trim_end_matches('\n').splitn(3, ' ');
    let time = parts.next()?.parse().ok()?;
    let level = Level::from_name(parts.next()?)?;
    Some((time, level, parts.next()?))
}

/// Puts together the lines of a stream that comes in pieces.
#[derive(Default)]
pub struct Assembler {
    partial: Vec<u8>,
    /// The rest of a line that was too long is thrown away.
    skipping: bool,
}

impl Assembler {
    /// Takes a piece; calls `line` for each line that it completes.
    pub fn take(&mut self, mut piece: &[u8], mut line: impl FnMut(&[u8])) {
        while let Some(end) = piece.iter().position(|&byte| byte == b'\n') {
            let (head, rest) = piece.split_at(end);
            self.append(head);
            if !self.partial.is_empty() && !self.skipping {
                line(&self.partial);
            }
            self.skipping = false;
            self.partial.clear();
            piece = rest.get(1..).unwrap_or_default();
        }
        self.append(piece);
        if self.partial.len() >= LINE_MAX && !self.skipping {
            line(&self.partial);
            self.skipping = true;
            self.partial.clear();
        }
    }

    fn append(&mut self, bytes: &[u8]) {
        let room = LINE_MAX.saturating_sub(self.partial.len());
        if !self.skipping {
            self.partial.extend(&bytes[..bytes.len().min(room)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_names_the_level_and_what_is_strange_is_made_safe() {
        let check = |bytes: &[u8], level, text: &str| {
            assert_eq!(parse(bytes), (level, text.to_owned()), "{bytes:?}");
        };
        check(b"<3>broken", Level::Error, "broken");
        check(b"<4>odd", Level::Warning, "odd");
        check(b"<7>detail", Level::Debug, "detail");
        check(b"<9>plain", Level::Info, "<9>plain");
        check(b"plain", Level::Info, "plain");
        check(b"a\x1b[31mb\xff", Level::Info, "a\u{fffd}[31mb\u{fffd}");
    }

    #[test]
    fn lines_are_put_together_and_long_ones_cut_once() {
        let check = |pieces: &[&[u8]], expected: &[usize]| {
            let mut assembler = Assembler::default();
            let mut lengths = Vec::new();
            for piece in pieces {
                assembler.take(piece, |line| lengths.push(line.len()));
            }
            assert_eq!(lengths, expected);
        };
        check(&[b"ab", b"c\n\nde\nf"], &[3, 2]);
        let long = [b'x'; LINE_MAX + 10];
        check(&[&long, b"yyy\nab\n"], &[LINE_MAX, 2]);
        let mut ended = long.to_vec();
        ended.extend(b"\nab\n");
        check(&[&ended], &[LINE_MAX, 2]);
    }

    #[test]
    fn what_is_stored_can_be_read_back() {
        assert_eq!(
            parse_stored("12 error a b\n"),
            Some((12, Level::Error, "a b"))
        );
        assert_eq!(parse_stored("12 fatal a"), None);
        assert_eq!(parse_stored("x"), None);
    }
}
