//! What the appliance costs while it does nothing.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::figure::Figure;

const KIB_PER_MIB: f64 = 1024.0;

/// PID 1's resident set, and the proportional set of everything but the models.
pub fn measure(init: u32) -> Result<Vec<Figure>> {
    let resident = field(&format!("/proc/{init}/status"), "VmRSS:")?;
    let mut proportional = 0.0;
    for process in processes_of(init)? {
        // A model's worker is as big as its model, which is not ours to count here.
        if !process.is_model_worker {
            let rollup = format!("/proc/{}/smaps_rollup", process.pid);
            proportional += field(&rollup, "Pss:").unwrap_or(0.0); // ended meanwhile
        }
    }
    Ok(vec![
        Figure::new("pid 1 resident set", resident / KIB_PER_MIB, "MiB"),
        Figure::new(
            "all daemons and agents, idle, without models",
            proportional / KIB_PER_MIB,
            "MiB",
        ),
    ])
}

/// A process in the container.
pub struct Process {
    /// As this machine numbers it.
    pub pid: u32,
    /// Its program and arguments.
    pub command: Vec<String>,
    is_model_worker: bool,
}

/// All processes that share PID 1's process namespace.
pub fn processes_of(init: u32) -> Result<Vec<Process>> {
    let space = |pid: u32| std::fs::read_link(format!("/proc/{pid}/ns/pid"));
    let wanted = space(init).context("the container is gone")?;
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let Some(pid) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        if space(pid).is_ok_and(|space: PathBuf| space == wanted) {
            let text = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let command: Vec<String> = String::from_utf8_lossy(&text)
                .split_terminator('\0')
                .map(str::to_owned)
                .collect();
            let is_model_worker = command.get(1).is_some_and(|role| role == "worker");
            found.push(Process {
                pid,
                command,
                is_model_worker,
            });
        }
    }
    Ok(found)
}

/// A line `NAME  1234 kB` of a file in /proc, in KiB.
fn field(path: &str, name: &str) -> Result<f64> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|rest| rest.split_whitespace().next());
    number
        .and_then(|n| n.parse().ok())
        .with_context(|| format!("{path} has no {name}"))
}
