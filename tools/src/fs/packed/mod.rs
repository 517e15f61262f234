//! Archives: `fs.archive` makes them, `fs.extract` unpacks them.

pub mod header;
pub mod member;
pub mod plan;
pub mod unpack;
pub mod write;

use std::fs::File;
use std::io::{self, Read, Seek as _};

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

/// How a file begins that is compressed with gzip (RFC 1952).
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// How one begins that is compressed with Zstandard (RFC 8878).
const ZSTANDARD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// The content of an archive without its compression, which its first bytes tell.
///
/// # Errors
/// When it cannot be read.
pub fn open(mut file: File) -> io::Result<Box<dyn Read>> {
    let mut begin = Vec::new();
    (&mut file).take(4).read_to_end(&mut begin)?;
    file.rewind()?;
    Ok(if begin.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else if begin.starts_with(&ZSTANDARD) {
        Box::new(StreamingDecoder::new(file).map_err(io::Error::other)?)
    } else {
        Box::new(file)
    })
}
