//! Log files that are read on as they grow.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use aios_contracts::v1;

use super::backwards::Backwards;
use super::logs::Query;
use crate::logger::{LINE_MAX, Level, parse_stored};

/// Bytes that are read of a file at once while following.
const GROWN_MAX: u64 = 256 * 1024;

/// Files that are wanted and not in `tails` yet.
pub fn discover(folder: &Path, query: &Query, tails: &mut Vec<Tail>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let is_log = path.extension().is_some_and(|extension| extension == "log");
        let Some(name) = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::to_owned)
        else {
            continue;
        };
        let wanted = query
            .service
            .as_ref()
            .is_none_or(|service| *service == name);
        if is_log && wanted && tails.iter().all(|tail| tail.service != name) {
            tails.push(Tail {
                path,
                service: name,
                inode: 0,
                offset: 0,
            });
        }
    }
}

/// A file and how far it was read.
pub struct Tail {
    pub path: PathBuf,
    pub service: String,
    inode: u64,
    offset: u64,
}

impl Tail {
    /// The lines that are there now, the newest first. What is added later is read from there on.
    pub fn read_back(&mut self) -> io::Result<Backwards> {
        let file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        let lines = Backwards::new(file, metadata.len())?;
        (self.inode, self.offset) = (metadata.ino(), lines.end());
        Ok(lines)
    }

    pub fn grown(&mut self, query: &Query) -> io::Result<Vec<v1::LogLine>> {
        let mut lines = Vec::new();
        self.grow(query, &mut |line| lines.push(line))?;
        Ok(lines)
    }

    /// Reads on from where it was; from the start when the file is a new one.
    fn grow(&mut self, query: &Query, keep: &mut dyn FnMut(v1::LogLine)) -> io::Result<()> {
        let mut file = File::open(&self.path)?;
        let metadata = file.metadata()?;
        if metadata.ino() != self.inode || metadata.len() < self.offset {
            self.inode = metadata.ino();
            self.offset = 0;
        }
        if metadata.len() == self.offset {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.offset))?;
        let grown = BufReader::new(file.take(GROWN_MAX));
        self.offset += read_lines(grown, &self.service, query, keep)?;
        Ok(())
    }
}

/// Reads whole lines; how many bytes they were.
fn read_lines(
    mut reader: impl BufRead,
    service: &str,
    query: &Query,
    keep: &mut dyn FnMut(v1::LogLine),
) -> io::Result<u64> {
    let mut consumed = 0;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        // The logger writes no longer line; a file that is not its own may have one.
        let length = reader
            .by_ref()
            .take(LINE_MAX as u64 * 2)
            .read_until(b'\n', &mut bytes)?;
        if length == 0 || (bytes.last() != Some(&b'\n') && length < LINE_MAX * 2) {
            return Ok(consumed); // the end, or a line that is not finished
        }
        consumed += length as u64;
        if let Some(line) = line(&bytes, service, query) {
            keep(line);
        }
    }
}

/// The stored line, if it is one and wanted.
pub fn line(bytes: &[u8], service: &str, query: &Query) -> Option<v1::LogLine> {
    let text = String::from_utf8_lossy(bytes);
    let (time_ms, level, text) = parse_stored(&text)?;
    (level >= query.at_least).then(|| v1::LogLine {
        time_ms,
        service: service.to_owned(),
        level: to_wire(level).into(),
        text: text.to_owned(),
    })
}

fn to_wire(level: Level) -> v1::LogLevel {
    match level {
        Level::Debug => v1::LogLevel::Debug,
        Level::Info => v1::LogLevel::Info,
        Level::Warning => v1::LogLevel::Warning,
        Level::Error => v1::LogLevel::Error,
    }
}
