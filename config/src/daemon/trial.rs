//! A configuration that is tried: by whom and until when, over a restart of the daemon.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use aios_proto::socket;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The shortest and longest trial, in seconds: time enough to connect anew, and not for ever.
pub const SECONDS: std::ops::RangeInclusive<u32> = 10..=600;

/// The longest note, in bytes: a configuration comes in a message of this size, and a text may grow
/// when it is quoted.
const NOTE_MAX: u64 = 2 * socket::MESSAGE_MAX as u64;

/// A trial under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Names it when it is confirmed.
    pub id: String,
    /// Who tries.
    pub by: String,
    /// When it goes back, on the clock that starts with the machine, in milliseconds.
    pub until_ms: u64,
    /// What is tried: with it the services can be told what goes back.
    pub tried: String,
}

impl Trial {
    /// One that begins now.
    pub fn new(by: &str, time: Duration, tried: &str) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: Uuid::new_v4().to_string(),
            by: by.to_owned(),
            until_ms: now_ms().saturating_add(time),
            tried: tried.to_owned(),
        }
    }

    /// Milliseconds left; 0 when it is over.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.saturating_sub(now_ms)
    }

    /// The trial of this note, if it can be read and this daemon wrote it: what it says is done. The
    /// caller waits for nothing that somebody else put there.
    pub fn read(note: &Path) -> Option<Self> {
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let flags = i32::try_from(flags.bits()).ok()?;
        let mut options = OpenOptions::new();
        let file = options.read(true).custom_flags(flags).open(note).ok()?;
        let found = file.metadata().ok()?;
        let own = found.uid() == rustix::process::geteuid().as_raw();
        if !found.is_file() || !own || found.len() > NOTE_MAX {
            tracing::warn!("{} is not of aios-config: not read", note.display());
            return None;
        }
        let mut text = String::new();
        file.take(NOTE_MAX).read_to_string(&mut text).ok()?;
        toml::from_str(&text).ok()
    }

    /// Writes the note, for root alone.
    ///
    /// # Errors
    /// When it cannot be written, or could not be read again.
    pub fn write(&self, note: &Path) -> io::Result<()> {
        let text = toml::to_string(self).map_err(io::Error::other)?;
        if text.len() as u64 > NOTE_MAX {
            return Err(io::Error::other("it is too big to be tried"));
        }
        drop(std::fs::remove_file(note)); // not there: nothing to remove
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(note)?;
        file.write_all(text.as_bytes())
    }
}

/// Milliseconds since the machine started, sleep counted.
pub fn now_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_obeyed_only_when_the_daemon_wrote_it() {
        let folder = tempfile::tempdir().unwrap();
        let note = folder.path().join("note");
        let trial = Trial::new("ann", Duration::from_secs(60), "[tools]\n");
        let check = |expected: Option<&Trial>| assert_eq!(Trial::read(&note).as_ref(), expected);
        check(None);
        trial.write(&note).unwrap();
        check(Some(&trial));
        let elsewhere = folder.path().join("elsewhere");
        std::fs::rename(&note, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &note).unwrap();
        check(None);
        std::fs::remove_file(&note).unwrap();
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, &note, fifo, mode, 0).unwrap();
        check(None); // and at once
        trial.write(&note).unwrap();
        let mut file = OpenOptions::new().append(true).open(&note).unwrap();
        file.write_all(b"# ").unwrap();
        check(Some(&trial));
        file.set_len(NOTE_MAX + 1).unwrap();
        check(None);
        drop(file);
        trial.write(&note).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&note, Some(65_534), None).unwrap();
            check(None);
        }
        let huge = Trial {
            tried: "\u{1}".repeat(socket::MESSAGE_MAX),
            ..trial
        };
        assert!(huge.write(&note).is_err());
    }
}
