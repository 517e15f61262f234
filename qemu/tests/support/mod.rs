//! What the machine tests share: booting, giving goals, looking at answers.
#![allow(
    dead_code,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "each test binary uses a part"
)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use aios_qemu::{Artefacts, Boot, EmulatorCrashed, Machine, Options, Way};
use serde_json::Value;

/// Emulated, on a host that may be busy with other tests.
pub const READY_LIMIT: Duration = Duration::from_secs(240);

/// Stopping every service in order, emulated.
pub const POWER_OFF_LIMIT: Duration = Duration::from_secs(90);

/// What `cargo xtask image` built; a test without it fails, and says so.
pub fn artefacts() -> Artefacts {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/aios");
    Artefacts::read(&target).expect("the machine tests boot what `cargo xtask image` builds")
}

/// Tries until it works, or gives back the last error.
pub fn eventually<T>(
    limit: Duration,
    mut attempt: impl FnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    loop {
        match attempt() {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(200)),
            outcome => return outcome,
        }
    }
}

/// A running appliance in a folder of its own.
pub struct Appliance {
    pub machine: Machine,
    pub boot: Boot,
    pub options: Options,
    artefacts: Artefacts,
    _folder: tempfile::TempDir,
}

impl Appliance {
    /// Boots a new one and waits until it is ready.
    pub fn boot(way: Way) -> Self {
        Self::boot_with(way, |_| {})
    }

    /// The same, with other options.
    pub fn boot_with(way: Way, change: impl FnOnce(&mut Options)) -> Self {
        Self::boot_after(way, change, |_, _| ())
    }

    /// The same, after something was done with its folder.
    pub fn boot_after(
        way: Way,
        change: impl FnOnce(&mut Options),
        first: impl FnOnce(&Artefacts, &Options),
    ) -> Self {
        Self::boot_helped(way, change, first, |_| ())
    }

    /// The same, with something done on its console before it can be ready.
    pub fn boot_helped(
        way: Way,
        change: impl FnOnce(&mut Options),
        first: impl FnOnce(&Artefacts, &Options),
        help: impl Fn(&Machine),
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(way, folder.path()).unwrap();
        change(&mut options);
        let artefacts = artefacts();
        first(&artefacts, &options);
        let (machine, boot) = start(&artefacts, &options, help);
        Self {
            machine,
            boot,
            options,
            artefacts,
            _folder: folder,
        }
    }

    /// Boots it again with the state that it left.
    pub fn boot_again(&mut self) {
        self.boot_again_helped(|_| ());
    }

    /// The same, with something done on its console before it can be ready.
    pub fn boot_again_helped(&mut self, help: impl Fn(&Machine)) {
        let (machine, boot) = start(&self.artefacts, &self.options, help);
        self.machine = machine;
        self.boot = boot;
    }

    /// The instance's folder: credentials, disks, console.
    pub fn folder(&self) -> PathBuf {
        self.options.folder.clone()
    }

    /// Gives a goal that must succeed; its record.
    pub fn succeeds(&self, text: &str) -> Value {
        let goal = self.machine.ctl().goal(text).unwrap();
        assert_eq!(goal["state"], "succeeded", "{text:?}: {goal:#}");
        assert!(
            !answer(&goal).is_empty(),
            "{text:?} succeeded without an answer: {goal:#}"
        );
        eprintln!("{text:?} → {}", answer(&goal));
        goal
    }

    /// Gives a goal that must fail, with a reason; the reason.
    pub fn fails(&self, text: &str) -> String {
        let goal = self.machine.ctl().goal(text).unwrap();
        assert_eq!(goal["state"], "failed", "{text:?}: {goal:#}");
        let reason = goal["reason"].as_str().unwrap_or_default().to_owned();
        assert!(!reason.is_empty(), "{text:?} failed without a reason");
        eprintln!("{text:?} ✗ {reason}");
        reason
    }

    /// The row of a service in `aiosctl services`.
    pub fn service(&self, name: &str) -> Value {
        let all = self.machine.ctl().run(&["services", "list"]).unwrap();
        rows(&all, "services")
            .into_iter()
            .find(|service| service["name"] == name)
            .unwrap_or_else(|| panic!("no service {name} in {all:#}"))
    }
}

fn start(artefacts: &Artefacts, options: &Options, help: impl Fn(&Machine)) -> (Machine, Boot) {
    let (machine, boot) = boot(artefacts, options, help).unwrap();
    for phase in &boot.phases {
        eprintln!("phase {} {} ms", phase.number, phase.done_ms);
    }
    eprintln!("READY after {} ms", boot.ready_ms);
    (machine, boot)
}

/// Starts a machine and waits until it is ready; once more, from the same disks, when it was not
/// the appliance that failed.
pub fn boot(
    artefacts: &Artefacts,
    options: &Options,
    help: impl Fn(&Machine),
) -> anyhow::Result<(Machine, Boot)> {
    let attempt = || -> anyhow::Result<(Machine, Boot)> {
        let mut machine = Machine::start(artefacts, options)?;
        help(&machine);
        let boot = machine.wait_ready(READY_LIMIT, |_| ())?;
        Ok((machine, boot))
    };
    match attempt() {
        Err(error) if error.is::<EmulatorCrashed>() => {
            eprintln!("{error}");
            attempt()
        }
        outcome => outcome,
    }
}

/// A list that is a document itself, or sits in one under `key`.
pub fn rows(document: &Value, key: &str) -> Vec<Value> {
    document
        .as_array()
        .or_else(|| document[key].as_array())
        .cloned()
        .unwrap_or_default()
}

/// A goal's answer.
pub fn answer(goal: &Value) -> &str {
    goal["answer"].as_str().unwrap_or_default()
}

/// The tool calls that were made for a goal, in order.
pub fn executions(goal: &Value) -> Vec<Value> {
    rows(goal, "tasks")
        .iter()
        .flat_map(|task| rows(task, "executions"))
        .collect()
}
