//! Services of packages that start at boot, because somebody enabled them
//! ([`aios_units::enabled`]).
//!
//! Once in a boot, when the core services are there: a control that is started again later
//! starts nothing, so what an operator has stopped stays stopped. Nor does safe mode.

use std::time::Duration;

use aios_service::conditions;
use aios_service::wire::{self, Reply};
use tonic::Status;

use super::service::InitService;

/// How often the boot is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The phase after which packages' services start: the core services, the network among them, are
/// ready or given up then. Counted from 0.
const AFTER_PHASE: usize = 2;

impl InitService {
    /// Starts what is enabled, once the boot has come so far. What cannot be started is said in the
    /// log and hinders nothing else.
    pub(super) async fn start_enabled(&self) {
        if conditions::is_safe_mode() {
            return;
        }
        while !self.is_core_there().await {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        for name in aios_units::enabled() {
            match self.start_one(&name).await {
                Ok(()) => tracing::info!(service = %name, "is enabled: started"),
                Err(why) => tracing::warn!("{name} is enabled and not started: {}", why.message()),
            }
        }
    }

    /// Has the boot come so far that packages' services may start? Not before control itself is ready.
    pub(super) async fn is_core_there(&self) -> bool {
        match self.ask(wire::Request::Boot).await {
            Ok(Reply::Boot(boot)) => {
                let phase = boot.phases.get(AFTER_PHASE);
                phase.is_some_and(|(_, finished)| *finished > 0)
            }
            _ => false,
        }
    }

    /// Gives the order; PID 1 carries it out and keeps the order of `After=`.
    async fn start_one(&self, name: &str) -> Result<(), Status> {
        let known = self.known(name).await?;
        self.start_needed(&known).await?;
        match self.ask(wire::Request::Start(known)).await? {
            Reply::Refused(why) => Err(Status::failed_precondition(why)),
            _ => Ok(()),
        }
    }
}
