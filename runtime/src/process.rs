//! A worker's process, seen from the server.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::process::{Child, ChildStderr, Command as Process};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::wire::{self, Command, FromWorker, ToWorker};

/// Events that wait for the server; when they are full, the worker waits.
const EVENTS: usize = 64;
/// Lines of a worker's log that are remembered for its obituary.
const LAST_WORDS: usize = 2;
/// Characters of each of them.
const LINE_MAX: usize = 300;
/// How long a worker whose socket has closed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(1);

/// A running worker. Dropping it kills it.
pub struct Worker {
    child: Child,
    writer: OwnedWriteHalf,
    /// What it answers; ends when it is gone.
    pub events: mpsc::Receiver<FromWorker>,
    last_words: Arc<Mutex<VecDeque<String>>>,
    log: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts `executable worker`. Its standard input is the socket to it.
    pub fn start(executable: &Path) -> io::Result<Self> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let (mut reader, writer) = UnixStream::from_std(ours)?.into_split();
        let mut child = Process::new(executable)
            .arg("worker")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .env("AIOS_LOG", log_filter(std::env::var("AIOS_LOG").ok()))
            .env("GGML_NO_BACKTRACE", "1") // an abort must not start a debugger
            .kill_on_drop(true)
            .spawn()?;
        let last_words = Arc::default();
        let log = child
            .stderr
            .take()
            .map(|stderr| tokio::spawn(pass_on(stderr, Arc::clone(&last_words))));
        let (sender, events) = mpsc::channel(EVENTS);
        tokio::spawn(async move {
            while let Ok(event) = wire::receive(&mut reader).await {
                if sender.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            writer,
            events,
            last_words,
            log,
        })
    }

    /// Its process id; 0 once it is gone.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Sends it a command.
    pub async fn send(&mut self, id: u64, command: Command) -> io::Result<()> {
        let command = Some(command);
        wire::send(&mut self.writer, &ToWorker { id, command }).await
    }

    /// Makes sure that it is gone, and says how it ended.
    pub async fn obituary(mut self) -> String {
        let status = match tokio::time::timeout(GONE_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("was ended by signal {signal}"),
                (None, code) => format!("exited with status {}", code.unwrap_or(-1)),
            },
            Ok(Err(error)) => format!("cannot be waited for: {error}"),
            Err(_) => match self.child.kill().await {
                Ok(()) => "closed its socket and was killed".to_owned(),
                Err(error) => format!("cannot be killed: {error}"),
            },
        };
        if let Some(log) = self.log.take() {
            drop(tokio::time::timeout(GONE_WITHIN, log).await); // Err: what came so far will do
        }
        let words = self
            .last_words
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => format!("the worker {status}"),
            words => format!("the worker {status}; its last words: {}", words.join(" / ")),
        }
    }
}

/// A worker's log filter: ours, without llama.cpp's hundreds of lines at each load.
fn log_filter(ours: Option<String>) -> String {
    match ours {
        Some(filter) if filter.contains("llama-cpp-2") => filter,
        Some(filter) => format!("{filter},llama-cpp-2=error"),
        None => "info,llama-cpp-2=error".to_owned(),
    }
}

/// Passes a worker's log on to ours, and remembers the last lines that tell of trouble.
async fn pass_on(stderr: ChildStderr, last_words: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let routine = ["<5>", "<6>", "<7>"]
            .iter()
            .any(|mark| line.starts_with(mark));
        if line.starts_with('<') {
            eprintln!("{line}");
        } else {
            eprintln!("<4>{line}"); // llama.cpp's abort writes plain lines
        }
        if !routine && !line.trim().is_empty() {
            let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
            if words.len() == LAST_WORDS {
                words.pop_front();
            }
            let line = line.trim_start_matches("<3>").trim_start_matches("<4>");
            words.push_back(line.chars().take(LINE_MAX).collect());
        }
    }
}
