//! `cargo xtask bench`: measures, and prints each figure beside its target.

use std::process::Command;
use std::time::Duration;

use aios_qemu::{Artefacts, Machine, Options, Way, credentials};
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Deserialize;
use serde_json::json;

use crate::{host, image, paths};

/// Emulated machines on a busy host are slow; longer than this is a hang.
const READY_LIMIT: Duration = Duration::from_secs(240);

/// How the figures are printed.
#[derive(Args)]
pub struct BenchArguments {
    /// One line of JSON per figure
    #[arg(long)]
    json: bool,
}

/// A number to build towards.
struct Target {
    name: &'static str,
    value: f64,
    /// More is better.
    at_least: bool,
}

const fn at_most(name: &'static str, value: f64) -> Target {
    Target {
        name,
        value,
        at_least: false,
    }
}

const fn at_least(name: &'static str, value: f64) -> Target {
    Target {
        name,
        value,
        at_least: true,
    }
}

const TARGETS: [Target; 16] = [
    at_most("kernel start to READY, direct boot, emulated VM", 5_000.0),
    at_most("container: PID 1 start to management API", 30.0),
    at_most(
        "container: PID 1 start to READY, models loaded",
        f64::INFINITY,
    ),
    at_most("pid 1 resident set", 2.5),
    at_most("all daemons and agents, idle, without models", 60.0),
    at_most("killed daemon to serving again", 30.0),
    at_most("read-only tool call, audited, p50", 0.20),
    at_most("read-only tool call, audited, p99", 0.60),
    at_least("durable mutating calls, 16 clients", 5_000.0),
    at_least("durable calls for each round of a bare loop", 0.5),
    at_most("verify a ledger of 1,000,000 entries", 1.5),
    at_least("durable memory inserts", 30_000.0),
    at_most("goal to validated plan, operator model, p50", 30.0),
    at_least("trivial goals, end to end", 150.0),
    at_most("root image", 50.0),
    at_most("built-in models in the root image", f64::INFINITY),
];

#[derive(Deserialize)]
struct Figure {
    name: String,
    value: f64,
    unit: String,
}

/// Measures and prints.
///
/// # Errors
/// When the appliance does not boot; a single figure that cannot be measured
/// is left out, with the reason on stderr.
pub fn run(arguments: &BenchArguments) -> Result<()> {
    ensure!(
        host::is_root(),
        "the container that is measured needs root: run this with sudo"
    );
    host::ensure(&[host::BINARIES, host::RUN])?;
    let artefacts = image::build()?;
    let mut figures = image_size(&artefacts)?;
    figures.extend(in_a_container(&artefacts)?);
    figures.push(emulated_boot(&artefacts)?);
    for figure in &figures {
        show(figure, arguments.json);
    }
    Ok(())
}

fn show(figure: &Figure, as_json: bool) {
    let target = TARGETS.iter().find(|target| target.name == figure.name);
    let target = target.filter(|target| target.value.is_finite());
    let met = target.map(|target| match target.at_least {
        true => figure.value >= target.value,
        false => figure.value <= target.value,
    });
    let Figure { name, value, unit } = figure;
    if as_json {
        let target = target.map(|target| target.value);
        println!(
            "{}",
            json!({ "name": name, "value": value, "unit": unit, "target": target, "met": met })
        );
        return;
    }
    let verdict = match met {
        Some(true) => "met",
        Some(false) => "NOT met",
        None => "",
    };
    let target = target.map_or(String::new(), |target| format!("{:.2}", target.value));
    println!("{name:<52} {value:>12.2} {unit:<4} target {target:>10}  {verdict}");
}

/// The root, and how much of it is models, MiB.
fn image_size(artefacts: &Artefacts) -> Result<Vec<Figure>> {
    const MIB: f64 = 1024.0 * 1024.0;
    let size = |path: &std::path::Path| anyhow::Ok(std::fs::metadata(path)?.len() as f64 / MIB);
    let mut models = 0.0;
    for entry in std::fs::read_dir(artefacts.rootfs.join("usr/lib/aios/models"))? {
        models += size(&entry?.path())?;
    }
    let figure = |name: &str, value| Figure {
        name: name.into(),
        value,
        unit: "MiB".into(),
    };
    Ok(vec![
        // Weights lie in it uncompressed: what is left without them is the rest.
        figure("root image", size(&artefacts.root)? - models),
        figure("built-in models in the root image", models),
    ])
}

fn in_a_container(artefacts: &Artefacts) -> Result<Vec<Figure>> {
    let folder = fresh_folder("container")?;
    let mut machine = Machine::start(artefacts, &Options::new(Way::Container, &folder)?)?;
    let boot = machine.wait_ready(READY_LIMIT, |_| {})?;
    let mut figures = vec![Figure {
        name: "container: PID 1 start to READY, models loaded".into(),
        value: boot.ready_ms as f64,
        unit: "ms".into(),
    }];
    let measured = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(paths::repository())
        .args(["run", "--quiet", "--package", "aios-bench", "--", "--init"])
        .arg(machine.pid().to_string())
        .arg("--config")
        .arg(credentials::config(&folder))
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("cannot run aios-bench")?;
    ensure!(measured.status.success(), "aios-bench: {}", measured.status);
    for line in String::from_utf8(measured.stdout)?.lines() {
        figures.push(serde_json::from_str(line).with_context(|| line.to_owned())?);
    }
    Ok(figures)
}

/// The median of a few first boots. Each is told: a machine that others share is half as fast in
/// one hour as in the next.
fn emulated_boot(artefacts: &Artefacts) -> Result<Figure> {
    let mut times = [0; 5];
    for time in &mut times {
        let folder = fresh_folder("vm")?;
        let mut machine = Machine::start(artefacts, &Options::new(Way::Vm, &folder)?)?;
        *time = machine.wait_ready(READY_LIMIT, |_| {})?.ready_ms;
        eprintln!("READY in the VM after {time} ms");
    }
    times.sort_unstable();
    Ok(Figure {
        name: "kernel start to READY, direct boot, emulated VM".into(),
        value: times[times.len() / 2] as f64,
        unit: "ms".into(),
    })
}

fn fresh_folder(name: &str) -> Result<std::path::PathBuf> {
    let folder = paths::artefacts()
        .join("instances")
        .join(format!("bench-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The last cell of the README's row about a figure.
    fn told<'a>(readme: &'a str, name: &str) -> &'a str {
        let start = format!("| {name} | ");
        let mut rows = readme.lines().filter_map(|line| line.strip_prefix(&start));
        let row = rows
            .next()
            .unwrap_or_else(|| panic!("README.md has no row {start}"));
        row.trim_end_matches(" |").rsplit(" | ").next().unwrap()
    }

    #[test]
    fn the_readme_tells_the_target_of_each_figure() {
        let readme = include_str!("../../README.md");
        for target in &TARGETS {
            let told = told(readme, target.name);
            let digits: String = told
                .chars()
                .filter(|c| *c != ',')
                .take_while(|c| c.is_ascii_digit() || *c == '.')
                .collect();
            let value = digits.parse().unwrap_or(f64::INFINITY);
            assert_eq!(value, target.value, "{}: {told}", target.name);
        }
    }
}
