//! The emergency stop on disk. The orchestrator and `aios-tools` each keep such a file, so that
//! neither does anything for an agent after a restart, whatever became of the other.

use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::durable;

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

/// The stop that the file says, if there is one. A file that cannot be understood is a stop too:
/// somebody wanted one.
pub fn read(path: &Path) -> Option<Stop> {
    let unknown = |why: String| Stop {
        by: "somebody".into(),
        reason: format!("{}: {why}", path.display()),
        since_ms: 0,
    };
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(unknown(error.to_string())),
        Ok(text) => {
            Some(toml::from_str(&text).unwrap_or_else(|error| unknown(error.message().to_owned())))
        }
    }
}

/// Writes the file; it is on the disk when this returns.
///
/// # Errors
/// What the disk refused.
pub fn write(path: &Path, stop: &Stop) -> io::Result<()> {
    let text = toml::to_string(stop).map_err(io::Error::other)?;
    durable::replace(path, text.as_bytes())
}

/// Removes the file; that is on the disk when this returns.
///
/// # Errors
/// What the disk refused.
pub fn remove(path: &Path) -> io::Result<()> {
    durable::remove(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_found_again_and_damage_is_a_stop() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emergency.toml");
        let stop = Stop {
            by: "CN=ann serial 5".into(),
            reason: "\"quoted\"\nlines".into(),
            since_ms: 7,
        };
        assert_eq!(read(&path), None);
        write(&path, &stop).unwrap();
        assert_eq!(read(&path), Some(stop));
        std::fs::write(&path, "by = ").unwrap();
        assert!(read(&path).is_some_and(|stop| stop.by == "somebody"));
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert_eq!(read(&path), None);
    }
}
