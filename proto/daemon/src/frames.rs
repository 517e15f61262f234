//! How long the messages in a body are: each comes behind one byte of flags and four of its length
//! (gRPC over HTTP/2, "Length-Prefixed-Message"). Pure.

/// Bytes in front of each message.
const HEADER: usize = 5;

/// Where in a body's messages one is.
#[derive(Debug)]
pub struct Frames {
    most: usize,
    header: [u8; HEADER],
    seen: usize,
    left: usize,
}

/// A message that says to be this long, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong(pub usize);

impl Frames {
    /// At the start of a body whose messages may have `most` bytes each.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            header: [0; HEADER],
            seen: 0,
            left: 0,
        }
    }

    /// Takes the body's next bytes. Returns how many bytes the messages have that begin in them, or
    /// `None` when none begins.
    ///
    /// # Errors
    /// When one of them is longer than it may be.
    pub fn take(&mut self, mut data: &[u8]) -> Result<Option<usize>, TooLong> {
        let mut begun = None;
        while !data.is_empty() {
            let within = self.left.min(data.len());
            self.left -= within;
            data = data.get(within..).unwrap_or_default();
            let Some((first, rest)) = data.split_first() else {
                break;
            };
            if let Some(place) = self.header.get_mut(self.seen) {
                *place = *first;
            }
            self.seen += 1;
            data = rest;
            if self.seen == HEADER {
                let [_, length @ ..] = self.header;
                self.left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
                self.seen = 0;
                if self.left > self.most {
                    return Err(TooLong(self.left));
                }
                begun = Some(begun.unwrap_or(0) + self.left);
            }
        }
        Ok(begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: u32, body: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend(length.to_be_bytes());
        bytes.extend(vec![b'x'; body]);
        bytes
    }

    #[test]
    fn a_message_is_known_by_its_header_however_it_is_cut() {
        let mut body = message(3, 3);
        body.extend(message(0, 0));
        body.extend(message(7, 7));
        for piece in 1..=body.len() {
            let mut frames = Frames::new(7);
            let found: Vec<usize> = body
                .chunks(piece)
                .filter_map(|data| frames.take(data).unwrap())
                .collect();
            assert_eq!(found.iter().sum::<usize>(), 10, "in pieces of {piece}");
            assert_eq!((frames.left, frames.seen), (0, 0), "in pieces of {piece}");
        }
    }

    #[test]
    fn what_is_too_long_is_found_before_it_comes() {
        assert_eq!(Frames::new(7).take(&message(8, 0)), Err(TooLong(8)));
        let mut frames = Frames::new(7);
        assert_eq!(frames.take(&message(7, 6)), Ok(Some(7)));
        assert_eq!(frames.take(b"x\0\xff\xff\xff"), Ok(None));
        assert_eq!(frames.take(b"\xff"), Err(TooLong(0xffff_ffff)));
    }
}
