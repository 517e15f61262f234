//! Small files that a power cut leaves old or new, never half.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Replaces a file: written beside, synchronised, renamed, and the folder
/// synchronised too. Only its owner can read it (mode 0600).
///
/// # Errors
/// When the disk is full, read-only or broken; what was there is then still there.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_with_mode(path, content, 0o600)
}

/// The same for a file of this mode (less the process's umask).
///
/// # Errors
/// As [`replace`].
pub fn replace_with_mode(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = folder.join(name);
    // Left by a power cut, perhaps with another's rights. Err: it is not there.
    let _ = std::fs::remove_file(&beside);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&beside, path)) {
        let _ = std::fs::remove_file(&beside); // Err: it stays, in the way of nobody.
        return Err(error);
    }
    File::open(folder)?.sync_all()
}

/// Removes a file, if it is there; that is on the disk when this returns.
///
/// # Errors
/// When the disk is read-only or broken.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_whole_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        std::fs::write(folder.path().join("seed.new"), "half").unwrap();
        for text in ["first, and longer", "second"] {
            replace(&path, text.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(replace(&folder.path().join("no/such"), b"x").is_err());
        std::fs::create_dir(folder.path().join("full")).unwrap();
        assert!(replace(&folder.path().join("full"), b"x").is_err());
        for _ in 0..2 {
            remove(&path).unwrap();
        }
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing lies beside: {left:?}");
    }
}
