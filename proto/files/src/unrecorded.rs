//! What happened and is not in the ledger yet: one small file each, in a folder of root's own.
//!
//! Who does something that must be on record, and may neither wait for `aios-tools` nor lose the
//! record when that is not there (a configuration given at the console, a node that is provisioned
//! before anything else runs), keeps it here first. It is durable when [`keep`] returns; `aios-tools`
//! takes it into the ledger within seconds, or as soon as it is up again. A power cut in between may put
//! it on record twice, never not at all.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

use crate::{clock, durable};

/// The folder, in `/var/lib/aios`.
const FOLDER: &str = "unrecorded";

/// So much of each field is kept, in bytes; the ledger keeps no more.
const FIELD_MAX: usize = 4096;

/// So much waits at most; a disk must not fill up while `aios-tools` is away.
const WAITING_MAX: usize = 10_000;

/// No file is larger, in bytes: fields, names and escapes.
const FILE_MAX: u64 = 128 * 1024;

/// How a whole file's name ends.
const WHOLE: &str = "toml";

/// Something that happened. The folder is root's, so that nobody else can have written it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// When, Unix time in milliseconds, by the clock of that moment.
    pub time_ms: i64,
    /// Which daemon says so.
    pub actor: String,
    /// `config.apply`, `node.provisioned`, …
    pub kind: String,
    /// Whom it is about.
    pub subject: String,
    /// More, for people.
    pub detail: String,
}

impl Happened {
    /// It happens now.
    pub fn now(actor: &str, kind: &str, subject: &str, detail: &str) -> Self {
        Self {
            time_ms: clock::now_ms(),
            actor: cut(actor),
            kind: cut(kind),
            subject: cut(subject),
            detail: cut(detail),
        }
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(FIELD_MAX)].to_owned()
}

/// Keeps it until it is on record; `state` is `/var/lib/aios`.
///
/// # Errors
/// When the disk refuses, or too much waits already.
pub fn keep(state: &Path, happened: &Happened) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = folder(state)?;
    if waiting(state)?.len() >= WAITING_MAX {
        let text = format!(
            "{} things wait to be recorded: is aios-tools away?",
            WAITING_MAX
        );
        return Err(io::Error::other(text));
    }
    let name = format!(
        "{:016}-{:010}-{:010}",
        happened.time_ms,
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let path = folder.join(name).with_extension(WHOLE);
    let text = toml::to_string(happened).map_err(io::Error::other)?;
    durable::replace(&path, text.as_bytes())
}

fn folder(state: &Path) -> io::Result<PathBuf> {
    let folder = state.join(FOLDER);
    if !folder.is_dir() {
        std::fs::create_dir_all(state)?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => File::open(state)?.sync_all()?,
        }
    }
    Ok(folder)
}

/// The files of all that waits, the oldest first.
///
/// # Errors
/// When the folder is there and cannot be read.
pub fn waiting(state: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(state.join(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == WHOLE) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// What a file of [`waiting`] says.
///
/// # Errors
/// When it cannot be read, or says nothing that can be understood (`InvalidData`).
pub fn read(path: &Path) -> io::Result<Happened> {
    // Root's own folder; all the same, nothing there is waited for or read without end.
    let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW;
    let mut file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if !file.metadata()?.is_file() {
        return Err(invalid("not a file"));
    }
    let mut text = String::new();
    file.by_ref().take(FILE_MAX).read_to_string(&mut text)?;
    toml::from_str(&text).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_kept_waits_in_order_and_for_root_alone() {
        let state = tempfile::tempdir().unwrap();
        assert!(waiting(state.path()).unwrap().is_empty());
        let kept: Vec<Happened> = ["first", "second\n\"quoted\"", "third"]
            .iter()
            .map(|detail| Happened::now("config", "config.apply", "console", detail))
            .collect();
        for happened in &kept {
            keep(state.path(), happened).unwrap();
        }
        let folder = state.path().join(FOLDER);
        std::fs::write(folder.join("0-half.new"), "left by a power cut").unwrap();
        let read: Vec<Happened> = waiting(state.path())
            .unwrap()
            .iter()
            .map(|path| read(path).unwrap())
            .collect();
        assert_eq!(read, kept);
        let mode = folder.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
