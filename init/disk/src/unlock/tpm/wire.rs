//! TPM 2.0's bytes (Trusted Platform Module Library, Part 2: Structures): big-endian numbers,
//! and buffers with a 16-bit length. What a TPM answers is input like any other: nothing is
//! read beyond its end, and nothing is believed that was not checked.

/// An answer or a stored object longer than this is none (Part 3: responses fit 4096 bytes).
pub const SIZE_MAX: usize = 4096;

/// Bytes of a command.
#[derive(Default)]
pub struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// A TPM2B: its length, and it. What is longer than a TPM takes is cut, and refused by it.
    pub fn sized(self, bytes: &[u8]) -> Self {
        let taken = bytes.get(..SIZE_MAX).unwrap_or(bytes);
        self.u16(u16::try_from(taken.len()).unwrap_or(0))
            .bytes(taken)
    }
}

/// What is left of an answer.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn u16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_be_bytes(self.take(4)?.try_into().ok()?))
    }

    /// What an answer with sessions says, without what follows about the sessions.
    pub fn parameters(&mut self) -> Option<Reader<'a>> {
        let length = usize::try_from(self.u32()?).ok()?;
        self.take(length).map(Reader)
    }

    /// A TPM2B's content.
    pub fn sized(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }
}

/// An answer's code and what follows it, if its length is what it says (Part 1, 18.4).
pub fn answer(bytes: &[u8]) -> Option<(u32, Reader<'_>)> {
    let mut reader = Reader(bytes);
    let tag = reader.u16()?;
    let length = usize::try_from(reader.u32()?).ok()?;
    let code = reader.u32()?;
    let sound = (tag == 0x8001 || tag == 0x8002) && length == bytes.len();
    sound.then_some((code, reader))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_lies_about_its_length_is_none() {
        let check = |bytes: &[u8], expected: Option<u32>| {
            assert_eq!(answer(bytes).map(|(code, _)| code), expected, "{bytes:x?}");
        };
        check(&[0x80, 1, 0, 0, 0, 10, 0, 0, 1, 1], Some(0x101));
        check(&[0x80, 1, 0, 0, 0, 11, 0, 0, 1, 1], None);
        check(&[0x80, 1, 0, 0, 0, 9, 0, 0, 1, 1], None);
        check(&[0x80, 3, 0, 0, 0, 10, 0, 0, 1, 1], None);
        check(&[0x80, 1, 0, 0, 0, 10], None);
        check(&[], None);
    }

    #[test]
    fn nothing_is_read_beyond_the_end() {
        let mut reader = Reader(&[0, 3, 1, 2]);
        assert_eq!(reader.sized(), None);
        let mut reader = Reader(&[0, 2, 1, 2, 9]);
        assert_eq!(reader.sized(), Some(&[1, 2][..]));
        assert_eq!(reader.u16(), None);
        assert_eq!(Writer::default().sized(&[7; 3]).u8(1).0, [0, 3, 7, 7, 7, 1]);
    }
}
