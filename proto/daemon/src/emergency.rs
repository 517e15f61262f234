//! The emergency stop on disk. The orchestrator and `aios-tools` each keep one, so that neither does
//! anything for an agent after a restart, whatever became of the other.
//!
//! 1. **A full disk does not take it away.** It is a block of fixed size beside the file's name
//!    (`emergency.block`), made whole while there is room and overwritten in place from then on.
//! 2. **Whatever is not a whole block that says "not stopped" is a stop**: a write that a power cut
//!    tore, a damaged sector, and a disk that never had room for the block.
//! 3. The version before this one knows only a file, which is there while it is stopped
//!    (`emergency.toml`). That file is read, and still written when there is room, so that neither an
//!    update nor the way back from one ends a stop.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use aios_files::durable;

/// The file's name, in the folder of whoever keeps a stop.
pub const FILE: &str = "emergency.toml";

/// Bytes of the block: room for the longest stop, escaped.
const BLOCK: usize = 16 * 1024;

/// The block's first word.
const MAGIC: &str = "aios-emergency 1 ";

/// The longest name of who stopped it that a block keeps, in bytes.
const BY_MAX: usize = 512;

/// The longest reason that a block keeps, in bytes.
const REASON_MAX: usize = 1900;

/// Who stopped the agents, why and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Certificate subject and serial.
    pub by: String,
    /// For people; may be empty.
    pub reason: String,
    /// Unix time, milliseconds.
    pub since_ms: i64,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "emergency stop by {}", self.by)?;
        match self.reason.is_empty() {
            true => Ok(()),
            false => write!(f, ": {}", self.reason),
        }
    }
}

/// Makes the block when it is missing, and says who stopped the agents, if somebody did.
pub fn open(path: &Path) -> Option<Stop> {
    let made = match block_of(path).try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => make(path),
        Err(error) => Err(error),
    };
    match made {
        Ok(()) => read(path),
        Err(error) => Some(read(path).unwrap_or_else(|| unknown(&block_of(path), &format!(
            "it cannot be made ({error}), and without it an emergency stop is forgotten at the next start; \
             make room on the data disk, then resume"
        )))),
    }
}

/// The stop that the files say, if there is one. What cannot be understood is a stop too: somebody
/// wanted one.
pub fn read(path: &Path) -> Option<Stop> {
    let block = block_of(path);
    let in_block = match std::fs::read(&block) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unknown(&block, &error.to_string())),
        Ok(bytes) => decode(&bytes).unwrap_or_else(|why| Some(unknown(&block, &why))),
    };
    in_block.or_else(|| read_file(path))
}

/// Keeps a stop; it is on the disk when this returns. The text may be cut.
///
/// # Errors
/// What the disk refused.
pub fn write(path: &Path, stop: &Stop) -> io::Result<()> {
    let text = toml::to_string(stop).map_err(io::Error::other)?;
    let in_file = durable::replace(path, text.as_bytes());
    overwrite(path, Some(stop)).or_else(|error| in_file.map_err(|_| error))
}

/// Ends a stop; that is on the disk when this returns.
///
/// # Errors
/// What the disk refused; then the stop goes on at the next start.
pub fn remove(path: &Path) -> io::Result<()> {
    durable::remove(path)?;
    overwrite(path, None)
}

/// Is there a block, so that the next stop outlives a full disk?
pub fn is_kept(path: &Path) -> bool {
    block_of(path).exists()
}

/// The block that belongs to the file of this name.
fn block_of(path: &Path) -> PathBuf {
    path.with_extension("block")
}

/// Makes the block whole, with the state that the file says.
fn make(path: &Path) -> io::Result<()> {
    durable::replace(&block_of(path), &encode(read_file(path).as_ref())?)
}

/// Overwrites the block in place, which takes no room; makes it when it is missing.
fn overwrite(path: &Path, stop: Option<&Stop>) -> io::Result<()> {
    let block = block_of(path);
    let bytes = encode(stop)?;
    match OpenOptions::new().write(true).open(&block) {
        Ok(file) if file.metadata()?.len() == BLOCK as u64 => {
            file.write_all_at(&bytes, 0)?;
            file.sync_data()
        }
        Ok(_) => durable::replace(&block, &bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => durable::replace(&block, &bytes),
        Err(error) => Err(error),
    }
}

/// A line with the digest of the rest, then the stop as TOML, or nothing; filled up with line feeds.
fn encode(stop: Option<&Stop>) -> io::Result<Vec<u8>> {
    let stop = stop.map(|stop| Stop {
        by: cut(&stop.by, BY_MAX),
        reason: cut(&stop.reason, REASON_MAX),
        since_ms: stop.since_ms,
    });
    let mut text = match stop {
        Some(stop) => toml::to_string(&stop).map_err(io::Error::other)?,
        None => String::new(),
    };
    let room = BLOCK - head("").len();
    if text.len() > room {
        return Err(io::Error::other("the stop's text is too long"));
    }
    text.extend(std::iter::repeat_n('\n', room - text.len()));
    let block = head(&text) + &text;
    assert_eq!(block.len(), BLOCK, "a block has one size");
    Ok(block.into_bytes())
}

fn decode(bytes: &[u8]) -> Result<Option<Stop>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    if bytes.len() != BLOCK || !text.starts_with(&head(rest)) {
        return Err("it is damaged".into());
    }
    match rest.trim_matches('\n') {
        "" => Ok(None),
        stop => toml::from_str(stop)
            .map(Some)
            .map_err(|error| error.message().to_owned()),
    }
}

fn head(rest: &str) -> String {
    let digest = Sha256::digest(rest);
    format!("{MAGIC}{digest:x}\n")
}

fn read_file(path: &Path) -> Option<Stop> {
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unknown(path, &error.to_string())),
        Ok(text) => {
            Some(toml::from_str(&text).unwrap_or_else(|error| unknown(path, error.message())))
        }
    }
}

fn unknown(path: &Path, why: &str) -> Stop {
    Stop {
        by: "somebody".into(),
        reason: format!("{}: {why}", path.display()),
        since_ms: 0,
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.len() <= most {
        true => text.to_owned(),
        false => text[..text.floor_char_boundary(most)].to_owned() + "…",
    }
}

#[cfg(test)]
mod tests {
    use aios_testkit::disk::Disk;

    use super::*;

    fn stop() -> Stop {
        Stop {
            by: "CN=ann serial 5".into(),
            reason: "\"quoted\"\nlines".into(),
            since_ms: 7,
        }
    }

    #[test]
    fn a_stop_is_found_again_and_damage_is_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emergency.toml");
        assert_eq!(open(&path), None);
        write(&path, &stop()).unwrap();
        assert_eq!(open(&path), Some(stop()));
        std::fs::write(&path, "by = ").unwrap();
        assert_eq!(read(&path), Some(stop()), "the block says it");
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(open(&path), None);
    }

    /// A block of which only a part was written holds, whatever it was to say.
    #[test]
    fn a_torn_block_is_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emergency.toml");
        let long = Stop {
            reason: "r".repeat(1500),
            ..stop()
        };
        let (running, stopped) = (encode(None).unwrap(), encode(Some(&long)).unwrap());
        for written in (512..2048).step_by(512) {
            for (from, to) in [(&running, &stopped), (&stopped, &running)] {
                let mut torn = from.clone();
                torn[..written].copy_from_slice(&to[..written]);
                std::fs::write(block_of(&path), &torn).unwrap();
                assert!(read(&path).is_some(), "{written}");
            }
        }
        for damaged in [&b""[..], &running[..BLOCK - 1], &[0; BLOCK]] {
            std::fs::write(block_of(&path), damaged).unwrap();
            assert!(open(&path).is_some_and(|stop| stop.by == "somebody"));
        }
        remove(&path).unwrap();
        assert_eq!(open(&path), None);
    }

    #[test]
    fn a_stop_of_the_version_before_holds_and_that_version_knows_ours() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emergency.toml");
        let text = toml::to_string(&stop()).unwrap();
        std::fs::write(&path, &text).unwrap();
        assert_eq!(open(&path), Some(stop()));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(open(&path), Some(stop()), "the block was made of it");
        remove(&path).unwrap();
        write(&path, &stop()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    }

    #[test]
    fn the_longest_text_fits_the_block() {
        let text = "\u{1}".repeat(100_000);
        let long = Stop {
            by: text.clone(),
            reason: text,
            since_ms: i64::MIN,
        };
        assert!(decode(&encode(Some(&long)).unwrap()).unwrap().is_some());
    }

    #[test]
    fn a_full_disk_takes_no_stop_away_and_without_a_block_everything_is_stopped() {
        let Some(disk) = Disk::in_memory(256) else {
            return;
        };
        let path = disk.path().join("emergency.toml");
        assert_eq!(open(&path), None);
        disk.fill_wholly();
        write(&path, &stop()).unwrap();
        assert_eq!(open(&path), Some(stop()));
        remove(&path).unwrap();
        assert_eq!(open(&path), None);

        std::fs::remove_file(block_of(&path)).unwrap();
        disk.fill_wholly();
        let forced = open(&path).unwrap();
        assert!(forced.reason.contains("make room"), "{forced}");
        remove(&path).unwrap_err(); // the next stop could not be kept
        assert!(!is_kept(&path));
        disk.empty();
        remove(&path).unwrap();
        assert!(is_kept(&path));
        assert_eq!(open(&path), None);
    }
}
