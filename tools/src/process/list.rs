//! `process.list`: what runs, in the order that was asked for.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::procfs::{self, process};
use aios_tool::argument::Whole;
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `process.list`.
pub struct List;

/// CPU use is measured over this time: 50 clock ticks, so that 2 % can be told from nothing.
const SAMPLE: Duration = Duration::from_millis(500);
/// So many are listed when no number is given.
const LIMIT: Whole<1, 1000> = Whole::of(20);
/// So many are named in the summary.
const NAMED: usize = 5;

choices! {
    /// The order of the list.
    pub enum Order {
        /// Most CPU time at the moment first.
        Cpu = "cpu",
        /// Most resident memory first.
        Memory = "memory",
        /// By process id.
        Pid = "pid",
        /// By name.
        Name = "name",
    }
}

arguments! {
    /// Arguments of `process.list`.
    pub struct Input {
        /// The order: `cpu`, `memory`, `pid` or `name`. Default: `pid`.
        pub sort_by: Option<Order>,
        /// How many to list at most. Default: 20.
        pub limit: Option<Whole<1, 1000>>,
    }
}

/// One process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Process id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// Account that it runs as.
    pub user: String,
    /// Its state in a word.
    pub state: String,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// CPU time used since it started, in seconds.
    pub cpu_seconds: f64,
    /// Share of one processor used at the moment; only when sorted by `cpu`.
    pub cpu_percent: Option<f64>,
}

/// What runs.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The first ones in the order asked for.
    pub processes: Vec<Row>,
    /// How many processes there are in all.
    pub total: u32,
}

impl Tool for List {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.list",
            "Lists the running processes, by CPU use, memory, id or name.",
        )
        .example(json!({"sort_by": "memory", "limit": 10}))
        .needing("process", "read", "list")
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.sort_by.get_or_insert(Order::Pid);
        input.limit.get_or_insert(LIMIT);
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let shown: Vec<String> = output
            .processes
            .iter()
            .take(NAMED)
            .map(|row| match input.sort_by {
                Some(Order::Memory) => {
                    format!("{} (pid {}) {}", row.name, row.pid, bytes(row.memory_bytes))
                }
                Some(Order::Cpu) => {
                    let share = row.cpu_percent.unwrap_or(0.0);
                    format!("{} (pid {}) {share:.0} %", row.name, row.pid)
                }
                _ => format!("{} (pid {})", row.name, row.pid),
            })
            .collect();
        let all = format!("{} processes run", output.total);
        match (input.sort_by, output.processes.first()) {
            (Some(Order::Memory), Some(first)) => format!(
                "{} (pid {}) uses the most memory: {}{}; {all}",
                first.name,
                first.pid,
                bytes(first.memory_bytes),
                then(&shown),
            ),
            (Some(Order::Cpu), Some(first)) => format!(
                "{} (pid {}) uses the most CPU: {:.0} % of one processor{}; {all}",
                first.name,
                first.pid,
                first.cpu_percent.unwrap_or(0.0),
                then(&shown),
            ),
            _ => match output.total as usize > shown.len() {
                true => format!("{all}: {}, …", shown.join(", ")),
                false => format!("{all}: {}", shown.join(", ")),
            },
        }
    }
}

impl Look for List {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let order = input.sort_by.unwrap_or(Order::Pid);
        let shares = match order {
            Order::Cpu => Some(cpu_shares(context)?),
            _ => None,
        };
        let mut rows: Vec<Row> = process::all()?
            .iter()
            .map(|process| row(process, shares.as_ref()))
            .collect();
        sort(&mut rows, order);
        let total = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        rows.truncate(input.limit.unwrap_or(LIMIT).count());
        Ok(Output {
            processes: rows,
            total,
        })
    }
}

fn then(shown: &[String]) -> String {
    match shown.get(1..) {
        Some(others) if !others.is_empty() => format!("; then {}", others.join(", ")),
        _ => String::new(),
    }
}

fn row(process: &process::Process, shares: Option<&HashMap<u32, f64>>) -> Row {
    Row {
        pid: process.stat.pid,
        name: process.name.clone(),
        user: process
            .uid
            .map_or_else(|| "unknown".to_owned(), process::account),
        state: process::state_name(process.stat.state).to_owned(),
        memory_bytes: process.memory_bytes(),
        cpu_seconds: process.cpu_seconds(),
        cpu_percent: shares.map(|shares| shares.get(&process.stat.pid).copied().unwrap_or(0.0)),
    }
}

fn sort(rows: &mut [Row], order: Order) {
    match order {
        Order::Pid => rows.sort_by_key(|row| row.pid),
        Order::Name => rows.sort_by(|a, b| (&a.name, a.pid).cmp(&(&b.name, b.pid))),
        Order::Memory => rows.sort_by_key(|row| (Reverse(row.memory_bytes), row.pid)),
        Order::Cpu => rows.sort_by(|a, b| {
            let share = |row: &Row| row.cpu_percent.unwrap_or(0.0);
            share(b).total_cmp(&share(a)).then(a.pid.cmp(&b.pid))
        }),
    }
}

/// Each process's share of one processor in percent, measured now.
fn cpu_shares(context: &Context) -> Result<HashMap<u32, f64>, ToolError> {
    let ticks = |processes: Vec<process::Process>| -> HashMap<(u32, u64), u64> {
        let key = |p: &process::Process| (p.stat.pid, p.stat.started);
        processes.iter().map(|p| (key(p), p.stat.ticks)).collect()
    };
    let began = Instant::now();
    let before = ticks(process::all()?);
    procfs::pause(context, SAMPLE)?;
    let after = ticks(process::all()?);
    let seconds = began.elapsed().as_secs_f64();
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    let share = |(key, now): ((u32, u64), u64)| {
        let used = now.saturating_sub(before.get(&key).copied().unwrap_or(now));
        (
            key.0,
            (used as f64 / per_second / seconds * 1000.0).round() / 10.0,
        )
    };
    Ok(after.into_iter().map(share).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_largest_process_comes_first_with_its_true_size() {
        let done = call::<List>(json!({"sort_by": "memory", "limit": 1000})).unwrap();
        let output: Output = serde_json::from_value(done.output).unwrap();
        let sizes: Vec<u64> = output
            .processes
            .iter()
            .map(|row| row.memory_bytes)
            .collect();
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
        assert!(
            done.summary.contains("uses the most memory: "),
            "{}",
            done.summary
        );

        let own = output
            .processes
            .iter()
            .find(|row| row.pid == std::process::id())
            .unwrap();
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        let difference = own.memory_bytes.abs_diff(kilobytes * 1024);
        assert!(
            difference < 8 << 20,
            "{} against {kilobytes} kB",
            own.memory_bytes
        );
    }

    #[test]
    fn a_busy_process_shows_its_use_of_cpu() {
        let stop = std::sync::atomic::AtomicBool::new(false);
        let done = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            let done = call::<List>(json!({"sort_by": "cpu", "limit": 1000}));
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            done.unwrap()
        });
        let output: Output = serde_json::from_value(done.output).unwrap();
        let own = output
            .processes
            .iter()
            .find(|row| row.pid == std::process::id())
            .unwrap();
        assert!(own.cpu_percent.unwrap() > 5.0, "{own:?}");
    }

    #[test]
    fn a_wrong_order_or_limit_is_refused() {
        for wrong in [
            json!({"sort_by": "size"}),
            json!({"limit": 0}),
            json!({"by": "pid"}),
        ] {
            assert!(
                matches!(call::<List>(wrong.clone()), Err(ToolError::Invalid(_))),
                "{wrong}"
            );
        }
    }
}
