//! What PID 1 says: boot lines on the console, everything else in the kernel's
//! log (container: all on stdout). Saying never blocks: a console that takes
//! nothing loses the line, not the boot.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use crate::manifest::Way;

/// How long a full console may hold up PID 1 for one line, in milliseconds.
const PATIENCE_MS: u16 = 20;

/// Syslog severities as in `<N>` prefixes.
#[derive(Clone, Copy)]
pub enum Severity {
    /// Something failed.
    Error = 3,
    /// Something is not as it should be.
    Warning = 4,
    /// Good to know.
    Notice = 5,
}

/// The console and the kernel's log.
pub struct Console {
    console: Option<OwnedFd>,
    kernel_log: Option<File>,
}

impl Console {
    /// Opens both; on a machine the console becomes stdin, stdout and stderr too.
    pub fn open(way: Way) -> Self {
        match way {
            Way::Container => Self {
                console: std::io::stdout().as_fd().try_clone_to_owned().ok(),
                kernel_log: None,
            },
            Way::Machine => {
                let console = open("/dev/console");
                if let Some(console) = &console {
                    // Err: there is no stdin yet; nothing reads it.
                    let _ = nix::unistd::dup2_stdin(console);
                    let _ = nix::unistd::dup2_stdout(console);
                    let _ = nix::unistd::dup2_stderr(console);
                }
                Self {
                    console: console.map(OwnedFd::from),
                    kernel_log: open("/dev/kmsg"),
                }
            }
        }
    }

    /// Where a service with `output = "console"` writes.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.console.as_ref().map(AsFd::as_fd)
    }

    /// A line for whoever watches the machine start or stop. In the kernel's log
    /// as "debug", which the kernel does not print on the console a second time.
    pub fn announce(&self, text: &str) {
        self.write_console(&format!("aios: {text}\n"));
        self.write_kernel_log(&format!("<7>aios: {text}\n"));
    }

    /// A line for the log; on the console too when there is no kernel log, or
    /// when it is an error.
    pub fn log(&self, severity: Severity, text: &str) {
        let text = text.replace(|c: char| c.is_control(), " ");
        let logged = self.write_kernel_log(&format!("<{}>aios-init: {text}\n", severity as u8));
        if !logged {
            self.write_console(&format!("aios-init: {text}\n"));
        }
    }

    fn write_kernel_log(&self, line: &str) -> bool {
        self.kernel_log
            .as_ref()
            .is_some_and(|log| rustix::io::write(log, line.as_bytes()).is_ok())
    }

    fn write_console(&self, line: &str) {
        let Some(console) = &self.console else {
            return;
        };
        let mut ready = [PollFd::new(console.as_fd(), PollFlags::POLLOUT)];
        let polled = nix::poll::poll(&mut ready, PollTimeout::from(PATIENCE_MS));
        if polled.is_ok_and(|count| count > 0) {
            // A console that is gone is no reason for PID 1 to stop.
            let _ = rustix::io::write(console, line.as_bytes());
        }
    }
}

fn open(path: &str) -> Option<File> {
    let flags = nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(flags)
        .open(path)
        .ok()
}
