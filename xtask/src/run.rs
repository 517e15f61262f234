//! `cargo xtask run`: build, boot, give a goal, show what happened.

use std::io::Write as _;
use std::net::TcpListener;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aios_qemu::machine::{Machine, free_port};
use aios_qemu::{Artefacts, Boot, Ctl, Firmware, Options, Way, credentials, former};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::{host, image, paths};

/// Emulated machines on a busy host are slow; longer than this is a hang.
const READY_LIMIT: Duration = Duration::from_secs(240);

/// Stopping every service in order, under emulation.
const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);

/// The goal that is given when none is named.
const EXAMPLE: &str = "check disk usage and report";

/// The port on this machine that leads to the appliance.
const PORT: u16 = 9090;

/// What to boot and what to ask of it.
#[derive(Args)]
pub struct RunArguments {
    /// vm: QEMU loads the kernel; disk: firmware and boot loader; container: runc
    #[arg(long, value_enum, default_value = "vm")]
    way: WayArgument,
    /// A goal to give once the appliance is ready (can be repeated)
    #[arg(long = "goal", value_name = "TEXT")]
    goals: Vec<String>,
    /// Print one JSON object last, and everything else on stderr
    #[arg(long)]
    json: bool,
    /// Power the appliance off at the end, instead of leaving it running
    #[arg(long)]
    power_off: bool,
    /// Go on with the data disk of the run before, instead of a new one
    #[arg(long)]
    keep_data: bool,
    /// Memory of the machine, MiB
    #[arg(long, default_value_t = 1024)]
    memory: u32,
    /// Processors of the machine
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Start the disk image by UEFI instead of BIOS
    #[arg(long)]
    uefi: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum WayArgument {
    Vm,
    Disk,
    Container,
}

impl From<WayArgument> for Way {
    fn from(way: WayArgument) -> Self {
        match way {
            WayArgument::Vm => Way::Vm,
            WayArgument::Disk => Way::Disk,
            WayArgument::Container => Way::Container,
        }
    }
}

/// Runs the command; `Ok(false)` when a goal failed or the power-off was not clean.
///
/// # Errors
/// When the appliance cannot be started or does not get ready; the message holds
/// the end of its console.
pub fn run(arguments: &RunArguments) -> Result<bool> {
    let way = Way::from(arguments.way);
    ensure!(
        !arguments.uefi || way == Way::Disk,
        "--uefi is firmware, which only --way disk has"
    );
    if way == Way::Container && !host::is_root() {
        return again_as_root();
    }
    host::ensure(&[host::RUN])?;
    let folder = paths::artefacts().join("instances").join(name(way));
    std::fs::create_dir_all(&folder)?;
    // Before the build: it may replace what the former machine runs from.
    if let Ok(built_before) = Artefacts::read(&paths::artefacts()) {
        let ctl = Ctl::new(&built_before.aiosctl, &credentials::config(&folder));
        former::stop(&folder, &ctl)?;
    }
    let artefacts = image::build()?;
    if !arguments.keep_data {
        forget_data(&folder)?;
    }
    let mut options = Options::new(way, &folder)?;
    options.port = port()?;
    options.memory_mib = arguments.memory;
    options.cpus = arguments.cpus;
    options.reboots = !arguments.power_off;
    if arguments.uefi {
        options.hardware.firmware = Firmware::Uefi;
    }
    eprintln!("booting ({}) …", name(way));
    let mut machine = Machine::start(&artefacts, &options)?;
    let boot = machine.wait_ready(READY_LIMIT, |phase| {
        eprintln!(
            "  phase {} {:<20} done at {:>6} ms",
            phase.number, phase.name, phase.done_ms
        );
    })?;
    eprintln!("READY after {} ms {}", boot.ready_ms, boot.degraded);
    let goals = give_goals(machine.ctl(), &arguments.goals)?;
    let mut good = goals.iter().all(|goal| goal["state"] == "succeeded");
    let power_off = if arguments.power_off {
        let clean = machine.power_off(POWER_OFF_LIMIT)?;
        good &= clean;
        if clean { "clean" } else { "not clean" }
    } else {
        leave(machine, &options)?;
        "left running"
    };
    if arguments.json {
        println!("{}", report(way, &boot, &goals, power_off));
    } else {
        eprintln!("power-off: {power_off}");
    }
    Ok(good)
}

/// The container way needs root for namespaces, mounts and the forwarded port. Goes on as root, by sudo.
///
/// # Errors
/// When sudo cannot be run.
pub fn again_as_root() -> Result<bool> {
    eprintln!("the container way needs root: going on with sudo");
    let status = Command::new("sudo")
        .arg("env")
        .args(["PATH", "HOME", "CARGO"].iter().filter_map(variable))
        .arg(std::env::current_exe()?)
        .args(std::env::args_os().skip(1))
        .status()
        .context("cannot run sudo")?;
    Ok(status.success())
}

/// `NAME=value`: sudo itself replaces some of them.
fn variable(name: &&str) -> Option<String> {
    std::env::var(name)
        .ok()
        .map(|value| format!("{name}={value}"))
}

/// Serves the listening socket on standard input until the container is gone.
///
/// # Errors
/// When standard input is no listening socket.
pub fn forward(pid: u32) -> Result<()> {
    let listener = TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    Ok(aios_qemu::forward::serve(&listener, pid)?)
}

/// What scripts read.
fn report(way: Way, boot: &Boot, goals: &[Value], power_off: &str) -> Value {
    json!({
        "way": way,
        "ready_ms": boot.ready_ms,
        "degraded": boot.degraded,
        "phases": boot.phases,
        "goals": goals,
        "power_off": power_off,
    })
}

fn give_goals(ctl: &Ctl, goals: &[String]) -> Result<Vec<Value>> {
    let example = [EXAMPLE.to_owned()];
    let goals = if goals.is_empty() { &example } else { goals };
    goals.iter().map(|text| give_goal(ctl, text)).collect()
}

fn give_goal(ctl: &Ctl, text: &str) -> Result<Value> {
    eprintln!("\ngoal: {text}");
    let start = Instant::now();
    let goal = ctl.goal(text)?;
    let elapsed_ms = u64::try_from(start.elapsed().as_millis())?;
    let tasks = goal["tasks"].as_array().cloned().unwrap_or_default();
    for task in &tasks {
        show_task(task);
    }
    let outcome = if goal["state"] == "succeeded" {
        &goal["answer"]
    } else {
        &goal["reason"]
    };
    let outcome = outcome.as_str().unwrap_or_default();
    eprintln!(
        "  {} in {elapsed_ms} ms: {outcome}",
        goal["state"].as_str().unwrap_or("?")
    );
    let calls: Vec<Value> = tasks
        .iter()
        .flat_map(|task| task["executions"].as_array().cloned().unwrap_or_default())
        .collect();
    Ok(json!({
        "goal": text,
        "id": goal["id"],
        "state": goal["state"],
        "answer": goal["answer"],
        "reason": goal["reason"],
        "level": goal["level"],
        "tasks": tasks,
        "calls": calls,
        "elapsed_ms": elapsed_ms,
    }))
}

fn show_task(task: &Value) {
    let word = |key: &str| task[key].as_str().unwrap_or_default().to_owned();
    let arguments = &task["arguments"];
    eprintln!(
        "  {} ▸ {} {arguments} ▸ {}",
        word("agent"),
        word("act"),
        word("state")
    );
}

fn leave(machine: Machine, options: &Options) -> Result<()> {
    let command = machine.ctl().shown();
    let pid = machine.leave_running()?;
    let mut out = std::io::stderr().lock();
    writeln!(
        out,
        "\nThe appliance runs on (process {pid}, 127.0.0.1:{}). Go on with:",
        options.port
    )?;
    for what in [
        "goal run \"what is using the most memory?\"",
        "status",
        "audit verify",
        "shutdown",
    ] {
        writeln!(out, "  {command} {what}")?;
    }
    Ok(())
}

/// The usual port, or another when it is taken.
fn port() -> Result<u16> {
    match TcpListener::bind(("127.0.0.1", PORT)) {
        Ok(_) => Ok(PORT),
        Err(_) => free_port(),
    }
}

/// Removes the data of the machine whose folder this is.
///
/// # Errors
/// When it cannot be removed.
pub fn forget_data(folder: &Path) -> Result<()> {
    for name in ["data.img", "disk.img"] {
        remove(std::fs::remove_file(folder.join(name)), &folder.join(name))?;
    }
    remove(
        std::fs::remove_dir_all(folder.join("data")),
        &folder.join("data"),
    )
}

fn remove(outcome: std::io::Result<()>, path: &Path) -> Result<()> {
    match outcome {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            bail!("cannot remove {}: {error}", path.display())
        }
        _ => Ok(()),
    }
}

fn name(way: Way) -> &'static str {
    match way {
        Way::Vm => "vm",
        Way::Disk => "disk",
        Way::Container => "container",
    }
}
