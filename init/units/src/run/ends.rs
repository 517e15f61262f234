//! How processes of a unit's service ended.

use std::collections::HashMap;
use std::fmt;

use nix::sys::signal::Signal;

use crate::unit::{Restart, Statuses, Unit};

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

    /// Is it one of these?
    fn is_among(self, list: &Statuses) -> bool {
        match self {
            Self::Status(status) => list.codes.contains(&status),
            Self::Signal(number) => list.signals.contains(&number),
        }
    }

    /// Is it an end that a service may have, or one of `success` (systemd.service(5),
    /// `SuccessExitStatus=`)?
    pub fn is_clean(self, success: &Statuses) -> bool {
        let asked = [
            Signal::SIGHUP,
            Signal::SIGINT,
            Signal::SIGTERM,
            Signal::SIGPIPE,
        ];
        let usual = match self {
            Self::Status(status) => status == 0,
            Self::Signal(number) => asked.iter().any(|signal| *signal as i32 == number),
        };
        usual || self.is_among(success)
    }

    /// As an exit status: signals as a shell has them, 0 if it is clean.
    pub fn code(self, success: &Statuses) -> u8 {
        match self {
            _ if self.is_clean(success) => 0,
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

/// Why a service ended by itself or did not start; what `Restart=` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A process of it ended so.
    End(End),
    /// A step took longer than it may.
    Timeout,
    /// It was silent for longer than `WatchdogSec=`.
    Watchdog,
    /// It did not do what its type promises, or something that it needs is not there.
    Protocol,
    /// A condition does not hold.
    Condition,
}

/// Is the service started again after this (systemd.service(5), the table of `Restart=`)?
pub fn comes_back(unit: &Unit, cause: Cause) -> bool {
    let is_of = |list: &Statuses| matches!(cause, Cause::End(end) if end.is_among(list));
    if cause == Cause::Condition || is_of(&unit.restart_prevented) {
        return false;
    }
    if is_of(&unit.restart_forced) {
        return true;
    }
    let is_clean = matches!(cause, Cause::End(end) if end.is_clean(&unit.success));
    let is_code = matches!(cause, Cause::End(End::Status(_)));
    let is_signal = matches!(cause, Cause::End(End::Signal(_)));
    match unit.restart {
        Restart::No => false,
        Restart::Always => true,
        Restart::OnSuccess => is_clean,
        Restart::OnFailure => !is_clean,
        Restart::OnAbnormal => !is_clean && !is_code,
        Restart::OnAbort => !is_clean && is_signal,
        Restart::OnWatchdog => cause == Cause::Watchdog,
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
    fn a_service_comes_back_by_its_rule_and_by_how_it_ended() {
        let unit = |restart: &str| {
            let text = format!(
                "[Service]\nExecStart=/bin/x\nRestart={restart}\nSuccessExitStatus=3 SIGKILL\n\
                 RestartPreventExitStatus=4\nRestartForceExitStatus=5\n"
            );
            let lines = crate::text::parse(text.as_bytes(), &mut Vec::new()).unwrap();
            let name = crate::Name::new("x").unwrap();
            crate::read::read(name, &lines, Vec::new()).unwrap()
        };
        let causes = [
            Cause::End(End::Status(0)),
            Cause::End(End::Signal(15)),
            Cause::End(End::Status(3)),
            Cause::End(End::Signal(9)),
            Cause::End(End::Status(1)),
            Cause::End(End::Signal(11)),
            Cause::Timeout,
            Cause::Watchdog,
            Cause::Protocol,
            Cause::Condition,
            Cause::End(End::Status(4)),
            Cause::End(End::Status(5)),
        ];
        for (restart, expected) in [
            ("no", "-----------x"),
            ("always", "xxxxxxxxx--x"),
            ("on-success", "xxxx-------x"),
            ("on-failure", "----xxxxx--x"),
            ("on-abnormal", "-----xxxx--x"),
            ("on-abort", "-----x-----x"),
            ("on-watchdog", "-------x---x"),
        ] {
            let unit = unit(restart);
            let comes = |cause| if comes_back(&unit, cause) { 'x' } else { '-' };
            let all: String = causes.into_iter().map(comes).collect();
            assert_eq!(all, expected, "{restart}");
        }
    }

    #[test]
    fn a_service_that_was_asked_to_end_has_not_failed() {
        let none = Statuses::default();
        let check = |end: End, code, text: &str| {
            assert_eq!((end.code(&none), end.to_string()), (code, text.to_owned()));
            assert_eq!(end.is_clean(&none), code == 0, "{end}");
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
