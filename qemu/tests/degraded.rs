//! What a machine does when not all is well: safe mode, the power button, a kernel
//! that panics.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::time::Duration;

use aios_qemu::{Machine, Options, Way};
use anyhow::ensure;
use serde_json::{Value, json};
use support::{POWER_OFF_LIMIT, artefacts, eventually, rows};

/// The rows of the table that are so now.
fn present(machine: &Machine) -> Vec<String> {
    let table = machine.ctl().run(&["degraded"]).unwrap();
    let now = rows(&table, "degraded")
        .into_iter()
        .filter(|mode| mode["present"] == true);
    now.map(|mode| mode["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn safe_mode_has_a_way_in_and_a_way_out_and_no_agents() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(Way::Vm, folder.path()).unwrap();
    options.hardware.kernel_words = "aios.safe=1".to_owned();
    let (mut machine, boot) = support::boot(&artefacts(), &options, |_| ()).unwrap();
    assert!(boot.degraded.contains("safe mode"), "{}", boot.degraded);

    let status = machine.ctl().run(&["status"]).unwrap();
    assert_eq!(status["state"], "degraded", "{status:#}");
    assert_eq!(present(&machine), ["safe-mode"]);
    let services = machine.ctl().run(&["services", "list"]).unwrap();
    for service in rows(&services, "services") {
        let name = service["name"].as_str().unwrap();
        assert!(!name.starts_with("agent-"), "{name} in safe mode");
    }
    let goal = machine
        .ctl()
        .output(&["goal", "run", "what is using the most memory?"])
        .unwrap();
    let said = String::from_utf8_lossy(&goal.stderr).into_owned();
    assert!(
        !goal.status.success() && said.contains("safe mode"),
        "{said}"
    );

    machine.panel().unwrap().press_power_button().unwrap();
    assert!(machine.wait_power_off(POWER_OFF_LIMIT).unwrap());

    options.hardware.kernel_words.clear();
    let (machine, boot) = support::boot(&artefacts(), &options, |_| ()).unwrap();
    assert_eq!(boot.degraded, "");
    let status = machine.ctl().run(&["status"]).unwrap();
    assert_eq!(
        status.get("last_crash").unwrap_or(&Value::Null),
        "",
        "the power button ends orderly: {status:#}"
    );
}

#[test]
fn what_a_kernel_said_when_it_panicked_is_there_after_the_reset() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = Options::new(Way::Vm, folder.path()).unwrap();
    options.reboots = true;
    // The NMI button of a server then does what a broken driver would.
    options.hardware.kernel_words = "unknown_nmi_panic panic=1".to_owned();
    let (machine, _) = support::boot(&artefacts(), &options, |_| ()).unwrap();
    let mut panel = machine.panel().unwrap();
    panel.execute("inject-nmi", json!({})).unwrap();

    let status = eventually(Duration::from_secs(120), || {
        let status = machine.ctl().run(&["status"])?;
        ensure!(status["last_crash"] != "", "it has not restarted");
        Ok(status)
    });
    let crash = status.unwrap()["last_crash"].to_string();
    assert!(crash.contains("Kernel panic - not syncing"), "{crash}");
    assert!(crash.contains("/var/log/aios/crash-"), "{crash}");
}
