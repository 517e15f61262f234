//! How often something may happen: a token bucket that counts what it held back. Without a clock of
//! its own.

use std::fmt::Display;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Log lines about refusals at once.
const TOLD_BURST: u32 = 20;

/// Then one log line in this time, which says how many there were.
const TOLD_PERIOD: Duration = Duration::from_secs(5);

/// A token bucket: so many at once, then one in each period.
#[derive(Debug)]
pub struct Rate {
    burst: u32,
    period: Duration,
    left: u32,
    filled: Instant,
    held_back: u64,
}

impl Rate {
    /// A full bucket: `burst` at once, then one in each `period`.
    pub fn full(burst: u32, period: Duration, now: Instant) -> Self {
        Self {
            burst,
            period,
            left: burst,
            filled: now,
            held_back: 0,
        }
    }

    /// How many were held back since the last one that might happen, or `None` when this one is
    /// held back too.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        self.fill(now);
        if self.left == 0 {
            self.hold_back();
            return None;
        }
        self.left -= 1;
        Some(std::mem::take(&mut self.held_back))
    }

    /// Counts one that is held back for another reason than the rate.
    pub fn hold_back(&mut self) {
        self.held_back += 1;
    }

    /// How many were held back, once one may happen again that says so; takes its place.
    pub fn settle(&mut self, now: Instant) -> Option<u64> {
        self.fill(now);
        if self.left == 0 || self.held_back == 0 {
            return None;
        }
        self.take(now)
    }

    fn fill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled).as_nanos();
        let periods = passed / self.period.as_nanos().max(1);
        let new = u32::try_from(periods).unwrap_or(self.burst).min(self.burst);
        if new > 0 {
            self.left = (self.left + new).min(self.burst);
            self.filled = now;
        }
    }
}

/// Logs refusals, so many at once and then few: whoever is refused must not fill the log.
#[derive(Debug)]
pub struct Told(Mutex<Rate>);

impl Default for Told {
    fn default() -> Self {
        Self(Mutex::new(Rate::full(
            TOLD_BURST,
            TOLD_PERIOD,
            Instant::now(),
        )))
    }
}

impl Told {
    /// Logs why somebody was refused, or counts it for the next line.
    pub fn refused(&self, why: &impl Display) {
        let taken = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now());
        match taken {
            Some(0) => tracing::warn!("refused: {why}"),
            Some(more) => tracing::warn!("refused: {why} ({more} more before it)"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_secs(5);

    #[test]
    fn a_burst_then_one_in_a_while_and_never_more_than_a_burst() {
        let start = Instant::now();
        let mut rate = Rate::full(5, PERIOD, start);
        let taken = |rate: &mut Rate, now| (0..100).filter(|_| rate.take(now).is_some()).count();
        assert_eq!(taken(&mut rate, start), 5);
        assert_eq!(taken(&mut rate, start + PERIOD / 2), 0);
        assert_eq!(taken(&mut rate, start + PERIOD), 1);
        assert_eq!(taken(&mut rate, start + PERIOD * 3), 2);
        assert_eq!(taken(&mut rate, start + PERIOD * 1000), 5);
        assert_eq!(taken(&mut rate, start), 0, "a clock that went back");
    }

    #[test]
    fn what_is_held_back_is_counted() {
        let start = Instant::now();
        let mut rate = Rate::full(20, PERIOD, start);
        let written = (0..100_000).filter(|_| rate.take(start).is_some());
        assert_eq!(written.count(), 20);
        assert_eq!(rate.settle(start), None, "there is no room to say so");
        assert_eq!(rate.take(start + PERIOD), Some(99_980));
        assert_eq!(rate.take(start + PERIOD), None);
        assert_eq!(rate.settle(start + PERIOD * 2), Some(1));
        assert_eq!(rate.settle(start + PERIOD * 3), None, "it was said");
    }
}
