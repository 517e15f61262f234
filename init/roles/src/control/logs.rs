//! Reads what the logger wrote: the last lines of one or all files, and what is
//! added to them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::logger::{LINE_MAX, Level, parse_stored};

/// Lines when the request names no number, and the most that it can get.
const LINES_DEFAULT: usize = 100;
const LINES_MAX: usize = 10_000;
/// How often the files are looked at when following.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct Query {
    service: Option<String>,
    lines: usize,
    follow: bool,
    at_least: Level,
}

impl Query {
    /// # Errors
    /// `INVALID_ARGUMENT` for a service name that is none (it becomes a file name).
    pub fn from_wire(request: &v1::LogsRequest) -> Result<Self, Status> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        if !request.service.chars().all(allowed) || request.service.starts_with('.') {
            return Err(Status::invalid_argument(format!(
                "{:?} is no service",
                request.service
            )));
        }
        let at_least = match request.at_least() {
            v1::LogLevel::Unspecified | v1::LogLevel::Debug => Level::Debug,
            v1::LogLevel::Info => Level::Info,
            v1::LogLevel::Warning => Level::Warning,
            v1::LogLevel::Error => Level::Error,
        };
        let lines = match request.lines as usize {
            0 => LINES_DEFAULT,
            lines => lines.min(LINES_MAX),
        };
        let service = Some(request.service.clone()).filter(|name| !name.is_empty());
        Ok(Self {
            service,
            lines,
            follow: request.follow,
            at_least,
        })
    }
}

type Item = Result<v1::LogLine, Status>;

/// The lines, old ones first; ends after them unless following.
pub fn stream(folder: PathBuf, query: Query) -> ReceiverStream<Item> {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        let (found, mut tails) = match read_last(&folder, &query).await {
            Ok(found) => found,
            Err(error) => {
                let status = Status::unavailable(format!("cannot read the logs: {error}"));
                // Err: the reader has gone.
                let _ = sender.send(Err(status)).await;
                return;
            }
        };
        for line in found {
            if sender.send(Ok(line)).await.is_err() {
                return;
            }
        }
        if !query.follow {
            return;
        }
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            discover(&folder, &query, &mut tails);
            for tail in &mut tails {
                for line in tail.grown(&query).unwrap_or_default() {
                    if sender.send(Ok(line)).await.is_err() {
                        return;
                    }
                }
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    ReceiverStream::new(receiver)
}

/// The last lines and where the files ended then; off the executor's thread.
async fn read_last(folder: &Path, query: &Query) -> io::Result<(Vec<v1::LogLine>, Vec<Tail>)> {
    let (folder, query) = (folder.to_owned(), query.clone());
    let read = tokio::task::spawn_blocking(move || last_lines(&folder, &query));
    read.await.map_err(io::Error::other)?
}

fn last_lines(folder: &Path, query: &Query) -> io::Result<(Vec<v1::LogLine>, Vec<Tail>)> {
    let mut tails = Vec::new();
    discover(folder, query, &mut tails);
    let mut all = Vec::new();
    for tail in &mut tails {
        let mut last = VecDeque::new();
        let mut keep = |line| {
            if last.len() == query.lines {
                last.pop_front();
            }
            last.push_back(line);
        };
        if let Ok(older) = File::open(tail.path.with_extension("log.1")) {
            read_lines(BufReader::new(older), &tail.service, query, &mut keep)?;
        }
        tail.grow(query, &mut keep)?;
        all.extend(last);
    }
    all.sort_by_key(|line: &v1::LogLine| line.time_ms);
    let surplus = all.len().saturating_sub(query.lines);
    Ok((all.split_off(surplus), tails))
}

/// Files that are wanted and not in `tails` yet.
fn discover(folder: &Path, query: &Query, tails: &mut Vec<Tail>) {
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
struct Tail {
    path: PathBuf,
    service: String,
    inode: u64,
    offset: u64,
}

impl Tail {
    fn grown(&mut self, query: &Query) -> io::Result<Vec<v1::LogLine>> {
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
        self.offset += read_lines(BufReader::new(file), &self.service, query, keep)?;
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
        if let Some((time_ms, level, text)) = parse_stored(&String::from_utf8_lossy(&bytes))
            && level >= query.at_least
        {
            keep(v1::LogLine {
                time_ms,
                service: service.to_owned(),
                level: to_wire(level).into(),
                text: text.to_owned(),
            });
        }
    }
}

fn to_wire(level: Level) -> v1::LogLevel {
    match level {
        Level::Debug => v1::LogLevel::Debug,
        Level::Info => v1::LogLevel::Info,
        Level::Warning => v1::LogLevel::Warning,
        Level::Error => v1::LogLevel::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_stream::StreamExt;

    fn query(service: &str, lines: u32, at_least: v1::LogLevel) -> v1::LogsRequest {
        v1::LogsRequest {
            service: service.to_owned(),
            lines,
            follow: false,
            at_least: at_least.into(),
        }
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("tools.log.1", "1 info first\n");
        write(
            "tools.log",
            "3 error third\nnonsense\n5 info fifth\n6 info unfinish",
        );
        write("memory.log", "2 warning second\n4 info fourth\n");
        folder
    }

    #[tokio::test]
    async fn the_last_lines_of_all_files_come_in_the_order_of_time() {
        let folder = folder();
        let check = async |service: &str, lines, level, expected: &[&str]| {
            let query = Query::from_wire(&query(service, lines, level)).unwrap();
            let found: Vec<Item> = stream(folder.path().to_owned(), query).collect().await;
            let texts: Vec<String> = found.into_iter().map(|line| line.unwrap().text).collect();
            assert_eq!(texts, expected, "{service} {lines} {level:?}");
        };
        use v1::LogLevel::{Error, Unspecified, Warning};
        check(
            "",
            0,
            Unspecified,
            &["first", "second", "third", "fourth", "fifth"],
        )
        .await;
        check("", 2, Unspecified, &["fourth", "fifth"]).await;
        check("tools", 0, Unspecified, &["first", "third", "fifth"]).await;
        check("", 0, Warning, &["second", "third"]).await;
        check("", 0, Error, &["third"]).await;
        check("nobody", 0, Unspecified, &[]).await;
    }

    #[tokio::test]
    async fn following_sees_new_lines_also_after_a_rotation() {
        let folder = folder();
        let request = v1::LogsRequest {
            follow: true,
            ..query("memory", 1, v1::LogLevel::Unspecified)
        };
        let query = Query::from_wire(&request).unwrap();
        let mut lines = stream(folder.path().to_owned(), query);
        let mut next = async || lines.next().await.unwrap().unwrap().text;
        assert_eq!(next().await, "fourth");
        let path = folder.path().join("memory.log");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        io::Write::write_all(&mut file, b"7 info seventh\n").unwrap();
        assert_eq!(next().await, "seventh");
        std::fs::rename(&path, folder.path().join("memory.log.1")).unwrap();
        std::fs::write(&path, "8 info eighth\n").unwrap();
        assert_eq!(next().await, "eighth");
    }

    #[test]
    fn a_service_name_cannot_leave_the_folder() {
        for name in ["../etc/passwd", "a/b", ".a"] {
            assert!(
                Query::from_wire(&query(name, 0, v1::LogLevel::Unspecified)).is_err(),
                "{name}"
            );
        }
    }
}
