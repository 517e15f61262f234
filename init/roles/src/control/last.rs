//! The last lines of all wanted files, in the order of time.

use std::fs::File;
use std::io;
use std::path::Path;

use aios_contracts::v1;

use super::backwards::Backwards;
use super::logs::Query;
use super::tail::{self, Tail};

/// Bytes of text in one answer, before what is added. 10,000 lines of a usual length are 1 MB.
pub const ANSWER_MAX: usize = 4 * 1024 * 1024;

/// The last lines and where the files ended then; off the executor's thread.
pub async fn read(folder: &Path, query: &Query) -> io::Result<(Vec<v1::LogLine>, Vec<Tail>)> {
    let (folder, query) = (folder.to_owned(), query.clone());
    let read = tokio::task::spawn_blocking(move || last_lines(&folder, &query));
    read.await.map_err(io::Error::other)?
}

/// Takes the newest line of all files, again and again, until there are enough of them or of their
/// bytes. In memory are a window of each file and the answer.
fn last_lines(folder: &Path, query: &Query) -> io::Result<(Vec<v1::LogLine>, Vec<Tail>)> {
    let mut tails = Vec::new();
    tail::discover(folder, query, &mut tails);
    let mut files = Vec::new();
    for tail in &mut tails {
        if let Ok(lines) = tail.read_back() {
            let older = File::open(tail.path.with_extension("log.1"));
            let older =
                older.and_then(|file| Backwards::new(file.try_clone()?, file.metadata()?.len()));
            files.push(Newest::new(&tail.service, lines, older.ok(), query)?);
        }
    }
    let mut found = Vec::new();
    let mut bytes = 0;
    while found.len() < query.lines && bytes < ANSWER_MAX {
        let next = files.iter_mut().filter(|file| file.line.is_some());
        let Some(newest) = next.max_by_key(|file| file.line.as_ref().map(|line| line.time_ms))
        else {
            break;
        };
        found.extend(newest.line.take().inspect(|line| bytes += line.text.len()));
        newest.step(query)?;
    }
    found.reverse();
    Ok((found, tails))
}

/// A service's wanted lines, the newest first.
struct Newest {
    service: String,
    lines: Backwards,
    older: Option<Backwards>,
    line: Option<v1::LogLine>,
}

impl Newest {
    fn new(
        service: &str,
        lines: Backwards,
        older: Option<Backwards>,
        query: &Query,
    ) -> io::Result<Self> {
        let mut this = Self {
            service: service.to_owned(),
            lines,
            older,
            line: None,
        };
        this.step(query)?;
        Ok(this)
    }

    /// To the wanted line before.
    fn step(&mut self, query: &Query) -> io::Result<()> {
        loop {
            match (self.lines.next_line()?, self.older.take()) {
                (Some(bytes), older) => {
                    self.older = older;
                    self.line = tail::line(&bytes, &self.service, query);
                    if self.line.is_some() {
                        return Ok(());
                    }
                }
                (None, Some(older)) => self.lines = older,
                (None, None) => return Ok(()),
            }
        }
    }
}
