//! Reads what the logger wrote: the last lines of one or all files, and what is
//! added to them. An answer is bounded in bytes and few are read for at once, so that readers cannot
//! take the memory of this daemon, which also starts and stops services.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1;
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::{last, tail};
use crate::logger::Level;

/// Lines when the request names no number, and the most that it can get.
const LINES_DEFAULT: usize = 100;
const LINES_MAX: usize = 10_000;
/// Requests that are read for at once. Each has a window of each file and an answer in memory.
const READERS: usize = 2;
/// Requests that follow at once.
const FOLLOWERS: usize = 16;
/// Whoever takes no line for so long gets no more: others wait.
const STALLED: Duration = Duration::from_secs(10);
/// How often the files are looked at when following.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Which lines are wanted.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) service: Option<String>,
    pub(super) lines: usize,
    pub(super) follow: bool,
    pub(super) at_least: Level,
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

/// Who reads logs now. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Readers {
    reading: Arc<Semaphore>,
    following: Arc<Semaphore>,
    stalled: Duration,
}

impl Default for Readers {
    fn default() -> Self {
        Self {
            reading: Arc::new(Semaphore::new(READERS)),
            following: Arc::new(Semaphore::new(FOLLOWERS)),
            stalled: STALLED,
        }
    }
}

impl Readers {
    /// The lines, old ones first; ends after them unless following. So many are read for at once, and
    /// others wait.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when too many follow already.
    pub fn stream(&self, folder: PathBuf, query: Query) -> Result<ReceiverStream<Item>, Status> {
        let place = match query.follow {
            true => Some(
                Arc::clone(&self.following)
                    .try_acquire_owned()
                    .map_err(|_| {
                        Status::resource_exhausted(format!(
                            "{FOLLOWERS} requests follow logs already"
                        ))
                    })?,
            ),
            false => None,
        };
        let (sender, receiver) = mpsc::channel(16);
        let (reading, stalled) = (Arc::clone(&self.reading), self.stalled);
        tokio::spawn(async move {
            let gone = sender.clone();
            tokio::select! {
                () = give(&folder, &query, (&reading, stalled), &sender) => {}
                () = gone.closed() => {} // whoever asked has gone
            }
            drop(place);
        });
        Ok(ReceiverStream::new(receiver))
    }
}

/// Gives the last lines, then what is added.
async fn give(
    folder: &Path,
    query: &Query,
    (reading, stalled): (&Semaphore, Duration),
    to: &mpsc::Sender<Item>,
) {
    // Err cannot be: it is never closed.
    let Ok(turn) = reading.acquire().await else {
        return;
    };
    let (found, mut tails) = match last::read(folder, query).await {
        Ok(found) => found,
        Err(error) => {
            let status = Status::unavailable(format!("cannot read the logs: {error}"));
            // Err: the reader has gone.
            return drop(to.send(Err(status)).await);
        }
    };
    for line in found {
        let sent = tokio::time::timeout(stalled, to.send(Ok(line))).await;
        if !matches!(sent, Ok(Ok(()))) {
            return; // it does not take what it asked for, and others wait
        }
    }
    drop(turn);
    if !query.follow {
        return;
    }
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        tail::discover(folder, query, &mut tails);
        for tail in &mut tails {
            for line in tail.grown(query).unwrap_or_default() {
                if to.send(Ok(line)).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::last::ANSWER_MAX;
    use super::*;
    use crate::logger::LINE_MAX;
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
            let found: Vec<Item> = Readers::default()
                .stream(folder.path().to_owned(), query)
                .unwrap()
                .collect()
                .await;
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
        let mut lines = Readers::default()
            .stream(folder.path().to_owned(), query)
            .unwrap();
        let mut next = async || lines.next().await.unwrap().unwrap().text;
        assert_eq!(next().await, "fourth");
        let path = folder.path().join("memory.log");
        let mut file = std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap();
        std::io::Write::write_all(&mut file, b"7 info seventh\n").unwrap();
        assert_eq!(next().await, "seventh");
        std::fs::rename(&path, folder.path().join("memory.log.1")).unwrap();
        std::fs::write(&path, "8 info eighth\n").unwrap();
        assert_eq!(next().await, "eighth");
    }

    #[tokio::test]
    async fn an_answer_is_bounded_in_bytes_and_has_the_newest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let text = "x".repeat(4000);
        for service in 0..10 {
            let lines: String = (0..250)
                .map(|line| format!("{} info {line} {text}\n", line * 10 + service))
                .collect();
            for name in [format!("s{service}.log"), format!("s{service}.log.1")] {
                std::fs::write(folder.path().join(name), &lines).unwrap();
            }
        }
        let query = Query::from_wire(&query("", 10_000, v1::LogLevel::Unspecified)).unwrap();
        let lines = Readers::default().stream(folder.path().to_owned(), query);
        let found: Vec<Item> = lines.unwrap().collect().await;
        let found: Vec<v1::LogLine> = found.into_iter().map(Result::unwrap).collect();
        let bytes: usize = found.iter().map(|line| line.text.len()).sum();
        assert!(
            (ANSWER_MAX..ANSWER_MAX + LINE_MAX).contains(&bytes),
            "{bytes} bytes"
        );
        assert_eq!(found.last().map(|line| line.time_ms), Some(2499));
        assert!(found.is_sorted_by_key(|line| line.time_ms));
    }

    #[tokio::test]
    async fn who_takes_nothing_of_its_answer_keeps_no_other_reader_out_for_long() {
        let folder = folder();
        std::fs::write(folder.path().join("long.log"), "1 info x\n".repeat(5000)).unwrap();
        let readers = Readers {
            stalled: Duration::from_millis(50),
            ..Readers::default()
        };
        let stream = |lines| {
            let query = query("long", lines, v1::LogLevel::Unspecified);
            let query = Query::from_wire(&query).unwrap();
            readers.stream(folder.path().to_owned(), query).unwrap()
        };
        let stalled: Vec<_> = (0..10).map(|_| stream(1000)).collect();
        tokio::time::sleep(Duration::from_millis(20)).await;
        let lines: Vec<Item> = stream(2000).collect().await;
        assert_eq!(lines.len(), 2000);
        drop(stalled);
    }

    #[tokio::test]
    async fn few_follow_at_once() {
        let folder = folder();
        let readers = Readers::default();
        let follow = v1::LogsRequest {
            follow: true,
            ..query("memory", 1, v1::LogLevel::Unspecified)
        };
        let follow = || {
            let query = Query::from_wire(&follow).unwrap();
            readers.stream(folder.path().to_owned(), query)
        };
        let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| follow().unwrap()).collect();
        let refused = follow().unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        followers.pop();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(follow().is_ok());
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
