//! Writing files so that they are whole or not there, and secrets so that
//! nobody else on the machine can read them.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::Failure;

/// No file that aiosctl reads (certificates, keys, configuration) is larger, in bytes.
const READ_MAX: u64 = 1024 * 1024;

/// Makes a folder and its parents, readable by their owner alone.
///
/// # Errors
/// When it cannot be made.
pub fn private_folder(path: &Path) -> Result<(), Failure> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| failure("make the folder", path, &error))
}

/// Writes a file of mode 0600 in one step: it is the old one or the new one,
/// never a half.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    private_folder(folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = folder.join(name);
    let written = write_and_rename(&temporary, path, folder, content);
    if written.is_err() {
        // The original failure is what matters; a file left over is harmless.
        let _ = fs::remove_file(&temporary);
    }
    written.map_err(|error| failure("write", path, &error))
}

fn write_and_rename(
    temporary: &Path,
    path: &Path,
    folder: &Path,
    content: &[u8],
) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    File::open(folder)?.sync_all()
}

/// Reads a text file of at most 1 MiB.
///
/// # Errors
/// When it cannot be read, is larger, or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(READ_MAX + 1).read_to_string(&mut text))
        .map_err(|error| failure("read", path, &error))?;
    if text.len() as u64 > READ_MAX {
        return Err(Failure::usage(format!(
            "{} is larger than 1 MiB",
            path.display()
        )));
    }
    Ok(text)
}

/// Joins a relative path that a stranger named to a folder, if it stays inside.
pub fn inside(folder: &Path, relative: &str) -> Option<PathBuf> {
    use std::path::Component;
    let path = Path::new(relative);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    (plain && path.components().next().is_some() && !relative.contains('\0'))
        .then(|| folder.join(path))
}

/// "cannot read /x: No such file", as a failure of use.
pub fn failure(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn secrets_are_for_their_owner_alone_and_are_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/key");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_from_outside_cannot_leave_the_folder() {
        let check = |relative: &str, expected: bool| {
            assert_eq!(
                inside(Path::new("/x"), relative).is_some(),
                expected,
                "{relative:?}"
            );
        };
        check("tile/0/001", true);
        check("checkpoint", true);
        check("", false);
        check("../x", false);
        check("a/../../x", false);
        check("/etc/passwd", false);
        check("a\0b", false);
    }
}
