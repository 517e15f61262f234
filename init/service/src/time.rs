//! Waiting, and the kernel's clock.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// A moment or a span, in milliseconds.
pub type Millis = u64;

/// Blocks the calling thread for so many milliseconds. PID 1 may only do this before and after its
/// event loop. An interrupted pause is shorter, which every caller bears.
pub fn pause(milliseconds: Millis) {
    let span = std::time::Duration::from_millis(milliseconds);
    let span = rustix::thread::Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    };
    // Not std::thread::sleep, which clippy.toml bans: async code shares that name.
    let _ = rustix::thread::nanosleep(&span);
}

/// Time since the kernel was started, the time that the machine slept included.
pub fn boottime() -> Millis {
    millis(clock_gettime(ClockId::Boottime))
}

fn millis(time: Timespec) -> Millis {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1000)
        .saturating_add(nanoseconds / 1_000_000)
}
