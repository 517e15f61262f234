//! Time since the kernel's start; in a container, since PID 1's.

use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::manifest::Way;
use crate::supervise::Millis;

/// `CLOCK_BOOTTIME` with a zero of its own.
pub struct Clock {
    zero: Millis,
}

impl Clock {
    /// Starts counting, in a container; goes on counting, on a machine.
    pub fn new(way: Way) -> Self {
        let zero = match way {
            Way::Machine => 0,
            Way::Container => boottime(),
        };
        Self { zero }
    }

    /// Milliseconds since zero.
    pub fn now(&self) -> Millis {
        boottime().saturating_sub(self.zero)
    }

    /// A time of this clock as the kernel counts it, for other processes.
    pub fn as_boottime(&self, time: Millis) -> Millis {
        self.zero + time
    }
}

/// Since the kernel's start, whoever asks.
pub fn boottime() -> Millis {
    millis(clock_gettime(ClockId::Boottime))
}

fn millis(time: Timespec) -> Millis {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1000 + nanoseconds / 1_000_000
}
