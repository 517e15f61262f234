//! A service's log file: bounded in size, and in what it takes per second.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

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
    /// None before the first line. Not by the time of day, which may be set back.
    refilled: Option<Instant>,
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
            refilled: None,
            dropped: 0,
        }
    }

    /// Adds a line that was said `at` (Unix time in ms) and is taken `now`.
    ///
    /// # Errors
    /// When the disk does not take it; the next line tries again.
    pub fn add(&mut self, now: Instant, at: i64, level: Level, text: &str) -> io::Result<()> {
        let line = format!("{at} {level} {text}\n");
        if !self.afford(now, line.len() as u64) {
            self.dropped += 1;
            return Ok(());
        }
        if self.dropped > 0 {
            let lost = std::mem::take(&mut self.dropped);
            self.write(&format!(
                "{at} warning {lost} lines dropped: too many at once\n"
            ))?;
        }
        self.write(&line)
    }

    fn afford(&mut self, now: Instant, cost: u64) -> bool {
        let before = *self.refilled.get_or_insert(now);
        let passed = now.saturating_duration_since(before).as_millis();
        let refill = u64::try_from(passed).unwrap_or(u64::MAX).min(60_000) * PER_SECOND / 1000;
        if refill > 0 {
            self.budget = (self.budget + refill).min(BURST);
            self.refilled = Some(now);
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
    use std::time::Duration;

    #[test]
    fn files_stay_bounded_and_a_flood_is_cut_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(folder.path(), "noisy");
        let (text, start) = ("x".repeat(1000), Instant::now());
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            for _ in 0..200 {
                log.add(now, 1_000_000, Level::Info, &text).unwrap();
            }
        }
        let size = |name: &str| std::fs::metadata(folder.path().join(name)).unwrap().len();
        assert!(size("noisy.log") <= FILE_MAX && size("noisy.log.1") <= FILE_MAX);
        let current = std::fs::read_to_string(folder.path().join("noisy.log")).unwrap();
        assert!(current.contains("lines dropped"), "the loss is not told");
    }

    #[test]
    fn a_clock_that_is_set_back_costs_no_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::new(folder.path(), "steady");
        let (text, start) = ("x".repeat(1000), Instant::now());
        // 100 kB a second, less than is allowed; the time of day goes back by a year.
        for second in 0..60 {
            let now = start + Duration::from_secs(second);
            let at = if second < 5 {
                1_800_000_000_000
            } else {
                1_768_000_000_000
            };
            for _ in 0..100 {
                log.add(now, at, Level::Info, &text).unwrap();
            }
        }
        let mut all = String::new();
        for name in ["steady.log.1", "steady.log"] {
            all += &std::fs::read_to_string(folder.path().join(name)).unwrap();
        }
        assert!(!all.contains("dropped"));
        assert_eq!(log.dropped, 0);
        // Lines of the past, as the kernel's records may be, do not refill it.
        let now = start + Duration::from_secs(100);
        for at in 0..3000 {
            log.add(now, at * 60_000, Level::Info, &text).unwrap();
        }
        assert!(log.dropped > 1000, "{}", log.dropped);
    }

    #[test]
    fn a_deleted_log_begins_anew_when_it_is_full() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = LogFile::new(folder.path(), "a");
        let (text, start) = ("x".repeat(1000), Instant::now());
        let mut add = |second: u64, text: &str| {
            let now = start + Duration::from_secs(second);
            log.add(now, 1000, Level::Info, text).unwrap();
        };
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
            .add(Instant::now(), 1, Level::Info, "one")
            .unwrap();
        LogFile::new(folder.path(), "a")
            .add(Instant::now(), 2, Level::Error, "two")
            .unwrap();
        let text = std::fs::read_to_string(folder.path().join("a.log")).unwrap();
        assert_eq!(text, "1 info one\n2 error two\n");
    }
}
