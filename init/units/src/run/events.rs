//! What a unit's runner waits for: its children's ends, what they notify, and signals of PID 1.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::WaitOptions;
use sd_notify::NotifyState;

use super::ends::{End, Ends};
use crate::Unit;
use aios_service::notify::{self, Message, Said};
use aios_service::places;
use aios_service::supervise::EXTEND_MAX;

/// A main process whose parent is another one is looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// All that can happen.
pub struct Events {
    signals: SignalFd,
    notify: OwnedFd,
    path: PathBuf,
    ends: Ends,
    stop: bool,
    reload: bool,
    /// Whose word counts: a pid, or anybody's.
    speaker: Option<(i32, bool)>,
    ready: bool,
    watchdog: Option<Duration>,
    silent_until: Option<Instant>,
    /// Until when the step under way is waited for.
    deadline: Option<Instant>,
}

impl Events {
    /// Becomes the one that all of the service's processes are left to.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new(unit: &Unit) -> io::Result<Self> {
        nix::sys::prctl::set_child_subreaper(true)?;
        let mut wanted = SigSet::empty();
        for signal in [
            Signal::SIGCHLD,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGINT,
        ] {
            wanted.add(signal);
        }
        wanted.thread_block()?;
        let signals =
            SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let folder = places::run_dir().join("units");
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{}.notify", unit.name.full));
        Ok(Self {
            signals,
            notify: notify::listen(&path)?,
            path,
            ends: Ends::default(),
            stop: false,
            reload: false,
            speaker: None,
            ready: false,
            watchdog: unit.watchdog.map(Duration::from_millis),
            silent_until: None,
            deadline: None,
        })
    }

    /// Where the service says READY.
    pub fn notify_path(&self) -> &Path {
        &self.path
    }

    /// From now on this process's word counts, or that of all.
    pub fn expect(&mut self, main: i32, all: bool) {
        self.speaker = Some((main, all));
    }

    /// Did the service say READY?
    pub fn is_ready(&self) -> bool {
        self.ready
    }

    /// Does PID 1 want an end?
    pub fn is_stop_wanted(&self) -> bool {
        self.stop
    }

    /// Was a reload asked for, since the last question?
    pub fn take_reload(&mut self) -> bool {
        std::mem::take(&mut self.reload)
    }

    /// How the processes ended whose end matters.
    pub fn ends(&mut self) -> &mut Ends {
        &mut self.ends
    }

    /// Was the service silent for too long?
    pub fn watchdog_has_bitten(&self) -> bool {
        self.silent_until
            .is_some_and(|until| Instant::now() >= until)
    }

    /// A step begins that may take so long; none: as long as it likes.
    pub fn begin_step(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| Instant::now() + limit);
    }

    /// Did the step that began last take longer than it may?
    pub fn is_overdue(&self) -> bool {
        self.deadline.is_some_and(|until| Instant::now() >= until)
    }

    /// When to look again though nothing happened.
    pub fn next_watch(&self) -> Option<Instant> {
        let look = Instant::now() + LOOK_EVERY;
        let moments = [Some(look), self.silent_until, self.deadline];
        moments.into_iter().flatten().min()
    }

    /// Waits until something happens or this moment comes.
    pub fn wait(&mut self, until: Option<Instant>) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let timeout = left.map_or(PollTimeout::NONE, |left| {
            PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
        });
        let mut sources = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.notify.as_fd(), PollFlags::POLLIN),
        ];
        // Err: interrupted; then both are looked at, which does no harm.
        let _ = nix::poll::poll(&mut sources, timeout);
        // What was said comes before how its speaker ended.
        while let Ok(Some(message)) = notify::receive(&self.notify) {
            self.heard(message);
        }
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGTERM | Signal::SIGINT)) => self.stop = true,
                Ok(Ok(Signal::SIGHUP)) => self.reload = true,
                _ => {}
            }
        }
        self.reap();
    }

    fn heard(&mut self, mut message: Message) {
        let counts = self
            .speaker
            .is_some_and(|(main, all)| all || main == message.sender);
        for word in std::mem::take(&mut message.said) {
            // Err: PID 1 has gone, and soon so shall we.
            let _ = match word {
                _ if !counts => Ok(()),
                Said::Ready | Said::Alive => {
                    self.ready |= word == Said::Ready;
                    self.silent_until = self.watchdog.map(|span| Instant::now() + span);
                    Ok(())
                }
                Said::Status(text) => sd_notify::notify(false, &[NotifyState::Status(&text)]),
                Said::Extend(span) => {
                    let until = Instant::now() + Duration::from_millis(span.min(EXTEND_MAX));
                    self.deadline = self.deadline.map(|deadline| deadline.max(until));
                    let micros = u32::try_from(span.saturating_mul(1000)).unwrap_or(u32::MAX);
                    sd_notify::notify(false, &[NotifyState::ExtendTimeoutUsec(micros)])
                }
                _ => Ok(()),
            };
        }
        message.refuse();
    }

    /// Takes the ends of all children that ended.
    pub fn reap(&mut self) {
        // Not nix's: it takes the child, and then refuses an end by a real-time signal.
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let end = match status.exit_status() {
                Some(status) => End::Status(status),
                None => End::Signal(status.terminating_signal().unwrap_or(0)),
            };
            self.ends.note(pid.as_raw_nonzero().get(), end);
        }
    }
}
