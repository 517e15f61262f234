//! The hardware watchdog: resets the machine when PID 1 stops feeding it.
//!
//! It is opened when the event loop starts, fed from it, and handed over to the
//! shutdown with a longer time and **never stopped**: an end that hangs, in a
//! service, an unmount or the kernel, ends in a reset too. A watchdog of hardware
//! is preferred; the kernel's own (softdog) sees that PID 1 hangs, not that the
//! kernel does, and is better than nothing.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use aios_service::supervise::Millis;

/// Silence of PID 1 that resets the machine, in seconds. 60: an emulated machine
/// on a busy host may stand still for some; a person would wait longer.
const TIMEOUT_S: i32 = 60;
/// Fed this often: three chances.
const FEED_EVERY: Millis = 20_000;
/// The whole of the end, from the first service's SIGTERM on, has so long at
/// most. 180 s: the longest stop timeout of a manifest of ours, and disks that flush.
const END_TIMEOUT_S: i32 = 180;
/// `identity` of the kernel's own.
const SOFTWARE: &str = "Software Watchdog";

mod call {
    // linux/watchdog.h: WDIOC_SETTIMEOUT.
    nix::ioctl_readwrite!(set_timeout, b'W', 6, i32);
}

/// An armed watchdog.
pub struct Watchdog {
    device: File,
    name: String,
    next: Millis,
    ending: bool,
}

impl Watchdog {
    /// Opens, and so arms, the best there is. None: there is none.
    pub fn open(now: Millis) -> Option<Self> {
        let (path, name) = best(Path::new("/sys/class/watchdog"))?;
        let device = OpenOptions::new().write(true).open(path).ok()?;
        let mut watchdog = Self {
            device,
            name,
            next: now,
            ending: false,
        };
        watchdog.set_timeout(TIMEOUT_S);
        watchdog.feed(now);
        Some(watchdog)
    }

    /// What it is: "i6300ESB timer".
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Feeds it when it is time. Not at the end: that has its one, longer time.
    pub fn feed(&mut self, now: Millis) {
        if now >= self.next && !self.ending {
            // Err: it is gone; nothing can be done about it.
            let _ = self.device.write_all(b"\0");
            self.next = now + FEED_EVERY;
        }
    }

    /// When it wants to be fed next.
    pub fn deadline(&self) -> Option<Millis> {
        (!self.ending).then_some(self.next)
    }

    /// The end begins: it has [`END_TIMEOUT_S`] seconds, whatever happens.
    pub fn begin_end(&mut self) {
        if !self.ending {
            self.set_timeout(END_TIMEOUT_S);
            let _ = self.device.write_all(b"\0");
            self.ending = true;
        }
    }

    /// Its descriptor, to be kept open: closing it would stop some watchdogs.
    pub fn keep(self) -> OwnedFd {
        self.device.into()
    }

    fn set_timeout(&self, seconds: i32) {
        let mut seconds = seconds;
        // SAFETY: the kernel reads and writes the one integer that is passed.
        // Needed: there is no other interface to a running watchdog's time.
        #[allow(unsafe_code)]
        // Err: the watchdog cannot have this time; it keeps its own.
        let _ = unsafe { call::set_timeout(self.device.as_raw_fd(), &raw mut seconds) };
    }
}

/// The device and name of a watchdog, of hardware if there is one.
fn best(class: &Path) -> Option<(PathBuf, String)> {
    let mut all: Vec<(bool, PathBuf, String)> = std::fs::read_dir(class)
        .ok()?
        .flatten()
        .map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("identity")).unwrap_or_default();
            let name = name.trim().to_owned();
            let device = Path::new("/dev").join(entry.file_name());
            (name == SOFTWARE, device, name)
        })
        .collect();
    all.sort();
    let (_, device, name) = all.into_iter().next()?;
    Some((device, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watchdog_of_hardware_is_preferred() {
        let class = tempfile::tempdir().unwrap();
        assert_eq!(best(class.path()), None);
        for (device, name) in [("watchdog0", SOFTWARE), ("watchdog1", "i6300ESB timer")] {
            std::fs::create_dir(class.path().join(device)).unwrap();
            std::fs::write(
                class.path().join(device).join("identity"),
                format!("{name}\n"),
            )
            .unwrap();
            assert_eq!(best(class.path()).unwrap().1, name);
        }
        assert_eq!(best(class.path()).unwrap().0, Path::new("/dev/watchdog1"));
    }
}
