//! From tokens' bytes to pieces of text: whole characters only, and nothing of a stop string.

/// Collects bytes, gives out text.
pub(super) struct TextOut {
    /// Bytes that are not yet whole characters.
    bytes: Vec<u8>,
    /// Text that may still turn out to begin a stop string.
    held: String,
    stops: Vec<String>,
}

/// What can be sent now.
#[derive(Debug, PartialEq)]
pub(super) struct Ready {
    pub(super) text: String,
    /// A stop string came; it and what follows are dropped.
    pub(super) stopped: bool,
}

impl TextOut {
    pub(super) fn new(stops: Vec<String>) -> Self {
        Self {
            bytes: Vec::new(),
            held: String::new(),
            stops,
        }
    }

    /// Takes a token's bytes.
    pub(super) fn push(&mut self, piece: &[u8]) -> Ready {
        self.bytes.extend_from_slice(piece);
        self.decode();
        let stop = self
            .stops
            .iter()
            .filter_map(|stop| self.held.find(stop.as_str()))
            .min();
        if let Some(position) = stop {
            self.held.truncate(position);
            let text = std::mem::take(&mut self.held);
            return Ready {
                text,
                stopped: true,
            };
        }
        let rest = self.held.split_off(self.held.len() - self.undecided());
        let text = std::mem::replace(&mut self.held, rest);
        Ready {
            text,
            stopped: false,
        }
    }

    /// What is left at the end; half a character becomes U+FFFD.
    pub(super) fn finish(&mut self) -> String {
        let mut text = std::mem::take(&mut self.held);
        text.push_str(&String::from_utf8_lossy(&self.bytes));
        self.bytes.clear();
        text
    }

    /// Moves whole characters from `bytes` to `held`; bytes that can never become one are U+FFFD.
    fn decode(&mut self) {
        loop {
            match std::str::from_utf8(&self.bytes) {
                Ok(text) => {
                    self.held.push_str(text);
                    self.bytes.clear();
                    return;
                }
                Err(error) => {
                    let valid = error.valid_up_to();
                    self.held
                        .push_str(&String::from_utf8_lossy(&self.bytes[..valid]));
                    let Some(bad) = error.error_len() else {
                        self.bytes.drain(..valid); // the rest may be completed
                        return;
                    };
                    self.held.push(char::REPLACEMENT_CHARACTER);
                    self.bytes.drain(..valid + bad);
                }
            }
        }
    }

    /// Bytes at the end of `held` that begin a stop string.
    fn undecided(&self) -> usize {
        let begins = |stop: &String| {
            (1..stop.len())
                .rev()
                .filter(|length| stop.is_char_boundary(*length))
                .find(|length| self.held.ends_with(&stop[..*length]))
        };
        self.stops.iter().filter_map(begins).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stops: &[&str], pieces: &[&[u8]], expected: &[&str], end: &str) {
        let mut out = TextOut::new(stops.iter().map(|s| (*s).to_owned()).collect());
        let texts: Vec<String> = pieces.iter().map(|piece| out.push(piece).text).collect();
        assert_eq!(texts, expected, "{pieces:?}");
        assert_eq!(out.finish(), end, "{pieces:?}");
    }

    #[test]
    fn characters_are_never_cut() {
        check(&[], &[b"a", b"\xc3", b"\xa4b"], &["a", "", "\u{e4}b"], "");
        check(&[], &[b"\xf0\x9f", b"\x98\x80"], &["", "\u{1f600}"], "");
        check(&[], &[b"\xff", b"a\xc3"], &["\u{fffd}", "a"], "\u{fffd}");
        check(&[], &[b"\xc3", b"a"], &["", "\u{fffd}a"], "");
    }

    #[test]
    fn what_may_become_a_stop_string_is_held_back_until_it_is_decided() {
        check(&["END"], &[b"xE", b"N", b"x"], &["x", "", "ENx"], "");
        check(&["END"], &[b"xE", b"N"], &["x", ""], "EN");
        check(&["\u{e4}\u{e4}"], &[b"a\xc3\xa4"], &["a"], "\u{e4}");
    }

    #[test]
    fn the_first_stop_string_ends_the_text() {
        let mut out = TextOut::new(vec!["b".to_owned(), "ab".to_owned()]);
        let expected = Ready {
            text: "x".to_owned(),
            stopped: true,
        };
        assert_eq!(out.push(b"xabc"), expected);
    }
}
