//! What is kept of what a program says.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of what a program says is kept, and which part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many bytes of the beginning.
    Begin(usize),
    /// So many bytes of the end.
    End(usize),
}

/// What was kept.
#[derive(Debug)]
pub struct Kept {
    keep: Keep,
    bytes: Vec<u8>,
    cut: bool,
}

impl Kept {
    /// Nothing yet.
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            bytes: Vec::new(),
            cut: false,
        }
    }

    /// The bytes, and whether there were more.
    pub fn into_parts(mut self) -> (Vec<u8>, bool) {
        if let Keep::End(most) = self.keep {
            self.shorten(most);
        }
        (self.bytes, self.cut)
    }

    /// Takes all that comes; what is not kept is read and forgotten.
    pub(super) async fn take(&mut self, stream: Option<impl AsyncRead + Unpin>) -> io::Result<()> {
        let Some(mut stream) = stream else {
            return Ok(());
        };
        let mut piece = vec![0; 16 * 1024];
        loop {
            match stream.read(&mut piece).await? {
                0 => return Ok(()),
                read => self.add(&piece[..read]),
            }
        }
    }

    fn add(&mut self, piece: &[u8]) {
        match self.keep {
            Keep::Begin(most) => {
                let room = most.saturating_sub(self.bytes.len()).min(piece.len());
                self.bytes.extend_from_slice(&piece[..room]);
                self.cut |= room < piece.len();
            }
            Keep::End(most) => {
                self.bytes.extend_from_slice(piece);
                if self.bytes.len() > 2 * most {
                    self.shorten(most);
                }
            }
        }
    }

    fn shorten(&mut self, most: usize) {
        let over = self.bytes.len().saturating_sub(most);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_or_the_end_is_kept() {
        let check = |keep, pieces: &[&str], expected: &str, cut| {
            let mut kept = Kept::new(keep);
            pieces.iter().for_each(|piece| kept.add(piece.as_bytes()));
            assert_eq!(kept.into_parts(), (expected.as_bytes().to_vec(), cut));
        };
        check(Keep::Begin(4), &["ab", "cd"], "abcd", false);
        check(Keep::Begin(3), &["ab", "cd", "ef"], "abc", true);
        check(Keep::End(4), &["ab", "cd"], "abcd", false);
        check(Keep::End(3), &["abcd", "efgh", "i"], "ghi", true);
        check(Keep::End(0), &["a"], "", true);
    }
}
