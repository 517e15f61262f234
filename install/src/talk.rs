//! The terminals before the machine: everything is said on all of them, and whoever types first
//! is heard.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The serial line and the screen; what is not there is left out.
const TERMINALS: [&str; 2] = ["/dev/ttyS0", "/dev/tty1"];
/// A terminal that takes nothing for so long loses the rest of what is said, in milliseconds.
const PATIENCE_MS: u16 = 3_000;
/// The longest line that is typed.
const LINE_MAX: usize = 200;

/// All terminals.
pub struct Talk {
    terminals: Vec<Terminal>,
}

struct Terminal {
    device: File,
    typed: String,
}

impl Talk {
    /// Opens those that there are.
    ///
    /// # Errors
    /// There is none.
    pub fn open() -> io::Result<Self> {
        let open = |path: &&str| {
            let flags = nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
            let mut options = OpenOptions::new();
            let device = options
                .read(true)
                .write(true)
                .custom_flags(flags)
                .open(path)
                .ok()?;
            // Fails for what is no terminal, and for a line without hardware.
            rustix::termios::tcgetattr(&device).ok()?;
            let typed = String::new();
            Some(Terminal { device, typed })
        };
        let terminals: Vec<Terminal> = TERMINALS.iter().filter_map(open).collect();
        match terminals.is_empty() {
            true => Err(io::Error::other(
                "there is neither a serial line nor a screen to ask on",
            )),
            false => Ok(Self { terminals }),
        }
    }

    /// Says it on all of them.
    pub fn say(&mut self, text: &str) {
        let text = text.replace('\n', "\r\n");
        for terminal in &self.terminals {
            terminal.say(text.as_bytes());
        }
    }

    /// What was typed before now counts for nothing.
    pub fn forget(&mut self) {
        for terminal in &mut self.terminals {
            terminal.typed.clear();
            // Err: it has gone.
            let _ =
                rustix::termios::tcflush(&terminal.device, rustix::termios::QueueSelector::IFlush);
        }
    }

    /// Waits, as long as it takes, for a line from any of them.
    ///
    /// # Errors
    /// No terminal is left.
    pub fn hear(&mut self) -> io::Result<String> {
        loop {
            if self.terminals.is_empty() {
                return Err(io::Error::other("every terminal has gone"));
            }
            let ready: Vec<bool> = {
                let mut polled: Vec<PollFd<'_>> = self
                    .terminals
                    .iter()
                    .map(|terminal| PollFd::new(terminal.device.as_fd(), PollFlags::POLLIN))
                    .collect();
                // Err: interrupted; it is looked again.
                let _ = poll(&mut polled, PollTimeout::NONE);
                polled
                    .iter()
                    .map(|polled| polled.any().unwrap_or(true))
                    .collect()
            };
            let mut ready = ready.into_iter();
            let mut heard = None;
            self.terminals.retain_mut(|terminal| {
                if !ready.next().unwrap_or(false) {
                    return true;
                }
                let kept = terminal.listen();
                heard = heard.take().or_else(|| terminal.line());
                kept
            });
            if let Some(line) = heard {
                return Ok(line);
            }
        }
    }
}

impl Terminal {
    fn say(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let mut room = [PollFd::new(self.device.as_fd(), PollFlags::POLLOUT)];
            if !poll(&mut room, PATIENCE_MS).is_ok_and(|ready| ready > 0) {
                return;
            }
            match rustix::io::write(&self.device, bytes) {
                Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Takes in what was typed; false: it has gone.
    fn listen(&mut self) -> bool {
        let mut bytes = [0; 256];
        match self.device.read(&mut bytes) {
            Ok(0) => {
                crate::pause(1_000); // the end-of-file key, or a line that was hung up
                true
            }
            Ok(count) => {
                self.typed += &String::from_utf8_lossy(&bytes[..count]);
                if self.typed.len() > LINE_MAX {
                    self.typed = "\n".to_owned();
                }
                true
            }
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
            ),
        }
    }

    /// The first whole line; what follows it was typed before anything was asked, and is forgotten.
    fn line(&mut self) -> Option<String> {
        let (line, _) = self.typed.split_once(['\n', '\r'])?;
        let line = line.trim().to_owned();
        self.typed.clear();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_with_enter_and_what_was_typed_ahead_confirms_nothing() {
        let device = File::open("/dev/null").unwrap();
        let typed = "vd".to_owned();
        let mut terminal = Terminal { device, typed };
        assert_eq!(terminal.line(), None);
        terminal.typed += "a\nvda\n";
        assert_eq!(terminal.line().as_deref(), Some("vda"));
        assert_eq!(terminal.line(), None);
    }
}
