//! How often one source may try to provision the node. Each has its own tries: a stranger who uses up
//! theirs does not keep the operator out.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use aios_daemon::rate::Rate;

/// Tries of one source at once.
const TRIES: u32 = 5;

/// Then one in this time.
const AGAIN: Duration = Duration::from_secs(5);

/// Sources that are remembered: whoever sends from more has more tries, as somebody with so many
/// networks has in any case. One takes some hundred bytes.
const SOURCES: usize = 256;

/// The tries of all sources, in the order in which these came.
#[derive(Debug, Default)]
pub struct Tries(Vec<(IpAddr, Rate)>);

impl Tries {
    /// May this address try now? An IPv6 network of 64 bits counts as one.
    pub fn take(&mut self, address: IpAddr, now: Instant) -> bool {
        let source = aios_port::admission::network(address);
        if let Some((_, rate)) = self.0.iter_mut().find(|(known, _)| *known == source) {
            return rate.take(now).is_some();
        }
        if self.0.len() >= SOURCES {
            self.0.remove(0);
        }
        let mut rate = Rate::full(TRIES, AGAIN, now);
        let may = rate.take(now).is_some();
        self.0.push((source, rate));
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_tries_too_often_takes_no_try_of_another() {
        let mut tries = Tries::default();
        let now = Instant::now();
        let eve: IpAddr = [192, 0, 2, 1].into();
        let ann: IpAddr = [192, 0, 2, 2].into();
        let taken = (0..1000).filter(|_| tries.take(eve, now)).count();
        assert_eq!(taken, TRIES as usize);
        assert!(tries.take(ann, now));
        assert!(tries.take(eve, now + AGAIN), "one more, later");
        assert!(!tries.take(eve, now + AGAIN));
    }

    #[test]
    fn few_sources_are_remembered_and_the_oldest_are_forgotten() {
        let mut tries = Tries::default();
        let now = Instant::now();
        for number in 0..10_000_u32 {
            assert!(tries.take(IpAddr::from(number.to_be_bytes()), now));
        }
        assert_eq!(tries.0.len(), SOURCES);
    }
}
