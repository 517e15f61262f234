//! Time since the kernel's start; in a container, since PID 1's.

use aios_service::manifest::Way;
use aios_service::time::{Millis, boottime};

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
