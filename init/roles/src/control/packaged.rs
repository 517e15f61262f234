//! Services of installed packages: what PID 1 does not know, a unit file may describe.

use tonic::Status;

use super::service::{InitService, state};
use aios_service::manifest::TIMEOUT_MAX_MS;
use aios_service::supervise::State;
use aios_service::wire::{self, Reply, UnitRecord};
use aios_units::{KillMode, Kind, Missing, Restart, Unit};

/// Services that are started because others need them, one through the other.
const DEPTH_MAX: usize = 8;
/// Beyond the unit's own limit for each of its commands: the runner's own work.
const GRACE_MS: u64 = 3_000;

impl InitService {
    /// The name by which PID 1 knows the service; it is told of it if there is a
    /// unit file, and of what changed in the file while the service did not run.
    pub(super) async fn known(&self, name: &str) -> Result<String, Status> {
        let bare = name.strip_suffix(".service").unwrap_or(name);
        let record = self.ask_for(bare).await?;
        let settled = |record: &wire::ServiceRecord| {
            !record.unit
                || !matches!(
                    state(record),
                    State::Inactive | State::Degraded | State::Done
                )
        };
        if record.as_ref().is_some_and(settled) {
            return Ok(bare.to_owned());
        }
        match aios_units::find(bare) {
            Ok(unit) => self.define(&unit).await,
            Err(why @ Missing::Unusable(_)) => Err(Status::failed_precondition(why.to_string())),
            Err(why @ Missing::Unknown) => Err(Status::not_found(format!("{name:?}: {why}"))),
        }
    }

    async fn define(&self, unit: &Unit) -> Result<String, Status> {
        let name = &unit.name.full;
        let mut known = Vec::new();
        for other in &unit.after {
            let other = other.strip_suffix(".service").unwrap_or(other);
            if known.len() < wire::AFTER_MAX && self.ask_for(other).await?.is_some() {
                known.push(other.to_owned());
            }
        }
        match self.ask(wire::Request::Define(record(unit, known))).await? {
            Reply::Accepted => Ok(name.clone()),
            // Reached by another name, it may run already.
            Reply::Refused(_) if self.ask_for(name).await?.is_some() => Ok(name.clone()),
            Reply::Refused(why) => Err(Status::failed_precondition(why)),
            _ => Err(Status::internal("PID 1 does not take a unit on")),
        }
    }

    /// Starts what the unit of this service requires or wants, and checks its
    /// conditions. Their order is PID 1's affair.
    pub(super) async fn start_needed(&self, name: &str) -> Result<(), Status> {
        if !self.find(name).await?.unit {
            return Ok(());
        }
        let mut seen = vec![name.to_owned()];
        let mut open = vec![(name.to_owned(), true, 0)];
        while let Some((name, is_required, depth)) = open.pop() {
            let own = self
                .ask_for(&name)
                .await?
                .is_some_and(|record| !record.unit);
            if own {
                self.ask(wire::Request::Start(name)).await?;
                continue;
            }
            let unit = match aios_units::find(&name) {
                Ok(unit) => unit,
                Err(_) if !is_required => continue,
                Err(why) => return Err(Status::failed_precondition(format!("{name}: {why}"))),
            };
            if let Some(unmet) = aios_units::unmet(&unit.conditions) {
                let text = format!("{name}: {unmet} does not hold");
                if is_required {
                    return Err(Status::failed_precondition(text));
                }
                continue;
            }
            if depth > 0 {
                let known = self.define(&unit).await?;
                self.ask(wire::Request::Start(known)).await?;
            }
            let required = unit.requires.iter().map(|name| (name, is_required));
            let wanted = unit.wants.iter().map(|name| (name, false));
            for (other, is_required) in required.chain(wanted) {
                // Targets, mounts and the like are no services.
                let Some(other) = other.strip_suffix(".service") else {
                    continue;
                };
                if depth < DEPTH_MAX && !seen.iter().any(|name| name == other) {
                    seen.push(other.to_owned());
                    open.push((other.to_owned(), is_required, depth + 1));
                }
            }
        }
        Ok(())
    }
}

/// What of a unit concerns PID 1.
fn record(unit: &Unit, after: Vec<String>) -> UnitRecord {
    // The runner keeps the unit's limits and says what took too long. PID 1's, for the runner,
    // are for all steps together.
    let all = |steps: usize, limit: Option<u64>| {
        let limit = limit.unwrap_or(TIMEOUT_MAX_MS);
        let sum = limit.saturating_mul(steps as u64);
        sum.saturating_add(GRACE_MS).min(TIMEOUT_MAX_MS)
    };
    let stop_steps = unit.stop.len() + unit.stop_post.len() + 1;
    // One more for what the main process is waited for.
    let start_steps = unit.start_pre.len() + unit.start.len() + unit.start_post.len() + 1;
    UnitRecord {
        name: unit.name.full.clone(),
        description: unit.description.clone(),
        after,
        oneshot: unit.kind == Kind::Oneshot && !unit.remains,
        // The runner says when its rule forbids what PID 1's allows.
        restart: match unit.restart {
            _ if unit.restart_forced != Default::default() => 2,
            Restart::No => 0,
            Restart::OnFailure | Restart::OnAbnormal | Restart::OnAbort | Restart::OnWatchdog => 1,
            Restart::Always | Restart::OnSuccess => 2,
        },
        spares_rest: matches!(unit.kill_mode, KillMode::Process | KillMode::None),
        restart_after: unit.restart_after.unwrap_or(0),
        start_timeout: all(start_steps, unit.start_timeout),
        stop_timeout: all(stop_steps, unit.stop_timeout),
        files_max: unit.files_max.unwrap_or(0),
    }
}
