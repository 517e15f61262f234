//! `cargo xtask test`: everything that must hold before a change lands.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{bare, exec, host, image, models, paths, promises, services};

/// The package whose tests boot machines; run last, when the image is built.
const MACHINES: &str = "aios-qemu";

/// What `cargo xtask test` can be told.
#[derive(clap::Args)]
pub struct TestArguments {
    /// Also what takes hours: the whole boot matrix, fifty power cuts, a million histories
    #[arg(long)]
    long: bool,
}

/// Tells tests that they have time.
const LONG: &str = "AIOS_LONG_TESTS";

/// Runs the checks in the order in which they fail soonest.
///
/// # Errors
/// At the first step that fails; its output is above.
pub fn run(arguments: &TestArguments) -> Result<()> {
    host::ensure(&[host::BINARIES, host::RUN, host::TESTS])?;
    ensure_nextest()?;
    step("formatting", cargo(&["fmt", "--all", "--check"]))?;
    step(
        "clippy",
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ]),
    )?;
    // Without the models, the runtime's tests of them would pass by skipping.
    let mut tests = cargo(&["nextest", "run", "--workspace", "--exclude", MACHINES]);
    tests.env("AIOS_TEST_MODELS", models::build()?);
    if let Some(root) = services::build()? {
        tests.env("AIOS_TEST_SERVICES", root);
    }
    arguments.tell(&mut tests);
    step("unit and integration tests", tests)?;
    let start = Instant::now();
    eprintln!("── a bare machine");
    bare::check()?;
    eprintln!("── a bare machine: {} s", start.elapsed().as_secs());
    image::build()?;
    image::installers()?;
    promises::check(arguments.long)?;
    let mut machines = machine_tests();
    arguments.tell(&mut machines);
    step("machine tests", machines)?;
    if arguments.long {
        bare::long()?;
    }
    Ok(())
}

impl TestArguments {
    fn tell(&self, tests: &mut Command) {
        if self.long {
            tests.env(LONG, "1").args(["--profile", "long"]);
        }
    }
}

/// The container way needs root, for namespaces and mounts.
fn machine_tests() -> Command {
    let mut command = cargo(&["nextest", "run", "--package", MACHINES, "--no-capture"]);
    if !host::is_root() {
        command.env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "sudo -E");
    }
    command
}

fn ensure_nextest() -> Result<()> {
    let there = Command::new("cargo")
        .args(["nextest", "--version"])
        .output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    // Not for our static target: a tool of this machine.
    exec::run(
        "installing cargo-nextest, the test runner",
        Command::new("cargo")
            .args(["install", "--locked", "cargo-nextest"])
            .current_dir("/"),
    )
}

/// Runs a step with its output shown.
fn step(what: &str, mut command: Command) -> Result<()> {
    eprintln!("── {what}");
    let start = Instant::now();
    let status = command
        .status()
        .with_context(|| format!("cannot run {what}"))?;
    ensure!(status.success(), "{what}: {status}");
    eprintln!("── {what}: {} s", start.elapsed().as_secs());
    Ok(())
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(paths::repository()).args(arguments);
    cargo
}
