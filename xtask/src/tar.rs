//! Small tar archives (POSIX ustar), made here so that they are always the same bytes:
//! what GRUB finds in its memory disk, and the file system around its environment.

use anyhow::{Result, ensure};

/// Bytes of a header, and what contents are padded to.
pub const BLOCK: usize = 512;

/// An archive of files: path and content.
///
/// # Errors
/// When a path is longer than a header has room for.
pub fn archive(files: &[(&str, &[u8])]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (path, content) in files {
        all.extend(header(path, content.len())?);
        all.extend_from_slice(content);
        all.resize(all.len().next_multiple_of(BLOCK), 0);
    }
    all.resize(all.len() + 2 * BLOCK, 0);
    Ok(all)
}

fn header(path: &str, length: usize) -> Result<[u8; BLOCK]> {
    ensure!(path.len() < 100, "{path}: too long for an archive");
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &str| {
        header[at..at + text.len()].copy_from_slice(text.as_bytes());
    };
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{length:011o}\0"));
    put(136, "00000000000\0");
    // The sum is made with spaces in its own place.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn tar_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let files: [(&str, &[u8]); 2] = [("a/b", b"one"), ("c", &[7; 513])];
        std::fs::write(&path, archive(&files).unwrap()).unwrap();
        let mut tar = Command::new("tar");
        let status = tar.arg("-xf").arg(&path).arg("-C").arg(folder.path());
        assert!(status.status().unwrap().success());
        for (name, content) in files {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), content);
        }
    }
}
