//! A file system within a file or a disk, to be read by `ext4-view`.

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use ext4_view::Ext4Read;

/// The bytes from `at` on; nothing beyond them is read.
pub struct Within {
    /// What it lies in.
    pub file: File,
    /// Its first byte.
    pub at: u64,
    /// Its length in bytes.
    pub length: u64,
}

impl Ext4Read for Within {
    fn read(&mut self, start: u64, into: &mut [u8]) -> Result<(), Box<dyn Error + Send + Sync>> {
        let end = start.checked_add(into.len() as u64);
        if end.is_none_or(|end| end > self.length) {
            return Err(Box::new(io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        Ok(self.file.read_exact_at(into, self.at + start)?)
    }
}
