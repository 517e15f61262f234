//! Power cuts at random moments: the next boot is exactly old or exactly new, nothing
//! acknowledged is lost, nothing is done twice, and the ledger verifies.
//!
//! Five cuts in the ordinary run, fifty in `cargo xtask test --long`; the seed is
//! printed, and `AIOS_SEED` repeats a run.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod bundles;
mod support;

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aios_qemu::{Machine, Options, Way};
use aios_testkit::needs;
use bundles::Builder;
use serde_json::Value;
use support::{Appliance, POWER_OFF_LIMIT, executions, rows};

/// What the machine is doing when the plug is pulled, and how long that takes at
/// most in an emulated machine: cuts fall anywhere within.
#[derive(Clone, Copy, Debug)]
enum During {
    FirstBoot,
    Goal,
    Config,
    Update,
}

const ALL: [During; 4] = [
    During::FirstBoot,
    During::Goal,
    During::Config,
    During::Update,
];

impl During {
    fn window_ms(self) -> u64 {
        match self {
            Self::FirstBoot => 9_000,
            Self::Goal => 1_800,
            Self::Config => 1_500,
            Self::Update => 20_000,
        }
    }
}

#[test]
fn a_power_cut_leaves_exactly_the_old_or_exactly_the_new() {
    let cuts = if needs::has_hours() { 50 } else { 5 };
    let mut random = Random::new();
    let mut appliance = Appliance::boot_with(Way::Disk, soon_good);
    for nth in 0..cuts {
        let during = ALL[nth % ALL.len()];
        let after = Duration::from_millis(random.below(during.window_ms()));
        settle(&appliance);
        eprintln!("cut {} of {cuts}: {during:?} after {after:?}", nth + 1);
        match during {
            During::FirstBoot => appliance = first_boot(after),
            During::Goal => goal(&mut appliance, nth, after),
            During::Config => config(&mut appliance, nth, after),
            During::Update => update(&mut appliance, nth, after),
        }
        assert_eq!(appliance.boot.degraded, "");
        let verified = appliance.machine.ctl().run(&["audit", "verify"]).unwrap();
        assert_eq!(verified["intact"], true, "{verified:#}");
    }
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
}

/// No test waits a minute for a slot to be marked good.
fn soon_good(options: &mut Options) {
    options.config = Some("[update]\nhealthy_s = 5\n".to_owned());
}

/// A new machine whose first boot is cut short.
fn first_boot(after: Duration) -> Appliance {
    Appliance::boot_after(
        Way::Disk,
        |_| {},
        |artefacts, options| {
            let mut machine = Machine::start(artefacts, options).unwrap();
            thread::sleep(after);
            machine.cut_power().unwrap();
        },
    )
}

/// An append is the effect that shows when it is done twice.
fn goal(appliance: &mut Appliance, nth: usize, after: Duration) {
    let ctl = appliance.machine.ctl().clone();
    let path = format!("/srv/cut-{nth}.txt");
    let empty = format!(r#"{{"path":"{path}","content":""}}"#);
    ctl.run(&["tools", "call", "fs.write", &empty]).unwrap();
    // The goal is durable when this returns; the plug is pulled while it runs.
    let wish = format!("append once to {path}");
    let goal = ctl.run(&["goal", "run", "--no-wait", &wish]).unwrap();
    cut(appliance, after);
    let goal = ended(appliance, goal["id"].as_str().unwrap());
    assert_eq!(goal["state"], "succeeded", "{goal:#}");
    let read = format!(r#"{{"path":"{path}"}}"#);
    let read = appliance
        .machine
        .ctl()
        .run(&["tools", "call", "fs.read", &read])
        .unwrap();
    let text = executions(&read)[0]["output"]["content"].clone();
    assert_eq!(text.as_str().unwrap().matches("once").count(), 1, "{text}");
}

/// The configuration is the one from before or the one that was given; one that
/// was only tried is the one from before.
fn config(appliance: &mut Appliance, nth: usize, after: Duration) {
    let file = appliance.folder().join("new.toml");
    let new = format!(
        "[update]\nhealthy_s = 5\n[tools]\ncalls_per_caller_max = {}\n",
        20 + nth
    );
    std::fs::write(&file, &new).unwrap();
    let old = shown(appliance);
    let path = file.to_str().unwrap();
    let mut apply = start(appliance, &["config", "apply", path]);
    cut(appliance, after);
    let acknowledged = apply.wait().unwrap().success();
    let is = shown(appliance);
    assert!(is == old || is == new, "neither old nor new: {is}");
    assert!(is == new || !acknowledged, "acknowledged, and lost");
}

fn shown(appliance: &Appliance) -> String {
    let shown = appliance.machine.ctl().run(&["config", "get"]).unwrap();
    shown["toml"].as_str().unwrap().to_owned()
}

/// The slot that runs is whole, whichever it is, and another update succeeds.
fn update(appliance: &mut Appliance, nth: usize, after: Duration) {
    let old = proven(appliance);
    let release = old + 1 + nth as u64;
    let builder = Builder::new(&appliance.folder());
    let bundle = builder.bundle(release, &builder.root, &builder.key);
    let mut install = start(appliance, &["update", "--image", &bundle, "--no-reboot"]);
    cut(appliance, after);
    let acknowledged = install.wait().unwrap().success();
    let is = running(appliance).0;
    assert!(is == old || is == release, "{is} runs");
    assert!(is == release || !acknowledged, "acknowledged, and lost");
    std::fs::remove_file(bundle).unwrap();
}

/// Waits until the slot that runs is marked good, without which there is no update.
fn proven(appliance: &Appliance) -> u64 {
    support::eventually(Duration::from_secs(120), || {
        let (release, good) = running(appliance);
        anyhow::ensure!(good, "release {release} is not marked good");
        Ok(release)
    })
    .unwrap()
}

/// The release of the slot that runs, and whether it is marked good.
fn running(appliance: &Appliance) -> (u64, bool) {
    let slots = appliance.machine.ctl().run(&["slots"]).unwrap();
    let row = rows(&slots, "slots")
        .into_iter()
        .find(|slot| slot["name"] == slots["running"])
        .unwrap_or_else(|| panic!("no running slot: {slots:#}"));
    (row["release"].as_u64().unwrap(), row["good"] == true)
}

/// Waits until this boot counts as a good one: three in a row that do not, and the
/// next is in safe mode.
fn settle(appliance: &Appliance) {
    let good_ms = appliance.boot.ready_ms + 12_000;
    support::eventually(Duration::from_secs(60), || {
        let status = appliance.machine.ctl().run(&["status"])?;
        let uptime = status["uptime_ms"].as_u64().unwrap_or_default();
        anyhow::ensure!(uptime > good_ms, "up for {uptime} ms");
        Ok(())
    })
    .unwrap();
}

fn cut(appliance: &mut Appliance, after: Duration) {
    thread::sleep(after);
    appliance.machine.cut_power().unwrap();
    appliance.boot_again();
}

/// `aiosctl`, whose appliance is about to go away.
fn start(appliance: &Appliance, arguments: &[&str]) -> Child {
    let (program, config) = appliance.machine.ctl().parts();
    Command::new(program)
        .arg("--config")
        .arg(config)
        .args(["--timeout", "20"])
        .args(arguments)
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

/// The goal, once it has ended.
fn ended(appliance: &Appliance, id: &str) -> Value {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let goal = appliance.machine.ctl().run(&["goal", "show", id]).unwrap();
        if goal["state"] == "succeeded" || goal["state"] == "failed" {
            return goal;
        }
        assert!(Instant::now() < end, "the goal never ended: {goal:#}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// splitmix64 (Steele, Lea, Flood 2014): enough to choose moments.
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("AIOS_SEED").ok();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let seed = given.and_then(|text| text.parse().ok());
        let seed = seed.unwrap_or(now.as_nanos() as u64);
        eprintln!("AIOS_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }
}
