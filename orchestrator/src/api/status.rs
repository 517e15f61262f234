//! How the system is: put together from what the daemons say.

use std::time::Duration;

use aios_config::reader;
use aios_contracts::v1::*;
use aios_daemon::InForce;
use aios_daemon::emergency;
use aios_daemon::serve::DEGRADED;
use aios_daemon::services::is_core;
use aios_files::space::{AGENTS_PERCENT, Space};

use super::peer::Peer;
use super::service::Management;
use crate::degraded;

/// A daemon that does not say how it is within this time is missing.
const ANSWER: Duration = Duration::from_secs(5);

/// The row of the table for an API that is not where it is configured to be.
const MANAGEMENT_LISTEN: &str = "management-listen";

/// The row for a list of revoked certificates that cannot be read.
const REVOKED: &str = "revoked-certificates";

/// The row for a ledger that is not the known one.
const LEDGER_REPLACED: &str = "ledger-replaced";

/// The row for a data disk without room for changes.
const DATA_DISK_FULL: &str = "data-disk-full";

/// The row for schedules that are not carried out.
const SCHEDULES: &str = "schedules";

/// The row for a disk that had no room for what keeps an emergency stop.
const EMERGENCY_STOP: &str = "emergency-stop";

/// Ends the row for a service that serves although something is wrong; it begins with its name.
const DAMAGE: &str = "-damage";

/// Asks everybody.
pub(super) async fn collect(management: &Management, peer: &Peer) -> SystemStatus {
    let answers = Answers::ask(management).await;
    let mut emergency = management.emergency.state(Vec::new());
    let unfinished = u32::try_from(management.goals.unfinished()).unwrap_or(u32::MAX);
    emergency.goals_suspended = if emergency.stopped { unfinished } else { 0 };
    let degraded: Vec<String> = degraded::list(&answers.conditions(management))
        .iter()
        .filter(|mode| mode.present)
        .map(degraded::line)
        .collect();
    let Answers {
        boot,
        services,
        agents,
        configuration,
        ..
    } = answers;
    let services = services.unwrap_or_default().services;
    let is_given_up = services.iter().any(is_given_up);
    let (total, available) = memory();
    SystemStatus {
        version: env!("CARGO_PKG_VERSION").into(),
        node: rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned(),
        state: if emergency.stopped {
            "manual".into()
        } else {
            state(boot.ready_ms, is_given_up, &degraded).into()
        },
        uptime_ms: uptime_ms(),
        ready_ms: boot.ready_ms,
        services_ready: count(services.iter().filter(|service| is_well(service))),
        services_total: count(services.iter()),
        agents_connected: count(agents.iter().filter(|agent| agent.connected)),
        agents_total: count(agents.iter()),
        goals_running: unfinished,
        memory_total_bytes: total,
        memory_available_bytes: available,
        you: match peer.role {
            Some(role) => format!("{} ({role})", peer.name()),
            None => peer.name(),
        },
        last_crash: boot.last_crash,
        degraded,
        emergency: Some(emergency),
        not_in_force: configuration
            .not_in_force()
            .iter()
            .map(ToString::to_string)
            .collect(),
    }
}

/// What of the table of degraded modes is so now.
pub(super) async fn conditions(management: &Management) -> Vec<Condition> {
    Answers::ask(management).await.conditions(management)
}

/// What the daemons answered when they were asked how they are.
struct Answers {
    boot: BootTimeline,
    services: Option<ListServicesResponse>,
    health: Option<HealthResponse>,
    agents: Vec<AgentInfo>,
    configuration: InForce<reader::Orchestrator>,
}

impl Answers {
    /// Asks all of them at once.
    async fn ask(management: &Management) -> Self {
        let mut init = management.clients.init.clone();
        let mut also_init = init.clone();
        let mut runtime = management.clients.runtime.clone();
        let (boot, services, health, agents) = tokio::join!(
            asked(init.get_boot(GetBootRequest {})),
            asked(also_init.list_services(ListServicesRequest {})),
            asked(runtime.health(HealthRequest {})),
            management.agents.list(),
        );
        Self {
            boot: boot.unwrap_or_default(),
            services,
            health,
            agents,
            configuration: InForce::read(&management.etc),
        }
    }

    fn conditions(&self, management: &Management) -> Vec<Condition> {
        found(&Seen {
            boot: &self.boot,
            services: self.services.as_ref().map(|list| &list.services[..]),
            health: self.health.as_ref(),
            has_model: management.goals.planner().has_model(),
            agents: &self.agents,
            emergency: management.emergency.stopped().is_some(),
            configuration: self.configuration.warning(),
            elsewhere: management.elsewhere.get(),
            revoked: management.revoked.trouble(),
            ledger: management.witness.replaced(),
            disk: Space::of(&management.state).ok(),
            schedules: management.schedules.troubles(),
            stop_is_kept: emergency::is_kept(&management.state.join(emergency::FILE)),
        })
    }
}

/// What the daemons said.
struct Seen<'a> {
    boot: &'a BootTimeline,
    services: Option<&'a [Service]>,
    health: Option<&'a HealthResponse>,
    has_model: bool,
    agents: &'a [AgentInfo],
    emergency: bool,
    /// What is wrong with the configuration.
    configuration: Option<String>,
    /// Where the API listens, if not where it is configured to.
    elsewhere: Option<String>,
    /// Why a list of revoked certificates is not in force.
    revoked: Option<String>,
    /// How the ledger differs from the one that was known.
    ledger: Option<String>,
    /// The room on the data disk.
    disk: Option<Space>,
    /// What is wrong with schedules.
    schedules: Vec<String>,
    /// An emergency stop outlives a restart even when the disk is full.
    stop_is_kept: bool,
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
    if let Some(wrong) = &seen.configuration {
        found.push(condition(degraded::CONFIGURATION, wrong.clone()));
    }
    if let Some(elsewhere) = &seen.elsewhere {
        found.push(condition(MANAGEMENT_LISTEN, elsewhere.clone()));
    }
    if let Some(why) = &seen.ledger {
        found.push(condition(LEDGER_REPLACED, why.clone()));
    }
    if let Some(trouble) = &seen.revoked {
        found.push(condition(REVOKED, trouble.clone()));
    }
    found.extend(
        seen.disk
            .and_then(almost_full)
            .map(|detail| condition(DATA_DISK_FULL, detail)),
    );
    if let Some(detail) = not_carried_out(&seen.schedules) {
        found.push(condition(SCHEDULES, detail));
    }
    if !seen.stop_is_kept {
        let detail = "there was no room for it when the orchestrator started".to_owned();
        found.push(condition(EMERGENCY_STOP, detail));
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

/// How full a disk is, when that keeps agents from changing anything.
fn almost_full(disk: Space) -> Option<String> {
    let percent = disk.percent();
    let free = disk.available / (1024 * 1024);
    (percent >= AGENTS_PERCENT).then(|| format!("{percent} % is in use, {free} MiB are free"))
}

/// The first of what is wrong with schedules, and how many more there are.
fn not_carried_out(troubles: &[String]) -> Option<String> {
    let (first, more) = troubles.split_first()?;
    Some(match more.len() {
        0 => first.clone(),
        more => format!("{first}; and {more} more"),
    })
}

async fn asked<T>(
    call: impl Future<Output = Result<tonic::Response<T>, tonic::Status>>,
) -> Option<T> {
    let answer = tokio::time::timeout(ANSWER, call).await.ok()?;
    answer.ok().map(tonic::Response::into_inner)
}

/// `is_given_up`: so is a core service. What is still to come of a boot comes without it.
fn state(ready_ms: u64, is_given_up: bool, degraded: &[String]) -> &'static str {
    match (ready_ms, degraded) {
        (0, _) if !is_given_up => "booting",
        (_, []) => "ready",
        _ => "degraded",
    }
}

fn is_well(service: &Service) -> bool {
    matches!(service.state(), ServiceState::Ready | ServiceState::Done)
}

fn is_given_up(service: &Service) -> bool {
    is_core(&service.name) && service.state() == ServiceState::Degraded
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
    let failing = services.iter().filter(failing).map(told);
    failing.chain(services.iter().filter_map(damage)).collect()
}

/// What a service that serves says is wrong.
fn damage(service: &Service) -> Option<Condition> {
    let detail = service.status.strip_prefix(DEGRADED)?;
    Some(Condition {
        id: format!("{}{DAMAGE}", service.name),
        detail: detail.to_owned(),
    })
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
        let away = ["agent dev is away".to_owned()];
        assert_eq!(state(0, false, &[]), "booting");
        assert_eq!(state(0, false, &away), "booting");
        assert_eq!(state(0, true, &away), "degraded");
        assert_eq!(state(900, false, &[]), "ready");
        assert_eq!(state(900, false, &away), "degraded");
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
        let ids = |boot: &BootTimeline, wrong: Option<&str>, stop_is_kept| -> Vec<String> {
            let found = found(&Seen {
                boot,
                services: Some(&[]),
                health: None,
                has_model: false,
                agents: &[AgentInfo::default()],
                emergency: false,
                configuration: wrong.map(str::to_owned),
                elsewhere: None,
                revoked: None,
                ledger: None,
                disk: None,
                schedules: Vec::new(),
                stop_is_kept,
            });
            found.into_iter().map(|condition| condition.id).collect()
        };
        assert_eq!(ids(&boot, None, true), [degraded::SAFE_MODE]);
        boot.conditions.clear();
        assert_eq!(ids(&boot, None, true), ["boot", "runtime", "agents"]);
        let wrong = Some("the defaults hold: line 1, column 1: not TOML");
        assert_eq!(
            ids(&boot, wrong, true),
            ["configuration", "runtime", "agents"]
        );
        assert_eq!(ids(&boot, None, false)[0], EMERGENCY_STOP);
    }

    #[test]
    fn of_schedules_that_are_suspended_the_first_is_told_and_how_many() {
        let check = |troubles: &[&str], expected: Option<&str>| {
            let troubles: Vec<String> = troubles.iter().map(ToString::to_string).collect();
            assert_eq!(not_carried_out(&troubles).as_deref(), expected);
        };
        check(&[], None);
        check(&["a is suspended"], Some("a is suspended"));
        check(&["a", "b", "c"], Some("a; and 2 more"));
    }

    #[test]
    fn a_disk_that_is_almost_full_and_a_damaged_database_are_told() {
        let mib = 1024 * 1024_u64;
        let disk = |used: u64, available: u64| Space {
            used: used * mib,
            available: available * mib,
        };
        assert_eq!(almost_full(disk(89, 11)), None);
        let told = almost_full(disk(95, 5)).expect("it is full");
        assert_eq!(told, "95 % is in use, 5 MiB are free");
        let check = |status: &str, expected: &[(&str, &str)]| {
            let found = faults(&[Service {
                name: "memory".into(),
                state: ServiceState::Ready.into(),
                status: status.into(),
                ..Service::default()
            }]);
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.id.as_str(), one.detail.as_str()))
                .collect();
            assert_eq!(found, expected, "{status}");
        };
        check("", &[]);
        check("embedding", &[]);
        check("degraded: x.db", &[("memory-damage", "x.db")]);
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
