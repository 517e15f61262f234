//! A terminal: written to without ever waiting for it, read by key or by line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The longest line that is typed.
const LINE_MAX: usize = 200;

/// A person who was asked and does not answer for so long has gone.
const GONE: Duration = Duration::from_secs(120);

/// What can be pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `r`
    Refresh,
    /// `a`
    Address,
}

/// A key, and where it was pressed.
#[derive(Clone, Copy, Debug)]
pub struct Pressed {
    /// Which of the terminals.
    pub terminal: usize,
    /// What.
    pub key: Key,
}

/// A serial line or a screen. Its line discipline gives whole lines, echoed, editable by the person.
#[derive(Debug)]
pub struct Terminal {
    device: File,
    lines: bool,
}

impl Terminal {
    /// Opens a device, if it is a terminal.
    ///
    /// # Errors
    /// When it is none, or not ours.
    pub fn open(path: &str) -> io::Result<Self> {
        let flags = nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open(path)?;
        rustix::termios::tcgetattr(&device)?; // fails for what is no terminal, and for no device
        Ok(Self {
            device,
            lines: true,
        })
    }

    /// Writes as much as it takes at once: nobody may be there.
    pub fn write(&mut self, text: &str) {
        // Err: it is full or gone; the page comes again.
        let _ = rustix::io::write(&self.device, text.as_bytes());
    }

    /// Asks; the line that is typed, `None` when nobody types one.
    pub fn ask(&mut self, question: &str) -> Option<String> {
        self.write(question);
        let mut line = String::new();
        while self.readable(GONE) {
            let typed = self.read();
            if typed.is_empty() {
                return None; // hung up
            }
            line.push_str(&typed);
            if let Some((first, _)) = line.split_once(['\n', '\r']) {
                return Some(first.trim().to_owned());
            }
            if line.len() > LINE_MAX {
                return None;
            }
        }
        None
    }

    fn readable(&self, limit: Duration) -> bool {
        let mut polled = [PollFd::new(self.device.as_fd(), PollFlags::POLLIN)];
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        poll(&mut polled, limit).is_ok_and(|ready| ready > 0)
    }

    fn read(&mut self) -> String {
        let mut bytes = [0; 256];
        let count = self.device.read(&mut bytes).unwrap_or(0);
        self.lines &= count > 0;
        String::from_utf8_lossy(&bytes[..count]).into_owned()
    }
}

/// Waits for keys (each followed by Enter), at most so long.
pub fn wait(terminals: &mut [Terminal], limit: Duration) -> Vec<Pressed> {
    let ready: Vec<usize> = {
        let watched: Vec<usize> = (0..terminals.len())
            .filter(|at| terminals[*at].lines)
            .collect();
        let mut polled: Vec<PollFd<'_>> = watched
            .iter()
            .map(|at| PollFd::new(terminals[*at].device.as_fd(), PollFlags::POLLIN))
            .collect();
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::ZERO);
        // Err: interrupted; it is looked again soon.
        let _ = poll(&mut polled, limit);
        let has_input =
            |(at, polled): (&usize, &PollFd<'_>)| polled.any().unwrap_or(false).then_some(*at);
        watched.iter().zip(&polled).filter_map(has_input).collect()
    };
    let mut pressed = Vec::new();
    for terminal in ready {
        let typed = terminals[terminal].read();
        pressed.extend(key(&typed).map(|key| Pressed { terminal, key }));
    }
    pressed
}

/// The last key of what was typed that means something.
fn key(typed: &str) -> Option<Key> {
    typed.chars().rev().find_map(|c| match c {
        'r' | 'R' => Some(Key::Refresh),
        'a' | 'A' => Some(Key::Address),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_and_anything_else_is_nothing() {
        assert_eq!(key("r\n"), Some(Key::Refresh));
        assert_eq!(key("xxA\r\n"), Some(Key::Address));
        assert_eq!(key("q\n"), None);
        assert_eq!(key(""), None);
    }

    #[test]
    fn a_file_is_no_terminal() {
        assert!(Terminal::open("/dev/null").is_err());
        assert!(Terminal::open("/nowhere").is_err());
    }
}
