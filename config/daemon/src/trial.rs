//! A configuration that is tried: by whom and until when, over a restart of the daemon.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The shortest and longest trial, in seconds: time enough to connect anew, and not for ever.
pub const SECONDS: std::ops::RangeInclusive<u32> = 10..=600;

/// A trial under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// Names it when it is confirmed.
    pub id: String,
    /// Who tries.
    pub by: String,
    /// When it goes back, on the clock that starts with the machine, in milliseconds.
    pub until_ms: u64,
    /// What is tried: with it the services can be told what goes back.
    pub tried: String,
}

impl Trial {
    /// One that begins now.
    pub fn new(by: &str, time: Duration, tried: &str) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            id: Uuid::new_v4().to_string(),
            by: by.to_owned(),
            until_ms: now_ms().saturating_add(time),
            tried: tried.to_owned(),
        }
    }

    /// Milliseconds left; 0 when it is over.
    pub fn left_ms(&self, now_ms: u64) -> u64 {
        self.until_ms.saturating_sub(now_ms)
    }
}

/// Milliseconds since the machine started, sleep counted.
pub fn now_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
