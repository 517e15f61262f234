//! A service's log file: bounded in size, and in what it takes per second.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::line::Level;

/// A file is rotated at this size; there are two. 1 MiB: some 10,000 lines.
pub const FILE_MAX: u64 = 1024 * 1024;
/// What a service may write at once, and go on writing per second, in bytes.
/// More is counted and dropped: a flood costs neither the disk nor the others.
const BURST: u64 = 1024 * 1024;
const PER_SECOND: u64 = 128 * 1024;

/// The log of one service.
pub struct LogFile {
    path: PathBuf,
    file: Option<File>,
    size: u64,
    budget: u64,
    refilled: i64,
    dropped: u64,
}

impl LogFile {
    /// In `folder`, by the service's name. Opened when first written.
    pub fn new(folder: &Path, service: &str) -> Self {
        let path = folder.join(format!("{service}.log"));
        Self {
            path,
            file: None,
            size: 0,
            budget: BURST,
            refilled: 0,
            dropped: 0,
        }
    }

    /// Adds a line at `now` (Unix time in ms).
    ///
    /// # Errors
    /// When the disk does not take it; the next line tries again.
    pub fn add(&mut self, now: i64, level: Level, text: &str) -> io::Result<()> {
        let line = format!("{now} {level} {text}\n");
        if !self.afford(now, line.len() as u64) {
            self.dropped += 1;
            return Ok(());
        }
        if self.dropped > 0 {
            let lost = std::mem::take(&mut self.dropped);
            self.write(&format!(
                "{now} warning {lost} lines dropped: too many at once\n"
            ))?;
        }
        self.write(&line)
    }

    fn afford(&mut self, now: i64, cost: u64) -> bool {
        let passed = u64::try_from(now.saturating_sub(self.refilled))
            .unwrap_or(0)
            .min(60_000);
        let refill = passed * PER_SECOND / 1000;
        if refill > 0 {
            self.budget = (self.budget + refill).min(BURST);
            self.refilled = now;
        }
        let affordable = cost <= self.budget;
        if affordable {
            self.budget -= cost;
        }
        affordable
    }

    /// In one write, so that a reader sees whole lines, at once.
    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.size + line.len() as u64 > FILE_MAX {
            self.rotate()?;
        }
        let written = match self.open() {
            Ok(file) => file.write_all(line.as_bytes()),
            Err(error) => Err(error),
        };
        match &written {
            Ok(()) => self.size += line.len() as u64,
            Err(_) => self.file = None,
        }
        written
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        match std::fs::rename(&self.path, self.path.with_extension("log.1")) {
            // Somebody deleted it: a new one begins all the same.
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => self.size = 0,
        }
        Ok(())
    }

    fn open(&mut self) -> io::Result<&mut File> {
        let file = match self.file.take() {
            Some(file) => file,
            None => {
                let mut options = OpenOptions::new();
                let file = options
                    .append(true)
                    .create(true)
                    .mode(0o640)
                    .open(&self.path)?;
                self.size = file.metadata()?.len();
                file
            }
        };
        Ok(self.file.insert(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stay_bounded_and_a_flood_is_cut_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(folder.path(), "noisy");
        let text = "x".repeat(1000);
        for second in 0..100 {
            for _ in 0..200 {
                log.add(second * 1000 + 1_000_000, Level::Info, &text)
                    .unwrap();
            }
        }
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("noisy.log") <= FILE_MAX && size("noisy.log.1") <= FILE_MAX);
        let current = std::fs::read_to_string(folder.path().join("noisy.log")).unwrap();
        assert!(current.contains("lines dropped"), "the loss is not told");
    }

    #[test]
    fn a_deleted_log_begins_anew_when_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogFile::new(folder.path(), "a");
        let text = "x".repeat(1000);
        let mut add = |second: i64, text: &str| log.add(second * 1000, Level::Info, text).unwrap();
        add(1, &text);
        std::fs::remove_file(&path).unwrap();
        for second in 0..2000 {
            add(1_000_000 + second, &text);
        }
        let size = std::fs::metadata(&path).unwrap().len();
        assert!((1000..=FILE_MAX).contains(&size), "{size}");
        add(2_000_000, "the last line");
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(log.ends_with("the last line\n"));
    }

    #[test]
    fn a_log_goes_on_where_the_last_logger_stopped() {
        let folder = tempfile::tempdir().unwrap();
        LogFile::new(folder.path(), "a")
            .add(1, Level::Info, "one")
            .unwrap();
        LogFile::new(folder.path(), "a")
            .add(2, Level::Error, "two")
            .unwrap();
        let text = std::fs::read_to_string(folder.path().join("a.log")).unwrap();
        assert_eq!(text, "1 info one\n2 error two\n");
    }
}
