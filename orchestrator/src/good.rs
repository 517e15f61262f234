//! When the running slot is good: everything that makes this system manageable has been
//! healthy without a break for a while.

use std::net::SocketAddr;
use std::time::Duration;

use aios_contracts::v1::{GetBootRequest, HealthRequest, ListAuditRequest};
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::{Response, Status};

use crate::clients::Clients;
use crate::update::Updates;

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Who does not answer within this time is not healthy; an emulated machine needs a second.
const ANSWER: Duration = Duration::from_secs(5);

/// Between two tries to have the slot marked.
const AGAIN: Duration = Duration::from_secs(30);

/// Asks the parts that count.
#[derive(Clone, Debug)]
pub struct Health {
    clients: Clients,
}

impl Health {
    /// By these clients.
    pub fn of(clients: &Clients) -> Self {
        Self {
            clients: clients.clone(),
        }
    }

    /// READY was reached, models are served, and the tools can read their ledger?
    async fn is_well(&self) -> bool {
        let (mut init, mut runtime, mut tools) = (
            self.clients.init.clone(),
            self.clients.runtime.clone(),
            self.clients.tools.clone(),
        );
        let (boot, runtime, tools) = tokio::join!(
            answer(init.get_boot(GetBootRequest {})),
            answer(runtime.health(HealthRequest {})),
            answer(tools.list_audit(ListAuditRequest {
                limit: 1,
                ..Default::default()
            })),
        );
        boot.is_some_and(|boot| boot.ready_ms > 0)
            && runtime.is_some_and(|runtime| runtime.serving)
            && tools.is_some()
    }
}

async fn answer<T>(call: impl Future<Output = Result<Response<T>, Status>>) -> Option<T> {
    Some(
        tokio::time::timeout(ANSWER, call)
            .await
            .ok()?
            .ok()?
            .into_inner(),
    )
}

/// Has the running slot marked good, once everything was healthy for so long, and `api` too.
pub async fn watch(
    health: Health,
    api: watch::Receiver<Option<SocketAddr>>,
    updates: Updates,
    healthy: Duration,
) {
    let mut streak = Streak::of(healthy);
    loop {
        let well = api.borrow().is_some() && health.is_well().await;
        if streak.is_long(well, Instant::now()) {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    loop {
        match updates.mark_good().await {
            Ok(slots) => return tracing::info!("slot {} is marked good", slots.running),
            Err(status) => tracing::error!(
                "the running slot cannot be marked good: {}",
                status.message()
            ),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// For how long everything has been well.
#[derive(Debug)]
struct Streak {
    needed: Duration,
    since: Option<Instant>,
}

impl Streak {
    fn of(needed: Duration) -> Self {
        Self {
            needed,
            since: None,
        }
    }

    fn is_long(&mut self, well: bool, now: Instant) -> bool {
        self.since = if well { self.since.or(Some(now)) } else { None };
        self.since.is_some_and(|since| now - since >= self.needed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_look_begins_the_wait_anew() {
        let start = Instant::now();
        let mut streak = Streak::of(Duration::from_secs(60));
        let mut check = |second, well, expected| {
            let long = streak.is_long(well, start + Duration::from_secs(second));
            assert_eq!(long, expected, "at {second} s");
        };
        check(0, false, false);
        check(10, true, false);
        check(69, true, false);
        check(70, false, false);
        check(71, true, false);
        check(130, true, false);
        check(131, true, true);
    }
}
