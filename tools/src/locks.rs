//! Keys that one call holds at a time: its call id, and what it changes. Two calls that change the
//! same file or service come one after the other, so that what each captures is what it replaces.

use std::collections::HashSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often a waiter looks whether it should give up.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// All keys held now.
#[derive(Debug, Default)]
pub struct Locks {
    held: Mutex<HashSet<String>>,
    freed: Condvar,
}

/// Keys that are held until this is dropped.
#[derive(Debug)]
pub struct Held {
    locks: Arc<Locks>,
    keys: Vec<String>,
}

impl Locks {
    /// Takes all keys at once, when they are free; `None` when they were not within the limit.
    pub fn take(self: &Arc<Self>, keys: Vec<String>, limit: Duration) -> Option<Held> {
        self.take_unless(keys, limit, || false)
    }

    /// The same; `None` too soon after `give_up` says so.
    pub fn take_unless(
        self: &Arc<Self>,
        mut keys: Vec<String>,
        limit: Duration,
        give_up: impl Fn() -> bool,
    ) -> Option<Held> {
        let deadline = Instant::now() + limit;
        keys.sort();
        keys.dedup();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        while keys.iter().any(|key| held.contains(key)) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || give_up() {
                return None;
            }
            let waited = self.freed.wait_timeout(held, left.min(LOOK_EVERY));
            held = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        held.extend(keys.iter().cloned());
        Some(Held {
            locks: Arc::clone(self),
            keys,
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut held = self
            .locks
            .held
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for key in &self.keys {
            held.remove(key);
        }
        drop(held);
        self.locks.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_held_by_one_and_others_pass() {
        let locks = Arc::new(Locks::default());
        let keys = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let short = Duration::from_millis(5);
        let first = locks.take(keys(&["a", "b", "a"]), short);
        assert!(first.is_some());
        assert!(locks.take(keys(&["b", "c"]), short).is_none());
        assert!(locks.take(keys(&["c"]), short).is_some());
        drop(first);
        assert!(locks.take(keys(&["b", "c"]), short).is_some());
    }
}
