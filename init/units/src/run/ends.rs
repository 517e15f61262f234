//! How processes of a unit's service ended.

use std::collections::HashMap;
use std::fmt;

use nix::sys::signal::Signal;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this status.
    Status(i32),
    /// By the signal of this number, which may be one without a name (real-time).
    Signal(i32),
}

impl End {
    /// Did it succeed?
    pub fn is_success(self) -> bool {
        self == Self::Status(0)
    }

    /// Is it an end that a service may have (systemd.service(5), `SuccessExitStatus=`)?
    pub fn is_clean(self) -> bool {
        let asked = [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGPIPE,
        ];
        match self {
            Self::Status(status) => status == 0,
            Self::Signal(number) => asked.iter().any(|signal| *signal as i32 == number),
        }
    }

    /// As an exit status: signals as a shell has them.
    pub fn code(self) -> u8 {
        match self {
            _ if self.is_clean() => 0,
            Self::Status(status) => u8::try_from(status).unwrap_or(1),
            Self::Signal(number) => 128_u8.saturating_add(u8::try_from(number).unwrap_or(u8::MAX)),
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exited with {status}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "killed by {signal}"),
                Err(_) => write!(f, "killed by signal {number}"),
            },
        }
    }
}

/// The ends of the processes that somebody asks for. All others, of whatever a service left to us,
/// are forgotten at once: numbers are used again.
#[derive(Debug, Default)]
pub struct Ends(HashMap<i32, Option<End>>);

impl Ends {
    /// This process, which was not reaped yet, will be asked for.
    pub fn expect(&mut self, pid: i32) {
        self.0.insert(pid, None);
    }

    /// It was reaped.
    pub fn note(&mut self, pid: i32, end: End) {
        if let Some(known) = self.0.get_mut(&pid) {
            *known = Some(end);
        }
    }

    /// How it ended, if it did.
    pub fn of(&self, pid: i32) -> Option<End> {
        self.0.get(&pid).copied().flatten()
    }

    /// How it ended, if it did; then it is asked for no more.
    pub fn take(&mut self, pid: i32) -> Option<End> {
        let end = self.of(pid)?;
        self.0.remove(&pid);
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_was_asked_to_end_has_not_failed() {
        let check = |end: End, code, text: &str| {
            assert_eq!((end.code(), end.to_string()), (code, text.to_owned()));
            assert_eq!(end.is_clean(), code == 0, "{end}");
        };
        check(End::Status(0), 0, "exited with 0");
        check(End::Status(3), 3, "exited with 3");
        check(End::Signal(15), 0, "killed by SIGTERM");
        check(End::Signal(9), 137, "killed by SIGKILL");
        check(End::Signal(40), 168, "killed by signal 40"); // real-time signals have no names
        check(End::Signal(1000), 255, "killed by signal 1000");
    }

    #[test]
    fn only_ends_that_are_awaited_are_kept_and_a_number_is_used_again() {
        let mut ends = Ends::default();
        for orphan in 100..1000 {
            ends.note(orphan, End::Status(1));
        }
        assert_eq!(ends.0.len(), 0, "nobody asks for them");
        ends.expect(7);
        assert_eq!(ends.take(7), None, "it runs");
        ends.note(7, End::Status(3));
        assert_eq!(ends.of(7), Some(End::Status(3)));
        ends.expect(7); // given up; the number went round
        assert_eq!(ends.of(7), None, "that was another");
        ends.note(7, End::Status(0));
        assert_eq!(ends.take(7), Some(End::Status(0)));
        ends.note(7, End::Status(4)); // an orphan with the same number
        assert_eq!((ends.take(7), ends.0.len()), (None, 0));
    }
}
