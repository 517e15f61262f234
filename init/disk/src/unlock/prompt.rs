//! Asking whoever sits before the machine, on the serial line and the screen at once.

use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::cryptsetup::WORK;

/// The serial line and the screen; what is not there is left out.
const TERMINALS: [&str; 2] = ["/dev/ttyS0", "/dev/tty1"];
/// Where PID 1 sees that a person is waited for: that may take for ever.
pub const ASKING: &str = "asking";
/// What a terminal in line mode gives at once (linux/tty: 4096).
const LINE_MAX: usize = 4096;
/// A terminal that takes nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(5);

/// The machine's terminals. From the first question on nothing that is typed is shown, also
/// between two questions, until this is dropped.
pub struct Terminals {
    devices: Vec<File>,
    /// Their modes of before.
    former: OnceCell<Vec<Option<Termios>>>,
}

impl Terminals {
    /// Those that are there.
    pub fn open() -> Self {
        let flags = nix::libc::O_NOCTTY | nix::libc::O_CLOEXEC | nix::libc::O_NONBLOCK;
        let open = |path: &&str| {
            let mut options = OpenOptions::new();
            let device = options.read(true).write(true).custom_flags(flags);
            let device = device.open(path).ok()?;
            // Fails for what is no terminal, and for a line without a device.
            tcgetattr(&device).is_ok().then_some(device)
        };
        Self {
            devices: TERMINALS.iter().filter_map(open).collect(),
            former: OnceCell::new(),
        }
    }

    /// Shows a line on all of them; the whole of it, unless nobody takes it.
    pub fn say(&self, text: &str) {
        for device in &self.devices {
            write(device, format!("aios: {text}\r\n").as_bytes());
        }
    }

    /// Asks on all of them for what is not shown while it is typed. The first line that
    /// comes; none when nothing was typed anywhere for `limit`.
    pub fn ask(&self, question: &str, limit: Option<Duration>) -> Option<String> {
        let asking = Path::new(WORK).join(ASKING);
        // Err: memory is full; PID 1's patience must do.
        let _ = std::fs::write(&asking, "");
        // Before the question: what is typed after it is never shown.
        self.former
            .get_or_init(|| self.devices.iter().map(hide).collect());
        self.devices
            .iter()
            .for_each(|device| write(device, format!("aios: {question}: ").as_bytes()));
        let line = self.line(limit);
        self.devices
            .iter()
            .for_each(|device| write(device, b"\r\n"));
        let _ = std::fs::remove_file(asking);
        line
    }

    fn line(&self, limit: Option<Duration>) -> Option<String> {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut gone = vec![false; self.devices.len()];
        loop {
            if end.is_some_and(|end| Instant::now() > end) {
                return None;
            }
            for (device, gone) in self.devices.iter().zip(&mut gone) {
                let mut bytes = [0; LINE_MAX];
                match rustix::io::read(device, &mut bytes) {
                    Ok(0) => *gone = true, // hung up
                    Ok(length) => {
                        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default());
                        return Some(text.trim_end_matches(['\r', '\n']).to_owned());
                    }
                    Err(_) => {} // nothing yet
                }
            }
            wait(self.devices.iter().zip(&gone));
        }
    }
}

impl Drop for Terminals {
    fn drop(&mut self) {
        let former = self.former.take().unwrap_or_default();
        for (device, modes) in self.devices.iter().zip(former) {
            if let Some(modes) = modes {
                // Err: it is gone.
                let _ = tcsetattr(device, OptionalActions::Now, &modes);
            }
        }
    }
}

/// Until something was typed, or for a second.
fn wait<'a>(devices: impl Iterator<Item = (&'a File, &'a bool)>) {
    let mut polled: Vec<PollFd<'_>> = devices
        .filter(|(_, gone)| !**gone)
        .map(|(device, _)| PollFd::new(device.as_fd(), PollFlags::POLLIN))
        .collect();
    // Err: interrupted; it is looked again.
    let _ = poll(&mut polled, PollTimeout::from(1_000_u16));
}

/// Whole lines, not shown. The former modes.
fn hide(device: &File) -> Option<Termios> {
    let former = tcgetattr(device).ok()?;
    let mut modes = former.clone();
    modes.local_modes.remove(LocalModes::ECHO);
    modes.local_modes.insert(LocalModes::ICANON);
    // What was typed before anything was asked is no answer.
    tcsetattr(device, OptionalActions::Flush, &modes).ok()?;
    Some(former)
}

fn write(device: &File, mut bytes: &[u8]) {
    let end = Instant::now() + PATIENCE;
    while !bytes.is_empty() && Instant::now() < end {
        match rustix::io::write(device, bytes) {
            Ok(length) => bytes = bytes.get(length..).unwrap_or_default(),
            Err(rustix::io::Errno::AGAIN) => {
                let mut polled = [PollFd::new(device.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut polled, PollTimeout::from(100_u8));
            }
            Err(_) => return, // it is gone
        }
    }
}
