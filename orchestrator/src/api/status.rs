//! How the system is: put together from what the daemons say.

use std::time::Duration;

use aios_proto::v1::*;

use super::peer::Peer;
use super::service::Management;

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
    let mut degraded = match &services {
        Some(services) => faults(&services.services),
        None => vec!["init does not answer: services are not known".to_owned()],
    };
    if boot.degraded {
        degraded.push("boot ended with something missing: see aiosctl boot".into());
    }
    match health {
        None => degraded.push("runtime does not answer: goals in words cannot be planned".into()),
        Some(health) if !health.serving => {
            degraded.push(format!("runtime is not serving: {}", health.detail));
        }
        Some(_) if !management.goals.planner().has_model() => {
            degraded
                .push("the operator model's files are missing: goals in words are refused".into());
        }
        Some(_) => {}
    }
    let mut emergency = management.emergency.state(Vec::new());
    emergency.goals_suspended = match emergency.stopped {
        true => u32::try_from(management.goals.unfinished()).unwrap_or(u32::MAX),
        false => 0,
    };
    let away = agents
        .iter()
        .filter(|agent| !agent.connected && !emergency.stopped);
    degraded
        .extend(away.map(|agent| format!("agent {} is away: {}", agent.name, agent.description)));
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
        degraded,
        emergency: Some(emergency),
    }
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

/// The services that fail, and what that means.
fn faults(services: &[Service]) -> Vec<String> {
    let failing = |service: &&Service| {
        matches!(
            service.state(),
            ServiceState::Backoff | ServiceState::Degraded
        )
    };
    let told = |service: &Service| {
        format!(
            "service {} fails ({}): {}",
            service.name, service.last_exit, service.without
        )
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
    fn a_failing_service_is_told_with_what_it_means() {
        let service = |state: ServiceState| Service {
            name: "memory".into(),
            state: state.into(),
            last_exit: "killed by SIGKILL".into(),
            without: "goals are refused".into(),
            ..Service::default()
        };
        let told = faults(&[
            service(ServiceState::Ready),
            service(ServiceState::Degraded),
            service(ServiceState::Inactive),
        ]);
        assert_eq!(
            told,
            ["service memory fails (killed by SIGKILL): goals are refused"]
        );
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let text = "MemTotal:        8000000 kB\nMemFree: 1 kB\nMemAvailable:    5 kB\n";
        assert_eq!(meminfo(text, "MemTotal:"), 8_192_000_000);
        assert_eq!(meminfo(text, "MemAvailable:"), 5120);
        assert_eq!(meminfo("", "MemTotal:"), 0);
    }
}
