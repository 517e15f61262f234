//! What one caller may put on record: so many calls, so many refusals, so many bytes a day. Pure: the
//! time is passed in.
//!
//! Root and the orchestrator have no limits here. They act for people, and the orchestrator bounds
//! the refusals that come from the network by itself (`aios_daemon::rate` does the counting for both).
//! Nothing here is on the disk: after a restart everybody may again what they may in a day.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aios_daemon::identity::Principal;
use aios_daemon::rate::Rate;

/// Calls that are taken at once, in seconds' worth of calls: the whole queue of the orchestrator may
/// belong to one agent.
const CALLS_BURST_SECONDS: u32 = 4;

/// Refusals of one caller that go on record at once: far more than a day of mistakes.
const REFUSALS_BURST: u32 = 200;

/// After the burst, one refusal goes on record in this time.
const REFUSALS_PERIOD: Duration = Duration::from_secs(1);

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The limits for each caller.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls in a second.
    pub calls_per_second: u32,
    /// Bytes of the ledger in a day (UTC).
    pub bytes_per_day: u64,
}

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For rates; never goes back.
    pub now: Instant,
    /// For days: Unix time, milliseconds.
    pub unix_ms: i64,
}

impl Moment {
    /// This one.
    pub fn now() -> Self {
        Self {
            now: Instant::now(),
            unix_ms: aios_files::clock::now_ms(),
        }
    }
}

/// Why a call is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// There were too many just now.
    Calls,
    /// The day's part of the ledger is used up.
    Day,
}

/// What is to be done about the record of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on record; so many before it did not.
    Record(u64),
    /// It is counted only.
    Suppressed,
}

/// What all callers used of what they may.
#[derive(Debug)]
pub struct Allowances {
    limits: Limits,
    accounts: Mutex<HashMap<Principal, Account>>,
}

#[derive(Debug)]
struct Account {
    calls: Rate,
    refusals: Rate,
    /// Days since 1970.
    day: i64,
    /// Bytes of the ledger, in that day.
    bytes: u64,
    /// That the day's part is used up is on record.
    told: bool,
}

impl Allowances {
    /// Nobody used anything yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            accounts: Mutex::default(),
        }
    }

    /// Has this caller limits? People have none.
    pub fn are_for(caller: &Principal) -> bool {
        !matches!(caller, Principal::Root) && !caller.is_daemon("orchestrator")
    }

    /// Takes a place for a call.
    ///
    /// # Errors
    /// Why there is none.
    pub fn admit(&self, caller: &Principal, at: Moment) -> Result<(), Excess> {
        let most = self.limits.bytes_per_day;
        self.with(caller, at, |account| {
            if account.bytes >= most {
                return Err(Excess::Day);
            }
            account.calls.take(at.now).map(drop).ok_or(Excess::Calls)
        })
        .unwrap_or(Ok(()))
    }

    /// Takes a place on record for a refusal. When the day's part of the ledger is used up, one more
    /// has a place: the one that says so.
    pub fn refusal(&self, caller: &Principal, at: Moment) -> Verdict {
        let most = self.limits.bytes_per_day;
        self.with(caller, at, |account| {
            if account.bytes >= most && std::mem::replace(&mut account.told, true) {
                account.refusals.hold_back();
                return Verdict::Suppressed;
            }
            let taken = account.refusals.take(at.now);
            taken.map_or(Verdict::Suppressed, Verdict::Record)
        })
        .unwrap_or(Verdict::Record(0))
    }

    /// Notes that the caller put so many bytes on record.
    pub fn spend(&self, caller: &Principal, bytes: u64, at: Moment) {
        self.with(caller, at, |account| {
            account.bytes = account.bytes.saturating_add(bytes);
        });
    }

    /// Who was held back and may be put on record again, with how many refusals are not.
    pub fn due(&self, at: Moment) -> Vec<(Principal, u64)> {
        let most = self.limits.bytes_per_day;
        let mut accounts = self.lock();
        let due = accounts.iter_mut().filter_map(|(caller, account)| {
            account.begin_day(at);
            let room = account.bytes < most;
            let held_back = room.then(|| account.refusals.settle(at.now)).flatten()?;
            Some((caller.clone(), held_back))
        });
        due.collect()
    }

    /// Does this with the account of a caller that has limits.
    fn with<T>(
        &self,
        caller: &Principal,
        at: Moment,
        change: impl FnOnce(&mut Account) -> T,
    ) -> Option<T> {
        if !Self::are_for(caller) {
            return None;
        }
        let mut accounts = self.lock();
        let account = accounts
            .entry(caller.clone())
            .or_insert_with(|| Account::new(self.limits, at));
        account.begin_day(at);
        Some(change(account))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Principal, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    fn new(limits: Limits, at: Moment) -> Self {
        let each_second = limits.calls_per_second.max(1);
        let burst = each_second.saturating_mul(CALLS_BURST_SECONDS);
        Self {
            calls: Rate::full(burst, Duration::from_secs(1) / each_second, at.now),
            refusals: Rate::full(REFUSALS_BURST, REFUSALS_PERIOD, at.now),
            day: at.unix_ms.div_euclid(DAY_MS),
            bytes: 0,
            told: false,
        }
    }

    /// A day that is not the one before begins with nothing used, also when the clock was put back.
    fn begin_day(&mut self, at: Moment) {
        let day = at.unix_ms.div_euclid(DAY_MS);
        if day != self.day {
            (self.day, self.bytes, self.told) = (day, 0, false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        calls_per_second: 10,
        bytes_per_day: 1000,
    };

    fn agent(name: &str) -> Principal {
        Principal::Agent(name.into())
    }

    fn start() -> Moment {
        Moment {
            now: Instant::now(),
            unix_ms: 5 * DAY_MS + 7,
        }
    }

    fn later(from: Moment, by: Duration) -> Moment {
        Moment {
            now: from.now + by,
            unix_ms: from.unix_ms + i64::try_from(by.as_millis()).unwrap(),
        }
    }

    fn admitted(allowances: &Allowances, caller: &Principal, at: Moment) -> usize {
        (0..1000)
            .filter(|_| allowances.admit(caller, at).is_ok())
            .count()
    }

    #[test]
    fn an_agents_calls_have_a_rate_and_those_of_people_have_none() {
        let (allowances, at) = (Allowances::new(LIMITS), start());
        assert_eq!(admitted(&allowances, &agent("a"), at), 40);
        assert_eq!(allowances.admit(&agent("a"), at), Err(Excess::Calls));
        assert_eq!(admitted(&allowances, &agent("b"), at), 40);
        let second = later(at, Duration::from_secs(1));
        assert_eq!(admitted(&allowances, &agent("a"), second), 10);
        assert_eq!(admitted(&allowances, &Principal::Root, at), 1000);
        let orchestrator = Principal::Daemon("orchestrator".into());
        assert_eq!(admitted(&allowances, &orchestrator, at), 1000);
        assert_eq!(allowances.refusal(&Principal::Root, at), Verdict::Record(0));
    }

    #[test]
    fn refusals_above_the_rate_are_counted_and_told_later() {
        let (allowances, at) = (Allowances::new(LIMITS), start());
        let verdicts = (0..1000).map(|_| allowances.refusal(&agent("a"), at));
        let on_record = verdicts.filter(|verdict| *verdict == Verdict::Record(0));
        assert_eq!(on_record.count(), REFUSALS_BURST as usize);
        assert_eq!(allowances.due(at), []);
        let second = later(at, REFUSALS_PERIOD);
        assert_eq!(allowances.due(second), [(agent("a"), 800)]);
        assert_eq!(allowances.due(later(second, REFUSALS_PERIOD)), []);
        let verdict = allowances.refusal(&agent("a"), later(second, REFUSALS_PERIOD));
        assert_eq!(verdict, Verdict::Record(0));
    }

    #[test]
    fn the_next_refusal_on_record_says_how_many_were_not() {
        let (allowances, at) = (Allowances::new(LIMITS), start());
        for _ in 0..REFUSALS_BURST + 5 {
            allowances.refusal(&agent("a"), at);
        }
        let verdict = allowances.refusal(&agent("a"), later(at, REFUSALS_PERIOD));
        assert_eq!(verdict, Verdict::Record(5));
    }

    #[test]
    fn a_day_has_so_many_bytes_and_that_they_are_used_up_is_said_once() {
        let (allowances, at) = (Allowances::new(LIMITS), start());
        allowances.spend(&agent("a"), 999, at);
        assert_eq!(allowances.admit(&agent("a"), at), Ok(()));
        allowances.spend(&agent("a"), 1, at);
        allowances.spend(&Principal::Root, 5000, at);
        assert_eq!(allowances.admit(&agent("a"), at), Err(Excess::Day));
        assert_eq!(allowances.refusal(&agent("a"), at), Verdict::Record(0));
        for _ in 0..3 {
            assert_eq!(allowances.refusal(&agent("a"), at), Verdict::Suppressed);
        }
        assert_eq!(allowances.admit(&agent("b"), at), Ok(()));
        assert_eq!(allowances.admit(&Principal::Root, at), Ok(()));
        assert_eq!(allowances.due(later(at, Duration::from_secs(60))), []);
        let next = later(at, Duration::from_secs(86_400));
        assert_eq!(allowances.due(next), [(agent("a"), 3)]);
        assert_eq!(allowances.admit(&agent("a"), next), Ok(()));
    }
}
