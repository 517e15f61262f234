//! `monitor.health`: is anything the matter with this machine?

use super::cpu;
use crate::procfs::machine::{self, Memory};
use crate::procfs::mounts::{Volume, volumes};
use crate::procfs::percent;
use crate::service::{Service, fetch_all};
use aios_tool::argument::Nothing;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `monitor.health`.
pub struct Health;

/// A disk this full soon hinders services that write.
const DISK_FULL_PERCENT: f64 = 90.0;
/// With less memory than this share available, the kernel soon ends processes.
const MEMORY_LOW_PERCENT: f64 = 10.0;
/// So many runnable tasks for each processor, over five minutes, mean that work piles up.
const LOAD_PER_PROCESSOR: f64 = 2.0;

/// How the machine is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Is there no problem?
    pub healthy: bool,
    /// What is the matter.
    pub problems: Vec<String>,
    /// Share of the processors' time spent working, in percent.
    pub cpu_busy_percent: f64,
    /// Used share of memory, in percent.
    pub memory_used_percent: f64,
    /// Used share of the fullest disk, in percent.
    pub disk_used_percent: f64,
    /// Services that are up.
    pub services_up: u32,
    /// All services.
    pub services_total: u32,
    /// Seconds since start.
    pub uptime_seconds: u64,
}

impl Tool for Health {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "monitor.health",
            "Checks services, processors, memory and disks and says what is the matter.",
        )
        .needing("monitor", "read", "health")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let figures = format!(
            "{} of {} services up, processors {:.0} % busy, memory {:.0} % used, fullest disk {:.0} % used",
            output.services_up,
            output.services_total,
            output.cpu_busy_percent,
            output.memory_used_percent,
            output.disk_used_percent,
        );
        match output.problems.is_empty() {
            true => format!("healthy: {figures}"),
            false => format!("{}\n{figures}", output.problems.join("; ")),
        }
    }
}

impl Look for Health {
    fn look(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let cpu = cpu::measure(context)?;
        let memory = machine::memory()?;
        let volumes = volumes()?;
        let services = fetch_all(context);
        let problems = problems(&cpu, &memory, &volumes, services.as_deref());
        let services = services.unwrap_or_default();
        let writable = volumes.iter().filter(|volume| !volume.read_only);
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Output {
            healthy: problems.is_empty(),
            problems,
            cpu_busy_percent: cpu.busy_percent,
            memory_used_percent: 100.0 - percent(memory.available, memory.total),
            disk_used_percent: writable
                .map(|volume| volume.used_percent)
                .fold(0.0, f64::max),
            services_up: count(services.iter().filter(|service| service.is_up()).count()),
            services_total: count(services.len()),
            uptime_seconds: machine::uptime().unwrap_or(0),
        })
    }
}

/// What is the matter, most urgent first.
fn problems(
    cpu: &cpu::Output,
    memory: &Memory,
    volumes: &[Volume],
    services: Result<&[Service], &ToolError>,
) -> Vec<String> {
    let mut problems = Vec::new();
    match services {
        Ok(services) => {
            // One that was not asked for is no problem.
            let bad = |service: &&Service| matches!(service.state.as_str(), "degraded" | "backoff");
            problems.extend(services.iter().filter(bad).map(Service::describe));
        }
        Err(error) => problems.push(format!("the services cannot be asked for: {error}")),
    }
    let full = |volume: &&Volume| !volume.read_only && volume.used_percent >= DISK_FULL_PERCENT;
    problems.extend(volumes.iter().filter(full).map(Volume::describe));
    if percent(memory.available, memory.total) < MEMORY_LOW_PERCENT {
        problems.push(format!(
            "only {} of memory are available",
            bytes(memory.available)
        ));
    }
    if cpu.load[1] > LOAD_PER_PROCESSOR * f64::from(cpu.processors.max(1)) {
        problems.push(format!(
            "the load over five minutes is {:.1} on {} processors",
            cpu.load[1], cpu.processors
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::fake::Init;
    use serde_json::json;

    fn cpu(load: f64) -> cpu::Output {
        cpu::Output {
            busy_percent: 1.0,
            waiting_percent: 0.0,
            stolen_percent: 0.0,
            processors: 2,
            load: [load; 3],
        }
    }

    #[test]
    fn each_limit_makes_a_problem() {
        let memory = |available| Memory {
            total: 1000,
            available,
            ..Memory::default()
        };
        let disk = |used_percent, read_only| Volume {
            path: "/srv".into(),
            device: String::new(),
            file_system: String::new(),
            total_bytes: 100,
            used_bytes: 50,
            available_bytes: 50,
            used_percent,
            read_only,
        };
        let check = |load, available, disk: Volume, expected: &[&str]| {
            let found = problems(&cpu(load), &memory(available), &[disk], Ok(&[]));
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.contains(expected), "{found}");
            }
        };
        check(0.5, 500, disk(50.0, false), &[]);
        check(0.5, 500, disk(100.0, true), &[]);
        check(0.5, 500, disk(95.0, false), &["/srv"]);
        check(9.0, 50, disk(95.0, false), &["/srv", "memory", "load"]);
    }

    #[test]
    fn a_degraded_service_is_a_problem_and_so_is_no_answer() {
        let init = Init::new();
        init.set("cron", "degraded");
        let done = init.look::<Health>(json!({})).unwrap();
        assert_eq!(done.output["healthy"], false);
        assert!(
            done.summary.contains("cron is degraded"),
            "{}",
            done.summary
        );
        assert!(
            done.summary.contains("2 of 3 services up"),
            "{}",
            done.summary
        );
        let alone = crate::trial::call::<Health>(json!({})).unwrap();
        assert!(
            alone.summary.contains("the services cannot be asked for"),
            "{}",
            alone.summary
        );
    }
}
