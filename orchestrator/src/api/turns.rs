//! How many reads of one certificate go on at once. Acts, and the emergency stop above all, wait for
//! nobody: they are in no pool, and what one viewer asks for cannot fill the way to the daemons.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

use super::roles::{self, Role};

/// Reads of the ledger of one certificate at once: each may go through all of it.
pub const OF_LEDGER: usize = 2;

/// Requests for logs of one certificate at once. Those that follow last, so more are refused.
pub const OF_LOGS: usize = 4;

/// Reads of one certificate at once whose answers may be as large as answers can be: 4 MiB each wait in
/// memory for a client that does not take them.
pub const OF_LARGE: usize = 4;

/// Other reads of one certificate at once.
pub const OTHERS: usize = 16;

/// What a method takes its turn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pool {
    Ledger,
    Logs,
    Large,
    Others,
}

impl Pool {
    /// Of the method at this HTTP path; `None` for what acts.
    fn of(path: &str) -> Option<Self> {
        match path.rsplit('/').next() {
            Some("VerifyAudit" | "ListAudit" | "ExportAudit") => Some(Self::Ledger),
            Some("Logs") => Some(Self::Logs),
            Some("GetGoal" | "ListGoals" | "ListDecisions" | "ListTools" | "GetSbom") => {
                Some(Self::Large)
            }
            _ => (roles::least(path) == Role::Viewer).then_some(Self::Others),
        }
    }

    fn turns(self) -> usize {
        match self {
            Self::Ledger => OF_LEDGER,
            Self::Logs => OF_LOGS,
            Self::Large => OF_LARGE,
            Self::Others => OTHERS,
        }
    }
}

/// The pools that are in use, by the certificate's serial number.
type Pools = HashMap<(String, Pool), Arc<Semaphore>>;

/// The turns of all certificates; cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Mutex<Pools>>);

impl Turns {
    /// The turn of a request of this certificate, which lasts until the answer is dropped. `None` for
    /// what acts.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when it has as many requests for logs as it may have.
    pub async fn take(
        &self,
        serial: &str,
        path: &str,
    ) -> Result<Option<OwnedSemaphorePermit>, Status> {
        let Some(pool) = Pool::of(path) else {
            return Ok(None);
        };
        let turns = self.of(serial, pool);
        let turn = match pool {
            Pool::Logs => turns.try_acquire_owned().map_err(|_| {
                let text = format!("this certificate has {OF_LOGS} requests for logs already");
                Status::resource_exhausted(text)
            })?,
            _ => turns
                .acquire_owned()
                .await
                .map_err(|closed| Status::internal(closed.to_string()))?,
        };
        Ok(Some(turn))
    }

    /// Pools that nobody uses are forgotten: certificates come and go.
    fn of(&self, serial: &str, pool: Pool) -> Arc<Semaphore> {
        let mut pools = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|_, turns| Arc::strong_count(turns) > 1);
        let key = (serial.to_owned(), pool);
        let turns = pools
            .entry(key)
            .or_insert_with(|| Arc::new(Semaphore::new(pool.turns())));
        Arc::clone(turns)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_acts_is_in_no_pool() {
        let check = |method: &str, expected: Option<Pool>| {
            let path = format!("/aios.v1.Management/{method}");
            assert_eq!(Pool::of(&path), expected, "{method}");
        };
        check("VerifyAudit", Some(Pool::Ledger));
        check("Logs", Some(Pool::Logs));
        check("GetGoal", Some(Pool::Large));
        check("GetStatus", Some(Pool::Others));
        for acts in [
            "EmergencyStop",
            "EmergencyResume",
            "SubmitGoal",
            "Power",
            "Undo",
        ] {
            check(acts, None);
        }
    }

    #[tokio::test]
    async fn one_certificate_that_reads_keeps_no_other_waiting_and_nobody_from_the_stop() {
        let turns = Turns::default();
        let take = async |serial: &str, method: &str| {
            let path = format!("/aios.v1.Management/{method}");
            let turn = turns.take(serial, &path);
            tokio::time::timeout(Duration::from_millis(50), turn)
                .await
                .ok()
        };
        let mut held = Vec::new();
        for _ in 0..OF_LEDGER {
            held.push(take("eve", "VerifyAudit").await.unwrap().unwrap());
        }
        assert!(take("eve", "ListAudit").await.is_none(), "it waits");
        assert!(take("ann", "VerifyAudit").await.unwrap().is_ok());
        assert!(take("eve", "GetStatus").await.unwrap().is_ok());
        assert!(
            take("eve", "EmergencyStop")
                .await
                .unwrap()
                .unwrap()
                .is_none()
        );
        for _ in 0..OF_LOGS {
            held.push(take("eve", "Logs").await.unwrap().unwrap());
        }
        let refused = take("eve", "Logs").await.unwrap().unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        held.clear();
        assert!(take("eve", "ListAudit").await.unwrap().is_ok());
        assert!(
            turns.0.lock().unwrap().len() <= 2,
            "the others are forgotten"
        );
    }
}
