//! The `logger` role: what services write on stdout and stderr, into one file each.
//!
//! 1. PID 1 hands over the reading ends of the services' pipes, and keeps a copy:
//!    when this process dies, nothing in them is lost.
//! 2. One thread and one epoll; each turn takes a bounded piece from each pipe
//!    that has something, so that no service can hold up another.
//! 3. **A flood is cut, not stored**: see [`file`].

mod file;
mod kernel;
mod line;

use std::collections::HashMap;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Instant, SystemTime};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use aios_service::places;
use file::LogFile;
use kernel::KernelLog;
pub use line::{LINE_MAX, Level, parse_stored};

/// Taken from a pipe per turn: what a pipe holds.
const PIECE: usize = 64 * 1024;
/// Kernel records taken per turn.
const RECORDS: usize = 256;
/// The file of the kernel's records.
const KERNEL: &str = "kernel";

const LINK: u64 = 0;
const TERMINATE: u64 = 1;
const KERNEL_LOG: u64 = 2;
const PIPES: u64 = 3; // plus the source's number

/// A service's output.
struct Source {
    service: String,
    pipe: OwnedFd,
    lines: line::Assembler,
}

struct Logger {
    folder: PathBuf,
    epoll: Epoll,
    link: OwnedFd,
    sources: HashMap<u64, Source>,
    next: u64,
    files: HashMap<String, LogFile>,
    kernel: Option<KernelLog>,
    complained: bool,
}

/// Runs until SIGTERM.
///
/// # Errors
/// No connection to PID 1 (stdin), or no epoll.
pub fn run() -> io::Result<()> {
    let terminate = SigSet::from(Signal::SIGTERM);
    terminate.thread_block()?;
    let terminate =
        SignalFd::with_flags(&terminate, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let mut logger = Logger::new()?;
    logger.watch(terminate.as_fd(), TERMINATE)?;
    // Err: nobody waits for it (started by hand).
    let _ = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]);
    loop {
        let mut events = [EpollEvent::empty(); 16];
        let count = match logger.epoll.wait(&mut events, EpollTimeout::NONE) {
            Err(nix::errno::Errno::EINTR) => continue,
            result => result?,
        };
        for event in events.iter().take(count) {
            match event.data() {
                LINK => logger.take_pipes()?,
                KERNEL_LOG => logger.take_kernel_records(),
                TERMINATE => {
                    logger.take_all();
                    return Ok(());
                }
                number => logger.take_piece(number),
            }
        }
    }
}

impl Logger {
    fn new() -> io::Result<Self> {
        let logger = Self {
            folder: places::log_dir(),
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            link: io::stdin().as_fd().try_clone_to_owned()?,
            sources: HashMap::new(),
            next: PIPES,
            files: HashMap::new(),
            kernel: KernelLog::open().ok(),
            complained: false,
        };
        rustix::net::sockopt::socket_type(&logger.link)?;
        logger.watch(logger.link.as_fd(), LINK)?;
        if let Some(kernel) = &logger.kernel {
            logger.watch(kernel.file().as_fd(), KERNEL_LOG)?;
        }
        Ok(logger)
    }

    fn watch(&self, descriptor: std::os::fd::BorrowedFd<'_>, number: u64) -> io::Result<()> {
        Ok(self
            .epoll
            .add(descriptor, EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }

    /// Takes what PID 1 hands over.
    fn take_pipes(&mut self) -> io::Result<()> {
        loop {
            let mut name = [0; 64];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
            let mut parts = [IoSliceMut::new(&mut name)];
            let length = match recvmsg(&self.link, &mut parts, &mut control, flags) {
                Ok(message) if message.bytes == 0 => {
                    return Err(io::Error::other("PID 1 closed the connection"));
                }
                Ok(message) => message.bytes,
                Err(rustix::io::Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let service = String::from_utf8_lossy(&name[..length.min(name.len())]).into_owned();
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(pipes) = message {
                    for pipe in pipes {
                        self.add(service.clone(), pipe)?;
                    }
                }
            }
        }
    }

    fn add(&mut self, service: String, pipe: OwnedFd) -> io::Result<()> {
        let number = self.next;
        self.next += 1;
        self.watch(pipe.as_fd(), number)?;
        self.sources.insert(
            number,
            Source {
                service,
                pipe,
                lines: line::Assembler::default(),
            },
        );
        Ok(())
    }

    /// One piece of one service's output. False: there was nothing.
    fn take_piece(&mut self, number: u64) {
        self.try_take_piece(number);
    }

    fn try_take_piece(&mut self, number: u64) -> bool {
        let Some(source) = self.sources.get_mut(&number) else {
            return false;
        };
        let mut piece = vec![0; PIECE];
        let length = match rustix::io::read(&source.pipe, &mut piece) {
            Ok(0) => {
                self.sources.remove(&number); // closing it takes it out of epoll
                return false;
            }
            Ok(length) => length,
            Err(_) => return false,
        };
        let service = source.service.clone();
        let mut lines = Vec::new();
        source
            .lines
            .take(&piece[..length], |line| lines.push(line::parse(line)));
        let now = unix_ms();
        for (level, text) in lines {
            self.store(&service, now, level, &text);
        }
        true
    }

    fn take_kernel_records(&mut self) {
        for _ in 0..RECORDS {
            let now = unix_ms();
            match self.kernel.as_ref().and_then(|kernel| kernel.next(now)) {
                Some((at, level, text)) => self.write(KERNEL, at, level, &text),
                None => return,
            }
        }
    }

    /// The last words of services that have stopped.
    fn take_all(&mut self) {
        let numbers: Vec<u64> = self.sources.keys().copied().collect();
        for number in numbers {
            // A pipe holds 64 KiB; a writer that is still there does not keep us.
            for _ in 0..4 {
                if !self.try_take_piece(number) {
                    break;
                }
            }
        }
        self.take_kernel_records();
    }

    fn store(&mut self, service: &str, now: i64, level: Level, text: &str) {
        if level == Level::Error
            && let Some(kernel) = &self.kernel
        {
            kernel.tell(service, text);
        }
        self.write(service, now, level, text);
    }

    fn write(&mut self, service: &str, at: i64, level: Level, text: &str) {
        let folder = &self.folder;
        let file = self
            .files
            .entry(service.to_owned())
            .or_insert_with(|| LogFile::new(folder, service));
        match file.add(Instant::now(), at, level, text) {
            Ok(()) => self.complained = false,
            Err(error) if !self.complained => {
                self.complained = true; // once, not for every line
                let text = format!("aios-init: cannot write the log of {service}: {error}\n");
                let _ = rustix::io::write(io::stderr(), text.as_bytes());
            }
            Err(_) => {}
        }
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
