//! Notes to the next process, in a folder of root's in memory: they outlive a kill of the daemon, not
//! the power. Then all services start with what the disk says.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aios_daemon::socket;
use rustix::fs::OFlags;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest note, in bytes: a configuration comes in a message of this size, and a text may grow
/// when it is quoted.
const MAX: u64 = 2 * socket::MESSAGE_MAX as u64;

/// What this note says, if it can be read and this daemon wrote it: what it says is done. Waits for
/// nothing that somebody else put there.
pub fn read<T: DeserializeOwned>(note: &Path) -> Option<T> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).ok()?;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(flags).open(note).ok()?;
    let found = file.metadata().ok()?;
    let own = found.uid() == rustix::process::geteuid().as_raw();
    if !found.is_file() || !own || found.len() > MAX {
        tracing::warn!("{} is not of aios-config: not read", note.display());
        return None;
    }
    let mut text = String::new();
    file.take(MAX).read_to_string(&mut text).ok()?;
    toml::from_str(&text).ok()
}

/// Writes the note, for root alone; it is the old or the new one at any instant.
///
/// # Errors
/// When it cannot be written, or could not be read again.
pub fn write<T: Serialize>(note: &Path, said: &T) -> io::Result<()> {
    let text = toml::to_string(said).map_err(io::Error::other)?;
    if text.len() as u64 > MAX {
        return Err(io::Error::other("it is too big to be noted"));
    }
    let beside = note.with_extension("new");
    drop(std::fs::remove_file(&beside)); // not there: nothing to remove
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(beside, note)
}

/// Removes it, if it is there.
pub fn forget(note: &Path) {
    drop(std::fs::remove_file(note)); // it may not be there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_obeyed_only_when_the_daemon_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        let said = vec!["ann".to_owned(), "[tools]\n".to_owned()];
        let said = std::collections::BTreeMap::from([("tried".to_owned(), said)]);
        let check = |expected: bool| assert_eq!(read(&note), expected.then(|| said.clone()));
        check(false);
        write(&note, &said).unwrap();
        check(true);
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&note, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &note).unwrap();
        check(false);
        forget(&note);
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &note, fifo, mode, 0).unwrap();
        check(false); // and at once
        write(&note, &said).unwrap();
        let mut file = OpenOptions::new().append(true).open(&note).unwrap();
        file.write_all(b"# ").unwrap();
        check(true);
        file.set_len(MAX + 1).unwrap();
        check(false);
        drop(file);
        write(&note, &said).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&note, Some(65_534), None).unwrap();
            check(false);
        }
        assert!(write(&note, &["\u{1}".repeat(socket::MESSAGE_MAX)]).is_err());
    }
}
