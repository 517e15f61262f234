//! The emergency stop, as far as it concerns processes.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Status;

use super::service::{InitService, LOOK_EVERY};
use aios_service::supervise::KILL_GRACE;
use aios_service::wire;

/// How long agents may take to be gone after SIGKILL: what PID 1 waits before it counts them as
/// lost, and a little.
const KILL_PATIENCE: Duration = Duration::from_millis(KILL_GRACE + 500);

impl InitService {
    /// Has PID 1 kill every agent. Returns those that still have a process after
    /// [`KILL_PATIENCE`].
    pub(super) async fn kill_agents_now(&self) -> Result<Vec<String>, Status> {
        self.ask(wire::Request::KillAgents).await?;
        let end = Instant::now() + KILL_PATIENCE;
        loop {
            let agents = self.all().await?.into_iter().filter(|record| record.agent);
            let alive: Vec<String> = agents
                .filter(|record| record.pid != 0)
                .map(|record| record.name)
                .collect();
            if alive.is_empty() || Instant::now() >= end {
                return Ok(alive);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}
