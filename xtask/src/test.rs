//! `cargo xtask test`: everything that must hold before a change lands.
//!
//! A test that could not run is a failed test here. This module provides what tests need: packages,
//! models, a Debian root with services, and root's rights (by `sudo` when the caller is not root).
//! `testkit/src/needs.rs` is the tests' side of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{bare, deny, exec, host, image, models, paths, promises, services};

/// The package whose tests boot machines; run last, when the image is built.
const MACHINES: &str = "aios-qemu";

/// What `cargo xtask test` can be told.
#[derive(clap::Args)]
pub struct TestArguments {
    /// Also what takes hours: the whole boot matrix, fifty power cuts, a million histories
    #[arg(long)]
    long: bool,
}

/// Tells tests that none of them may skip.
const MUST_RUN: &str = "AIOS_TESTS_MUST_RUN";
/// Names the file in which tests say what they leave to a machine test.
const LEFT: &str = "AIOS_TESTS_LEFT";
/// Names the file in which tests say that root has to run them.
const BY_ROOT: &str = "AIOS_TESTS_BY_ROOT";
/// Names the folder of the built models.
const MODELS: &str = "AIOS_TEST_MODELS";
/// Names the Debian root with services.
const SERVICES: &str = "AIOS_TEST_SERVICES";
/// Tells tests that they have hours.
const LONG: &str = "AIOS_LONG_TESTS";

/// Cargo's own variable: the program that runs test executables.
const RUNNER: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER";
const BY_SUDO: &str = "sudo --preserve-env";

/// Runs the checks in the order in which they fail soonest.
///
/// # Errors
/// At the first step that fails; its output is above.
pub fn run(arguments: &TestArguments) -> Result<()> {
    host::ensure(&[host::BINARIES, host::RUN, host::TESTS])?;
    exec::ensure_cargo_tool("nextest", "runs the tests")?;
    step("formatting", cargo(&["fmt", "--all", "--check"]))?;
    deny::check()?;
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
    let left = noted("target/tests-left.txt")?;
    let (models, services) = (models::build()?, services::build()?);
    let provide = |mut tests: Command| {
        tests.envs([(MODELS, &models), (SERVICES, &services), (LEFT, &left)]);
        arguments.tell(&mut tests);
        tests
    };
    let tests = ["nextest", "run", "--workspace", "--exclude", MACHINES];
    if host::is_root() {
        step("unit and integration tests", provide(cargo(&tests)))?;
    } else {
        let list = noted("target/tests-by-root.txt")?;
        let mut all = provide(cargo(&tests));
        all.env(BY_ROOT, &list);
        step("unit and integration tests", all)?;
        let filter = by_root(&fs::read_to_string(&list)?);
        let mut privileged = cargo(&[&tests[..], &["-E", &filter]].concat());
        privileged.env(RUNNER, BY_SUDO);
        step("tests that need root", provide(privileged))?;
    }
    let start = Instant::now();
    eprintln!("── a bare machine");
    bare::check()?;
    eprintln!("── a bare machine: {} s", start.elapsed().as_secs());
    image::build()?;
    image::installers()?;
    promises::check(arguments.long)?;
    let mut machines = machine_tests();
    machines.env(SERVICES, &services);
    arguments.tell(&mut machines);
    if arguments.long {
        machines.args(["--run-ignored", "all"]);
    }
    step("machine tests", machines)?;
    if arguments.long
        && let Some(why) = deny::advisories()?
    {
        eprintln!("── NOT CHECKED: advisories about dependencies: {why}");
    }
    // The machine tests that these lines name have just passed.
    for line in fs::read_to_string(&left).unwrap_or_default().lines() {
        eprintln!("── left to a machine test: {line}");
    }
    if arguments.long {
        bare::long()?;
    }
    Ok(())
}

/// The tests that said that root has to run them, as nextest's filter. A line is an executable's id
/// and a test's name.
fn by_root(list: &str) -> String {
    let tests: BTreeSet<String> = list
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(binary, test)| format!("(binary_id(={binary}) & test(={test}))"))
        .collect();
    match tests.is_empty() {
        true => "none()".to_owned(),
        false => tests.into_iter().collect::<Vec<_>>().join(" | "),
    }
}

/// A file in which tests of this run say something; nothing is in it yet.
fn noted(name: &str) -> Result<PathBuf> {
    let path = paths::repository().join(name);
    fs::write(&path, "").with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

impl TestArguments {
    fn tell(&self, tests: &mut Command) {
        tests.env(MUST_RUN, "1");
        if self.long {
            tests.env(LONG, "1").args(["--profile", "long"]);
        }
    }
}

/// The container way needs root, for namespaces and mounts.
fn machine_tests() -> Command {
    let mut command = cargo(&["nextest", "run", "--package", MACHINES, "--no-capture"]);
    if !host::is_root() {
        command.env(RUNNER, BY_SUDO);
    }
    command
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

#[cfg(test)]
mod tests {
    use aios_testkit::needs;

    #[test]
    fn the_tests_read_the_variables_that_are_set() {
        let set = [
            super::MUST_RUN,
            super::LEFT,
            super::BY_ROOT,
            super::MODELS,
            super::SERVICES,
            super::LONG,
        ];
        let read = [
            needs::MUST_RUN,
            needs::LEFT,
            needs::BY_ROOT,
            needs::MODELS,
            needs::SERVICES,
            needs::LONG,
        ];
        assert_eq!(set, read);
    }

    #[test]
    fn root_runs_the_tests_that_said_so_and_no_other() {
        let list = "aios-ledger::reserve a::b\naios-ledger::reserve a::b\naios-tools c\n";
        let expected = "(binary_id(=aios-ledger::reserve) & test(=a::b)) | (binary_id(=aios-tools) & test(=c))";
        assert_eq!(super::by_root(list), expected);
        assert_eq!(super::by_root(""), "none()");
    }
}
