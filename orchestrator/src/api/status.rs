//! How the system is: put together from what the daemons say.

use std::time::Duration;

use aios_proto::services::is_core;
use aios_proto::v1::*;

use super::peer::Peer;
use super::service::Management;
use crate::degraded;

/// A daemon that does not say how it is within this time is missing.
const ANSWER: Duration = Duration::from_secs(5);

/// Asks everybody.
pub(super) async fn collect(management: &Management, peer: &Peer) -> SystemStatus {
    let mut init = management.clients.init.clone();
    let mut also_init = init.clone();
    let mut runtime = management.clients.runtime.clone();
    let (boot, services, health, agents) = tokio::join!(
        asked(init.get_boot(GetBootRequest {})),
        asked(also_init.list_services(ListServicesRequest {})),
        asked(runtime.health(HealthRequest {})),
        management.agents.list(),
    );
    let boot = boot.unwrap_or_default();
    let mut emergency = management.emergency.state(Vec::new());
    emergency.goals_suspended = match emergency.stopped {
        true => u32::try_from(management.goals.unfinished()).unwrap_or(u32::MAX),
        false => 0,
    };
    let found = found(&Seen {
        boot: &boot,
        services: services.as_ref().map(|services| &services.services[..]),
        health: health.as_ref(),
        has_model: management.goals.planner().has_model(),
        agents: &agents,
        emergency: emergency.stopped,
    });
    let degraded: Vec<String> = degraded::list(&found)
        .iter()
        .filter(|mode| mode.present)
        .map(degraded::line)
        .collect();
    let services = services.unwrap_or_default().services;
    let (total, available) = memory();
    SystemStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        node: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        state: match emergency.stopped {
            true => "manual".into(),
            false => state(boot.ready_ms, &degraded).into(),
        },
        uptime_ms: uptime_ms(),
        ready_ms: boot.ready_ms,
        services_ready: count(services.iter().filter(|service| is_well(service))),
        services_total: count(services.iter()),
        agents_connected: count(agents.iter().filter(|agent| agent.connected)),
        agents_total: count(agents.iter()),
        goals_running: u32::try_from(management.goals.unfinished()).unwrap_or(u32::MAX),
        memory_total_bytes: total,
        memory_available_bytes: available,
        you: match peer.role {
            Some(role) => format!("{} ({role})", peer.name()),
            None => peer.name(),
        },
        last_crash: boot.last_crash,
        degraded,
        emergency: Some(emergency),
    }
}

/// What of the table of degraded modes is so now.
pub(super) async fn conditions(management: &Management) -> Vec<Condition> {
    let mut init = management.clients.init.clone();
    let mut also_init = init.clone();
    let mut runtime = management.clients.runtime.clone();
    let (boot, services, health, agents) = tokio::join!(
        asked(init.get_boot(GetBootRequest {})),
        asked(also_init.list_services(ListServicesRequest {})),
        asked(runtime.health(HealthRequest {})),
        management.agents.list(),
    );
    found(&Seen {
        boot: &boot.unwrap_or_default(),
        services: services.as_ref().map(|services| &services.services[..]),
        health: health.as_ref(),
        has_model: management.goals.planner().has_model(),
        agents: &agents,
        emergency: management.emergency.stopped().is_some(),
    })
}

/// What the daemons said.
struct Seen<'a> {
    boot: &'a BootTimeline,
    services: Option<&'a [Service]>,
    health: Option<&'a HealthResponse>,
    has_model: bool,
    agents: &'a [AgentInfo],
    emergency: bool,
}

/// What is missing, by the identifiers of the table.
fn found(seen: &Seen<'_>) -> Vec<Condition> {
    let condition = |id: &str, detail: String| Condition {
        id: id.to_owned(),
        detail,
    };
    let mut found = seen.boot.conditions.clone();
    let safe = found.iter().any(|one| one.id == degraded::SAFE_MODE);
    match seen.services {
        Some(services) => found.extend(faults(services)),
        None => found.push(condition("control", "init does not answer".to_owned())),
    }
    if seen.boot.degraded && found.is_empty() {
        found.push(condition("boot", "see aiosctl boot".to_owned()));
    }
    if safe {
        return found; // without agents and models on purpose
    }
    match seen.health {
        None => found.push(condition("runtime", "does not answer".to_owned())),
        Some(health) if !health.serving => {
            found.push(condition(
                "runtime",
                format!("not serving: {}", health.detail),
            ));
        }
        Some(_) if !seen.has_model => {
            found.push(condition(
                "operator-model",
                "its files are missing".to_owned(),
            ));
        }
        Some(_) => {}
    }
    let away = seen
        .agents
        .iter()
        .filter(|agent| !agent.connected && !seen.emergency);
    let away: Vec<String> = away
        .map(|agent| format!("agent {} is away", agent.name))
        .collect();
    if !away.is_empty() {
        found.push(condition("agents", away.join(", ")));
    }
    found
}

async fn asked<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Option<T> {
    let answer = tokio::time::timeout(ANSWER, call).await.ok()?;
    answer.ok().map(tonic::Response::into_inner)
}

fn state(ready_ms: u64, degraded: &[String]) -> &'static str {
    match (ready_ms, degraded) {
        (0, _) => "booting",
        (_, []) => "ready",
        _ => "degraded",
    }
}

fn is_well(service: &Service) -> bool {
    matches!(service.state(), ServiceState::Ready | ServiceState::Done)
}

/// The services that fail, and core services that are stopped. One that the table has no row for says itself what that means.
fn faults(services: &[Service]) -> Vec<Condition> {
    let failing = |service: &&Service| match service.state() {
        ServiceState::Backoff | ServiceState::Degraded => true,
        ServiceState::Inactive => is_core(&service.name),
        _ => false,
    };
    let told = |service: &Service| Condition {
        id: match service.name.starts_with("agent-") {
            true => "agents".to_owned(),
            false => service.name.clone(),
        },
        detail: match service.state() {
            ServiceState::Inactive => format!(
                "service {} is stopped: {}; aiosctl services start {0}",
                service.name, service.without
            ),
            _ => format!(
                "service {} fails ({}): {}",
                service.name, service.last_exit, service.without
            ),
        },
    };
    services.iter().filter(failing).map(told).collect()
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

/// Milliseconds since boot, by proc(5); 0 when unknown.
fn uptime_ms() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text
        .split(' ')
        .next()
        .and_then(|text| text.parse::<f64>().ok());
    seconds.map_or(0, |seconds| (seconds * 1000.0) as u64)
}

/// Total and available memory in bytes, by proc(5).
fn memory() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    (meminfo(&text, "MemTotal:"), meminfo(&text, "MemAvailable:"))
}

fn meminfo(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_ready_only_when_nothing_is_missing() {
        assert_eq!(state(0, &[]), "booting");
        assert_eq!(state(900, &[]), "ready");
        assert_eq!(state(900, &["agent dev is away".into()]), "degraded");
    }

    #[test]
    fn safe_mode_is_one_line_and_not_a_list_of_what_it_goes_without() {
        let safe = Condition {
            id: degraded::SAFE_MODE.into(),
            detail: "asked for".into(),
        };
        let mut boot = BootTimeline {
            degraded: true,
            conditions: vec![safe],
            ..BootTimeline::default()
        };
        let ids = |boot: &BootTimeline| -> Vec<String> {
            let found = found(&Seen {
                boot,
                services: Some(&[]),
                health: None,
                has_model: false,
                agents: &[AgentInfo::default()],
                emergency: false,
            });
            found.into_iter().map(|condition| condition.id).collect()
        };
        assert_eq!(ids(&boot), [degraded::SAFE_MODE]);
        boot.conditions.clear();
        assert_eq!(ids(&boot), ["boot", "runtime", "agents"]);
    }

    #[test]
    fn a_failing_service_is_told_with_what_it_means() {
        let check = |name: &str, state: ServiceState, expected: Option<&str>| {
            let told = faults(&[Service {
                name: name.into(),
                state: state.into(),
                last_exit: "killed by SIGKILL".into(),
                without: "goals are refused".into(),
                ..Service::default()
            }]);
            let told: Vec<&str> = told.iter().map(|one| one.detail.as_str()).collect();
            assert_eq!(told, expected.as_slice(), "{name} {state:?}");
        };
        let fails = "service memory fails (killed by SIGKILL): goals are refused";
        let stopped = "service memory is stopped: goals are refused; aiosctl services start memory";
        check("memory", ServiceState::Ready, None);
        check("memory", ServiceState::Degraded, Some(fails));
        check("memory", ServiceState::Inactive, Some(stopped));
        check("update", ServiceState::Inactive, None);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    5 kB\n";
        assert_eq!(meminfo(text, "MemTotal:"), 8_192_000_000);
        assert_eq!(meminfo(text, "MemAvailable:"), 5120);
        assert_eq!(meminfo("", "MemTotal:"), 0);
    }
}
