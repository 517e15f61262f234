//! What an operator does when something is wrong, or not there yet: the emergency stop, a
//! configuration that is tried, a node that is provisioned over the network.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::time::{Duration, Instant};

use aios_qemu::{Machine, Way};
use serde_json::Value;
use support::{Appliance, POWER_OFF_LIMIT, eventually, rows};

/// How long things may take on a busy host.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn in_a_container_an_emergency_stop_halts_all_and_outlives_a_restart() {
    let mut appliance = Appliance::boot(Way::Container);
    let file = appliance.folder().join("data/overlay/upper/srv/ticks");
    let size = || std::fs::metadata(&file).map_or(0, |file| file.len());
    appliance.succeeds("create a file /srv/ticks containing x");
    let ctl = appliance.machine.ctl();
    // A goal under way at any instant: each appends a line.
    std::thread::scope(|scope| {
        let ticking = scope.spawn(|| {
            let append = r#"{"path":"/srv/ticks","content":"tick\n"}"#;
            while ctl
                .goal_of_call("fs.append", append)
                .is_ok_and(|goal| goal["state"] == "succeeded")
            {}
        });
        let before = size();
        eventually(SOON, || match size() > before + 10 {
            true => Ok(()),
            false => anyhow::bail!("nothing is appended"),
        })
        .unwrap();
        let state = ctl
            .run(&["emergency", "stop", "--reason", "a drill"])
            .unwrap();
        assert_eq!(state["stopped"], true, "{state:#}");
        let then = size(); // the answer is there: within the second that tools' own test measures
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(size(), then, "something was done after the stop");
        // The goal that was under way is suspended, and its client waits; it is called off here.
        let goals = ctl.run(&["goal", "list"]).unwrap();
        for goal in rows(&goals, "goals")
            .iter()
            .filter(|goal| goal["state"] == "running")
        {
            ctl.run(&["goal", "cancel", goal["id"].as_str().unwrap()])
                .unwrap();
        }
        ticking.join().unwrap();
    });
    let status = ctl.run(&["status"]).unwrap();
    assert_eq!(status["state"], "manual", "{status:#}");
    assert_eq!(status["agents_connected"], 0, "{status:#}");
    assert!(ctl.run(&["goal", "run", "check disk usage"]).is_err());
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());

    appliance.boot_again();
    let ctl = appliance.machine.ctl();
    let status = ctl.run(&["status"]).unwrap();
    assert_eq!(status["emergency"]["reason"], "a drill", "{status:#}");
    assert_eq!(status["agents_connected"], 0, "{status:#}");
    ctl.run(&["emergency", "resume"]).unwrap();
    appliance.succeeds("check disk usage and report");
    let audit = ctl.run(&["audit", "list", "--limit", "200"]).unwrap();
    for kind in ["emergency.stop", "emergency.resume"] {
        let known = rows(&audit, "entries")
            .iter()
            .any(|entry| entry["tool"] == kind);
        assert!(known, "{kind} is not on record");
    }
}

#[test]
fn in_a_container_a_tried_configuration_goes_back_unless_confirmed_and_at_a_restart() {
    const TRIED: &str = "[tools]\ncalls_per_caller_max = 7\n";
    let mut appliance = Appliance::boot(Way::Container);
    let path = appliance.folder().join("tried.toml");
    std::fs::write(&path, TRIED).unwrap();
    let file = path.to_str().unwrap().to_owned();
    let text = |machine: &Machine| {
        let state = machine.ctl().run(&["config", "get"]).unwrap();
        state["toml"].as_str().unwrap().to_owned()
    };
    let old = text(&appliance.machine);
    assert_ne!(old, TRIED);
    let ctl = appliance.machine.ctl();
    std::fs::write(&path, "[tools]\ncalls_per_caller_mx = 7\n").unwrap();
    let refused = ctl
        .run(&["config", "apply", &file])
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains(":2:") && refused.contains("calls_per_caller_max"),
        "{refused}"
    );
    std::fs::write(&path, TRIED).unwrap();
    let dry: Value = ctl.run(&["config", "apply", &file, "--dry-run"]).unwrap();
    assert_eq!(dry["restarts"][0], "tools", "{dry:#}");
    assert_eq!(text(&appliance.machine), old, "a dry run changes nothing");

    ctl.run(&["config", "apply", &file, "--try", "10s"])
        .unwrap();
    let began = Instant::now();
    assert_eq!(text(&appliance.machine), TRIED);
    eventually(SOON, || match text(&appliance.machine) == old {
        true => Ok(()),
        false => anyhow::bail!("it does not go back"),
    })
    .unwrap();
    assert!(
        began.elapsed() > Duration::from_secs(8),
        "{:?}",
        began.elapsed()
    );

    // The power fails during a trial: exactly the old one.
    ctl.run(&["config", "apply", &file, "--try", "600s"])
        .unwrap();
    appliance.machine.cut_power().unwrap();
    appliance.boot_again();
    assert_eq!(text(&appliance.machine), old);
    let ctl = appliance.machine.ctl();
    eventually(SOON, || {
        let audit = ctl.run(&["audit", "list", "--limit", "200"])?.to_string();
        let known = audit.contains("the machine was restarted before anybody confirmed it");
        anyhow::ensure!(known, "that it went back is not on record: {audit}");
        Ok(())
    })
    .unwrap();
    ctl.run(&["config", "apply", &file, "--try", "600s"])
        .unwrap();
    ctl.run(&["config", "confirm"]).unwrap();
    appliance.machine.cut_power().unwrap();
    appliance.boot_again();
    assert_eq!(
        text(&appliance.machine),
        TRIED,
        "confirmed: exactly the new one"
    );
    appliance.succeeds("check disk usage and report");
}

#[test]
fn a_node_without_a_certificate_takes_one_over_the_network() {
    let mut appliance = Appliance::boot_with(Way::Container, |options| options.provisioned = false);
    assert!(
        appliance.boot.degraded.contains("not provisioned"),
        "{}",
        appliance.boot.degraded
    );
    let shown = appliance
        .machine
        .wait_for_text("--endpoint ADDRESS", SOON)
        .unwrap();
    let at = shown
        .find("SHA256:")
        .expect("the fingerprint is on the console");
    let fingerprint = &shown[at..at + "SHA256:".len() + 64];
    let node = appliance.folder().join("node.toml");
    let node = node.to_str().unwrap();
    let endpoint = format!("127.0.0.1:{}", appliance.options.port);
    let ctl = appliance.machine.ctl();
    let apply = |fingerprint: &str| {
        ctl.run(&[
            "--endpoint",
            &endpoint,
            "config",
            "apply",
            "--fingerprint",
            fingerprint,
            node,
        ])
    };
    let wrong = format!("SHA256:{}", "0".repeat(64));
    let refused = apply(&wrong).unwrap_err().to_string();
    assert!(
        refused.contains("does not have this fingerprint"),
        "{refused}"
    );
    assert!(
        ctl.run(&["status", "--timeout", "3"]).is_err(),
        "nobody manages it yet"
    );
    assert_eq!(apply(fingerprint).unwrap()["provisioned"], "aios");
    let status = eventually(SOON, || ctl.run(&["status", "--timeout", "5"])).unwrap();
    assert_eq!(status["node"], "aios", "{status:#}");
    assert!(apply(fingerprint).is_err(), "once");
    eventually(SOON, || {
        let audit = ctl.run(&["audit", "list"])?.to_string();
        let known = audit.contains("node.provisioned") && audit.contains("from the network, ");
        anyhow::ensure!(known, "who provisioned is not on record: {audit}");
        Ok(())
    })
    .unwrap();
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
    appliance.boot_again();
    assert_eq!(appliance.boot.degraded, "", "it stays what it is");
    let now = appliance.machine.console_text().unwrap();
    assert!(!now.contains("maintenance mode: fingerprint"), "{now}");
}
