//! `service.*`: the services that PID 1 keeps, through its control service on `init.sock`.

pub mod define;
pub mod enable;
pub mod list;
pub mod logs;
pub mod reload;
pub mod restart;
pub mod start;
pub mod status;
pub mod stop;
pub mod unit_file;

#[cfg(test)]
pub(crate) mod fake;

use std::time::{Duration, SystemTime};

use aios_contracts::v1;
use rustix::time::{ClockId, clock_gettime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::procfs::{duration, printable};
use aios_tool::context::Context;
use aios_tool::error::ToolError;
use aios_tool::format::bytes;
use std::sync::Arc;

use aios_tool::preview::{Foreseen, Preview};
use aios_tool::tool::{ErasedTool, change, edit, look};
use aios_tool::undo::InverseCall;

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<list::List>(),
        look::<status::Status>(),
        change::<start::Start>(),
        change::<stop::Stop>(),
        change::<restart::Restart>(),
        change::<reload::Reload>(),
        edit::<enable::Enable>(),
        edit::<enable::Disable>(),
        edit::<define::Define>(),
        look::<logs::Logs>(),
    ]
}

/// A service as PID 1 sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// `ready`, `starting`, `stopping`, `inactive`, `backoff`, `degraded`, `done`.
    pub state: String,
    /// Its process; 0 when none runs.
    pub pid: u32,
    /// How often it was started again since boot.
    pub restarts: u32,
    /// When it entered its state, in milliseconds since boot.
    pub since_boot_ms: u64,
    /// How it ended last; empty if never.
    pub last_exit: String,
    /// What the system does without it.
    pub without: String,
    /// Resident memory of its process in bytes, 0 if unknown.
    pub memory_bytes: u64,
    /// What it says about itself.
    pub status: String,
}

impl From<v1::Service> for Service {
    fn from(service: v1::Service) -> Self {
        Self {
            state: state_name(service.state()).to_owned(),
            name: printable(&service.name),
            description: printable(&service.description),
            pid: service.pid,
            restarts: service.restarts,
            since_boot_ms: service.since_boot_ms,
            last_exit: printable(&service.last_exit),
            without: printable(&service.without),
            memory_bytes: service.memory_bytes,
            status: printable(&service.status),
        }
    }
}

fn state_name(state: v1::ServiceState) -> &'static str {
    use v1::ServiceState as State;
    match state {
        State::Unspecified => "unknown",
        State::Inactive => "inactive",
        State::Starting => "starting",
        State::Ready => "ready",
        State::Stopping => "stopping",
        State::Backoff => "backoff",
        State::Degraded => "degraded",
        State::Done => "done",
    }
}

impl Service {
    /// Does it do what it is for?
    pub fn is_up(&self) -> bool {
        matches!(self.state.as_str(), "ready" | "done")
    }

    /// In a clause: `memory is ready since 3 min (pid 71, 12 MB)`.
    pub fn describe(&self) -> String {
        let since = duration(boot_ms().saturating_sub(self.since_boot_ms) / 1000);
        let process = match (self.pid, self.memory_bytes) {
            (0, _) => String::new(),
            (pid, 0) => format!(" (pid {pid})"),
            (pid, memory) => format!(" (pid {pid}, {})", bytes(memory)),
        };
        let ended = match self.is_up() || self.last_exit.is_empty() {
            true => String::new(),
            false => format!("; it last {}", self.last_exit),
        };
        format!(
            "{} is {} for {since}{process}{ended}",
            self.name, self.state
        )
    }
}

/// What a call would make of a service; nothing when it `is_so` already.
fn foreseen(now: &Service, is_so: bool, after: &str) -> Preview {
    let one = Foreseen::of(format_args!("service {}", now.name), &now.state, after);
    (!is_so).then_some(one).into_iter().collect()
}

/// The call that takes the start or stop of a service back.
fn inverse((action, done): (&str, &str), service: &Service) -> InverseCall {
    InverseCall {
        tool: format!("service.{action}"),
        arguments: json!({ "service": service.name }),
        undone: format!("{} is {done} again", service.name),
    }
}

/// Milliseconds since boot on the clock that PID 1 uses.
pub fn boot_ms() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or(0)
}

/// A moment of the wall clock on the clock that PID 1 uses; 0 when it was before this boot.
pub fn boot_ms_of(time: SystemTime) -> u64 {
    let ago = SystemTime::now()
        .duration_since(time)
        .unwrap_or(Duration::ZERO);
    boot_ms().saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX))
}

/// The service of this name, from PID 1.
///
/// # Errors
/// `Precondition` when there is none, `Unavailable` when PID 1's service does not answer.
pub fn fetch(name: &str, context: &Context) -> Result<Service, ToolError> {
    let mut init = context.init()?;
    let request = v1::ServiceRequest {
        name: name.to_owned(),
    };
    let answer = context.block_on(async { init.get_service(request).await })?;
    Ok(answer.into_inner().into())
}

/// All services, from PID 1.
///
/// # Errors
/// `Unavailable` when PID 1's service does not answer.
pub fn fetch_all(context: &Context) -> Result<Vec<Service>, ToolError> {
    let mut init = context.init()?;
    let answer =
        context.block_on(async { init.list_services(v1::ListServicesRequest {}).await })?;
    Ok(answer
        .into_inner()
        .services
        .into_iter()
        .map(Into::into)
        .collect())
}
