//! Content that is copied with its holes: a file that is mostly empty takes no more space in its
//! copy (lseek(2), `SEEK_DATA`).

use std::fs::File;
use std::io::{self, Read as _, Seek as _};

use rustix::fs::SeekFrom;
use rustix::io::Errno;

/// Copies all content into an empty file. The answer is its size in bytes.
///
/// # Errors
/// What the kernel says.
pub fn copy(source: &mut File, target: &mut File) -> io::Result<u64> {
    let size = source.metadata()?.len();
    if size == 0 {
        return io::copy(source, target); // files of the kernel say 0 and have content
    }
    let mut at = 0;
    while at < size {
        let data = match rustix::fs::seek(&*source, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,               // the rest is a hole
            Err(Errno::INVAL | Errno::NOTSUP) => at, // this file system tells of no holes
            Err(error) => return Err(error.into()),
        };
        let hole = rustix::fs::seek(&*source, SeekFrom::Hole(data)).unwrap_or(size);
        source.seek(io::SeekFrom::Start(data))?;
        target.seek(io::SeekFrom::Start(data))?;
        let copied = io::copy(&mut source.take(hole - data), target)?;
        if copied < hole - data {
            break; // somebody made it shorter
        }
        at = hole;
    }
    target.set_len(size)?;
    target.seek(io::SeekFrom::End(0))
}
