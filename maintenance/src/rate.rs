//! How often strangers may try: a token bucket, without a clock of its own.

use std::time::{Duration, Instant};

/// Tries at once.
const BURST: u32 = 5;

/// Then one in this time.
const PERIOD: Duration = Duration::from_secs(5);

/// What is left of the tries.
#[derive(Debug)]
pub struct Rate {
    left: u32,
    filled: Instant,
}

impl Rate {
    /// All tries are there.
    pub fn full(now: Instant) -> Self {
        Self {
            left: BURST,
            filled: now,
        }
    }

    /// May one more be tried now?
    pub fn take(&mut self, now: Instant) -> bool {
        let periods = now.duration_since(self.filled).as_secs() / PERIOD.as_secs();
        if periods > 0 {
            let new = u32::try_from(periods).unwrap_or(BURST);
            self.left = self.left.saturating_add(new).min(BURST);
            self.filled = now;
        }
        let taken = self.left > 0;
        self.left -= u32::from(taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_one_in_a_while_and_never_more_than_a_burst() {
        let start = Instant::now();
        let mut rate = Rate::full(start);
        let taken = |rate: &mut Rate, now| (0..100).filter(|_| rate.take(now)).count();
        assert_eq!(taken(&mut rate, start), 5);
        assert_eq!(taken(&mut rate, start + PERIOD), 1);
        assert_eq!(taken(&mut rate, start + PERIOD * 1000), 5);
    }
}
