//! The kernel's log: read into `kernel.log`, and told of services' errors, so
//! that they are there even when the disk is not.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::time::{ClockId, clock_gettime};

use super::line::Level;

/// Marks what this logger wrote, which must not come back.
const OWN: &str = "log: ";

/// `/dev/kmsg`, where there is one for us.
pub struct KernelLog {
    file: File,
}

impl KernelLog {
    /// Opens it for both ways, without waiting.
    ///
    /// # Errors
    /// In a container there is none.
    pub fn open() -> io::Result<Self> {
        let flags = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(flags)
            .open("/dev/kmsg")?;
        Ok(Self { file })
    }

    /// For epoll.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Tells the kernel of a service's error.
    pub fn tell(&self, service: &str, text: &str) {
        let cut = aios_service::wire::cut(text, 800); // the kernel's line limit is 976
        // Err: the kernel limits how much; the file has it all.
        let _ = rustix::io::write(&self.file, format!("<3>{OWN}{service}: {cut}\n").as_bytes());
    }

    /// The next record: Unix time in ms, level, text. None: there is none now.
    pub fn next(&self, now: i64) -> Option<(i64, Level, String)> {
        let mut buffer = [0; 8192];
        loop {
            match rustix::io::read(&self.file, &mut buffer) {
                Ok(length) => {
                    if let Some(record) = parse(&buffer[..length], now, uptime_us()) {
                        return Some(record);
                    }
                }
                Err(rustix::io::Errno::PIPE) => {} // some were overwritten; the next is whole
                Err(_) => return None,
            }
        }
    }
}

fn uptime_us() -> i64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

/// A record of the kernel's (Documentation/ABI/testing/dev-kmsg).
fn parse(record: &[u8], now: i64, uptime_us: i64) -> Option<(i64, Level, String)> {
    let text = String::from_utf8_lossy(record);
    let (head, body) = text.split_once(';')?;
    let mut numbers = head.split(',');
    let priority: u32 = numbers.next()?.parse().ok()?;
    let at_us: i64 = numbers.nth(1)?.parse().ok()?;
    let line = body.lines().next().unwrap_or_default();
    if line.starts_with(OWN) {
        return None;
    }
    let age_ms = (uptime_us - at_us).max(0) / 1000;
    let (_, safe) = super::line::parse(line.as_bytes());
    Some((now - age_ms, Level::from_severity(priority), safe))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_get_their_own_time_and_our_own_are_passed_over() {
        let record = b"4,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n";
        let expected = (9_000, Level::Warning, "NET: Registered".to_owned());
        assert_eq!(parse(record, 10_000, 6_140_900), Some(expected));
        assert_eq!(parse(b"11,340,5,-;log: tools: bad\n", 0, 0), None);
        assert_eq!(parse(b"nonsense", 0, 0), None);
    }
}
