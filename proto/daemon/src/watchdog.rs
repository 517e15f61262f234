//! Signs of life. PID 1 kills and restarts a daemon whose manifest has `watchdog_ms` and that gives none
//! for so long: it hangs, or somebody has stopped it.

use std::time::Duration;

use sd_notify::NotifyState;

/// Signs within the time that PID 1 waits: one or two may be late or lost.
const SIGNS: u32 = 4;

/// Gives signs of life for ever, if PID 1 waits for any (`WATCHDOG_USEC`, sd_watchdog_enabled(3)). It
/// runs where the daemon serves: when that stands still, so does this.
pub async fn feed() {
    let Some(limit) = limit(std::env::var("WATCHDOG_USEC").ok().as_deref()) else {
        return;
    };
    let mut tick = tokio::time::interval(limit / SIGNS);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // Err: PID 1's queue is full; the next one counts as well.
        drop(sd_notify::notify(false, &[NotifyState::Watchdog]));
    }
}

/// How long PID 1 waits.
fn limit(variable: Option<&str>) -> Option<Duration> {
    let micros: u64 = variable?.parse().ok()?;
    (micros > 0).then(|| Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_daemon_that_is_watched_gives_signs() {
        assert_eq!(limit(Some("20000000")), Some(Duration::from_secs(20)));
        for nothing in [None, Some("0"), Some(""), Some("soon")] {
            assert_eq!(limit(nothing), None, "{nothing:?}");
        }
    }
}
