//! A daemon that runs only while it is used.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often to look whether a daemon is idle.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is under way, and since when nothing has been. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Activity(Arc<Mutex<(usize, Instant)>>);

impl Default for Activity {
    fn default() -> Self {
        Self(Arc::new(Mutex::new((0, Instant::now()))))
    }
}

impl Activity {
    /// How long nothing has been under way; zero while something is.
    pub fn idle(&self) -> Duration {
        let (under_way, last) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way > 0 {
            Duration::ZERO
        } else {
            last.elapsed()
        }
    }

    /// Something is under way until the answer is dropped.
    pub fn begin(&self) -> Busy {
        self.change(|under_way| under_way + 1);
        Busy(self.clone())
    }

    /// Ready when nothing has been under way for `time`.
    pub async fn unused(&self, time: Duration) {
        while self.idle() < time {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    fn change(&self, to: impl Fn(usize) -> usize) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (to(state.0), Instant::now());
    }
}

/// Something is under way for as long as this lives.
#[derive(Debug)]
pub struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.change(|under_way| under_way.saturating_sub(1));
    }
}
