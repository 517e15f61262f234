//! Who may take this daemon's blocking threads, of which there are 512: callers have a part each, and
//! reads of the ledger a few for all. So there is always one for the emergency stop.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aios_daemon::identity::Principal;
use aios_tool::error::ToolError;

use crate::sec::audit_query;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::Status;

/// Calls of one caller that have a thread. Far fewer run at once (`[tools] calls_per_caller_max`);
/// the others wait for a place or are being refused, which is put on record.
pub const CALLS_OF_CALLER: usize = 24;

/// Reads of the ledger at once, a verification besides.
pub const READS: usize = 2;

/// Exports of the ledger at once.
pub const EXPORTS: usize = 2;

/// The threads of a tokio runtime for work that blocks.
pub const THREADS: usize = 512;

/// The pools of the daemon; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Pools {
    calls: Arc<Mutex<HashMap<Principal, usize>>>,
    reads: Arc<Semaphore>,
    exports: Arc<Semaphore>,
}

impl Default for Pools {
    fn default() -> Self {
        Self {
            calls: Arc::default(),
            reads: Arc::new(Semaphore::new(READS)),
            exports: Arc::new(Semaphore::new(EXPORTS)),
        }
    }
}

/// A call's thread.
#[derive(Debug)]
pub struct Calling {
    caller: Principal,
    calls: Arc<Mutex<HashMap<Principal, usize>>>,
}

impl Drop for Calling {
    fn drop(&mut self) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = calls.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                calls.remove(&self.caller);
            }
        }
    }
}

impl Pools {
    /// A thread for a call of this caller.
    ///
    /// # Errors
    /// `RESOURCE_EXHAUSTED` when it has its part already.
    pub fn call(&self, caller: &Principal) -> Result<Calling, Status> {
        const { assert!(READS + EXPORTS + 1 < THREADS / 8) }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let count = calls.entry(caller.clone()).or_default();
        if *count >= CALLS_OF_CALLER {
            return Err(Status::resource_exhausted(format!(
                "{caller} has {CALLS_OF_CALLER} calls under way"
            )));
        }
        *count += 1;
        Ok(Calling {
            caller: caller.clone(),
            calls: Arc::clone(&self.calls),
        })
    }

    /// Reads in the ledger, when it is this one's turn. `work` asks its argument, often, whether
    /// somebody still waits for what it finds, and ends when nobody does.
    ///
    /// # Errors
    /// What `work` says.
    pub async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, ToolError> + Send + 'static,
    ) -> Result<T, Status> {
        let turn = turn(&self.reads).await?;
        let asker = Arc::new(());
        let asked = Arc::downgrade(&asker);
        let reading = tokio::task::spawn_blocking(move || {
            let found = work(&|| asked.strong_count() > 0);
            drop(turn);
            found
        });
        let found = reading.await;
        drop(asker);
        found
            .map_err(|error| Status::internal(format!("the read crashed: {error}")))?
            .map_err(Status::from)
    }

    /// The turn of a call of this tool, for those that go through the ledger: until the call has ended.
    /// They wait before they take a thread.
    ///
    /// # Errors
    /// Never: the pool is not closed.
    pub async fn turn_of(&self, tool: &str) -> Result<Option<OwnedSemaphorePermit>, Status> {
        match tool == audit_query::NAME {
            true => turn(&self.reads).await.map(Some),
            false => Ok(None),
        }
    }

    /// The turn of one export, for as long as the answer lives.
    ///
    /// # Errors
    /// Never: the pool is not closed.
    pub async fn export(&self) -> Result<OwnedSemaphorePermit, Status> {
        turn(&self.exports).await
    }
}

async fn turn(pool: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Status> {
    let turn = Arc::clone(pool).acquire_owned().await;
    turn.map_err(|closed| Status::internal(closed.to_string()))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use aios_daemon::identity::identities;

    use super::*;

    #[test]
    fn all_callers_together_leave_threads_for_the_emergency_stop() {
        let accounts = identities().len() + 1;
        assert!(accounts * CALLS_OF_CALLER + READS + EXPORTS < THREADS - 32);
        let pools = Pools::default();
        let agent = |name: &str| Principal::Agent(name.into());
        let held: Vec<Calling> = (0..1000)
            .map_while(|_| pools.call(&agent("dev")).ok())
            .collect();
        assert_eq!(held.len(), CALLS_OF_CALLER);
        assert!(pools.call(&agent("storage")).is_ok());
        drop(held);
        assert!(pools.call(&agent("dev")).is_ok());
    }

    #[tokio::test]
    async fn calls_that_go_through_the_ledger_take_turns_with_its_readers_and_others_do_not() {
        let pools = Pools::default();
        let take = async |tool: &str| {
            let turn = pools.turn_of(tool);
            let turn = tokio::time::timeout(Duration::from_millis(50), turn);
            turn.await.ok().map(Result::unwrap)
        };
        let mut held = Vec::new();
        for _ in 0..READS {
            held.push(take(audit_query::NAME).await.unwrap().unwrap());
        }
        assert!(take(audit_query::NAME).await.is_none(), "it waits");
        assert!(take("fs.read").await.unwrap().is_none());
        let read = pools.read(|_| Ok(()));
        let read = tokio::time::timeout(Duration::from_millis(50), read).await;
        assert!(read.is_err(), "ListAudit waits too");
        held.clear();
        assert!(take(audit_query::NAME).await.unwrap().is_some());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn few_read_at_once_and_a_read_ends_when_nobody_waits_for_it() {
        let pools = Pools::default();
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let read = || {
            let (pools, now, most) = (pools.clone(), Arc::clone(&now), Arc::clone(&most));
            tokio::spawn(async move {
                let work = move |is_asked: &dyn Fn() -> bool| {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    while is_asked() {
                        std::thread::yield_now();
                    }
                    now.fetch_sub(1, Ordering::SeqCst);
                    Ok(())
                };
                pools.read(work).await
            })
        };
        let endless: Vec<_> = (0..50).map(|_| read()).collect();
        while now.load(Ordering::SeqCst) < READS {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        for task in &endless {
            task.abort();
        }
        let next = tokio::time::timeout(Duration::from_secs(5), pools.read(|_| Ok(7))).await;
        assert_eq!(next.unwrap().unwrap(), 7);
        assert_eq!(most.load(Ordering::SeqCst), READS);
    }
}
