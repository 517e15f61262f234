//! Verifying the ledger: one pass at a time, whose report all get who ask meanwhile. A pass reads every
//! byte of the ledger; without this, whoever may look could have the machine do nothing else.

use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use aios_ledger::{Expected, Ledger, Report, verify_while};
use aios_tool::error::ToolError;
use tokio::sync::watch;
use tonic::Status;

/// A report is good for so long. Longer would hide what was changed since.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The verification of this daemon's ledger.
static SHARED: LazyLock<Verification> = LazyLock::new(Verification::default);

#[derive(Default)]
struct Verification {
    /// The pass under way, which those who ask now join.
    joined: Mutex<Option<Pass>>,
    /// Whoever verifies holds it meanwhile.
    last: Mutex<Option<(Report, Instant)>>,
}

struct Pass {
    /// The ledger's signer: the daemon has one ledger, tests have several.
    signer: [u8; 32],
    /// Held by those who wait for it. When the last of them has gone it ends.
    asked: Weak<()>,
    report: watch::Receiver<Option<Report>>,
}

/// Is the ledger as it was signed?
///
/// # Errors
/// When verifying crashed.
pub async fn report(ledger: &Arc<Ledger>) -> Result<Report, Status> {
    let (asker, mut report) = SHARED.join(ledger);
    let found = report.wait_for(Option::is_some).await;
    let found = found.ok().and_then(|found| found.clone());
    drop(asker);
    found.ok_or_else(|| Status::internal("verifying the ledger crashed"))
}

/// The same, on a thread that may wait for it.
///
/// # Errors
/// When the ledger cannot be read at all.
pub fn report_here(ledger: &Ledger) -> Result<Report, ToolError> {
    let report = SHARED.verify(ledger, &|| true);
    report.ok_or_else(|| ToolError::Unavailable("the ledger cannot be read".to_owned()))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Verification {
    fn join(&'static self, ledger: &Arc<Ledger>) -> (Arc<()>, watch::Receiver<Option<Report>>) {
        let mut joined = lock(&self.joined);
        if let Some(pass) = &*joined
            && pass.signer == ledger.public_key()
            && let Some(asker) = pass.asked.upgrade()
        {
            return (asker, pass.report.clone());
        }
        let asker = Arc::new(());
        let asked = Arc::downgrade(&asker);
        let (sender, report) = watch::channel(None);
        *joined = Some(Pass {
            signer: ledger.public_key(),
            asked: asked.clone(),
            report: report.clone(),
        });
        let ledger = Arc::clone(ledger);
        tokio::task::spawn_blocking(move || {
            sender.send_replace(self.verify(&ledger, &|| asked.strong_count() > 0));
        });
        (asker, report)
    }

    /// Waits for the pass under way, takes its report if that is good still, and otherwise verifies
    /// for as long as it is asked. `None` when it is not asked any more.
    fn verify(&self, ledger: &Ledger, is_asked: &dyn Fn() -> bool) -> Option<Report> {
        let mut last = lock(&self.last);
        let signer = ledger.public_key();
        if let Some((report, at)) = &*last
            && report.public_key == signer
            && at.elapsed() < GOOD_FOR
        {
            return Some(report.clone());
        }
        if !is_asked() {
            return None;
        }
        let expected = Expected {
            public_key: Some(signer),
            ..Expected::default()
        };
        let report = match ledger.export() {
            Ok(export) => verify_while(&export, &expected, is_asked)?,
            Err(error) => Report::unreadable(error.to_string()),
        };
        *last = Some((report.clone(), Instant::now()));
        Some(report)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test without an executor")]
mod tests {
    use aios_ledger::Entry;

    use super::*;

    fn ledger(folder: &std::path::Path, entries: usize) -> Arc<Ledger> {
        let ledger = Ledger::open(&folder.join("ledger"), &folder.join("key")).unwrap();
        let entry = Entry {
            reason: "x".repeat(2000),
            ..Entry::default()
        };
        for _ in 0..entries {
            ledger.append_soon(&entry).unwrap();
        }
        ledger.sync().unwrap();
        Arc::new(ledger)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_thousand_askers_cost_one_pass() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), 2000);
        let began = Instant::now();
        assert!(report(&ledger).await.unwrap().intact);
        let one = began.elapsed();
        tokio::time::sleep(GOOD_FOR).await;
        let began = Instant::now();
        let asked: Vec<_> = (0..1000)
            .map(|_| {
                let ledger = Arc::clone(&ledger);
                tokio::spawn(async move { report(&ledger).await })
            })
            .collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap().unwrap().entries, ledger.len());
        }
        let all = began.elapsed();
        assert!(
            all < one * 10 + Duration::from_millis(200),
            "{all:?}, one takes {one:?}"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_pass_that_nobody_waits_for_ends() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), 20);
        let verification: &'static Verification = Box::leak(Box::default());
        // Somebody else verifies: this pass waits for its turn, and its asker goes.
        let turn = lock(&verification.last);
        let (asker, mut report) = verification.join(&ledger);
        drop(asker);
        drop(turn);
        report.changed().await.unwrap();
        assert_eq!(*report.borrow(), None);
        let (_asker, mut report) = verification.join(&ledger);
        report.wait_for(Option::is_some).await.unwrap();
    }

    #[test]
    fn a_change_is_seen_a_moment_later() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = ledger(folder.path(), 20);
        let verification = Verification::default();
        assert!(verification.verify(&ledger, &|| true).unwrap().intact);
        let log = folder.path().join("ledger/log");
        let mut bytes = std::fs::read(&log).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&log, bytes).unwrap();
        std::thread::sleep(GOOD_FOR);
        assert!(!verification.verify(&ledger, &|| true).unwrap().intact);
    }
}
