//! The last events, in memory.

use std::collections::VecDeque;

use aios_contracts::v1::Event;

/// So many events are remembered. At some hundred bytes each: a few hundred KiB.
pub const RING: usize = 1000;

/// A ring of events, the oldest forgotten first.
#[derive(Debug, Default)]
pub struct Ring {
    events: VecDeque<Event>,
}

impl Ring {
    /// A ring that begins with these, the oldest first.
    pub fn new(events: Vec<Event>) -> Self {
        let mut ring = Self::default();
        events.into_iter().for_each(|event| ring.push(event));
        ring
    }

    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        if self.events.len() == RING {
            self.events.pop_front();
        }
        self.events.push_back(event);
        assert!(self.events.len() <= RING, "the ring grew");
    }

    /// The newest `limit`, the newest first.
    pub fn newest(&self, limit: usize) -> Vec<Event> {
        self.events.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ring_forgets_the_oldest_and_never_grows() {
        let event = |time_ms| Event {
            time_ms,
            ..Default::default()
        };
        let mut ring = Ring::new((0..10).map(event).collect());
        (10..RING as i64 + 5).for_each(|time| ring.push(event(time)));
        let times: Vec<i64> = ring.newest(3).iter().map(|event| event.time_ms).collect();
        assert_eq!(times, [1004, 1003, 1002]);
        assert_eq!(ring.newest(usize::MAX).len(), RING);
        assert_eq!(ring.newest(usize::MAX).last().unwrap().time_ms, 5);
    }
}
