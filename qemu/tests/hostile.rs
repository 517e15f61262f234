//! Bad input, strangers, kills and power cuts: a clear error, a record, and
//! nothing lost or done twice.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use aios_qemu::{Way, credentials};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, date_time_ymd};
use support::{Appliance, POWER_OFF_LIMIT, artefacts, rows};

/// A killed daemon must be ready again within this, on a busy machine.
const BACK_LIMIT: Duration = Duration::from_secs(15);

#[test]
fn bad_input_is_refused_and_recorded_and_changes_nothing() {
    let mut appliance = Appliance::boot(Way::Container);
    bad_calls(&appliance);
    strangers(&appliance);
    a_viewer_may_only_look(&appliance);
    killed_daemons_come_back(&appliance);
    appliance.succeeds("check disk usage and report");
    let verified = appliance.machine.ctl().run(&["audit", "verify"]).unwrap();
    assert_eq!(verified["intact"], true, "{verified:#}");
    tampering_is_detected(&appliance);
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
}

/// Each is an error that says what is wrong; none of them makes a file.
fn bad_calls(appliance: &Appliance) {
    let ctl = appliance.machine.ctl();
    for (tool, arguments, says) in [
        ("fs.wriet", "{}", "fs.write"),
        ("fs.write", r#"{"path":5,"content":"x"}"#, "path"),
        (
            "fs.write",
            r#"{"path":"/srv/x","content":"x","colour":"red"}"#,
            "colour",
        ),
        (
            "fs.write",
            r#"{"path":"/etc/shadow","content":"x"}"#,
            "/etc/shadow",
        ),
        (
            "fs.write",
            r#"{"path":"/srv/../etc/passwd","content":"x"}"#,
            "/etc/passwd",
        ),
        (
            "fs.delete",
            r#"{"path":"/usr/lib/aios/aios-init"}"#,
            "/usr/lib/aios",
        ),
        ("fs.read", r#"{"path":"/srv/absent"}"#, "/srv/absent"),
    ] {
        let output = ctl.output(&["tools", "call", tool, arguments]).unwrap();
        assert!(!output.status.success(), "{tool} {arguments} was accepted");
        let said = said(&output);
        assert!(
            said.contains(says),
            "{tool} {arguments} should name {says:?}: {said}"
        );
    }
    let long = "x".repeat(3000);
    assert!(
        !ctl.output(&["goal", "run", &long])
            .unwrap()
            .status
            .success()
    );
    let audit = ctl.run(&["audit", "list"]).unwrap();
    let refusals = rows(&audit, "entries")
        .iter()
        .filter(|row| row["kind"] == "refusal")
        .count();
    assert!(refusals > 0, "no refusal is on record: {audit:#}");
}

/// No certificate, another authority's, an expired one.
fn strangers(appliance: &Appliance) {
    let port = appliance.options.port;
    let folder = appliance.folder();
    let other = folder.join("other");
    std::fs::create_dir_all(&other).unwrap();
    credentials::ensure(&artefacts().aiosctl, &other, port).unwrap();
    let output = aiosctl(&other, &["status"]);
    assert!(
        !output.status.success(),
        "another authority's operator got in"
    );
    expired(appliance);
    no_certificate(port);
    let ctl = appliance.machine.ctl();
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let audit = ctl.run(&["audit", "list"]).unwrap();
        let text = audit.to_string();
        if text.contains("client.refused") {
            break;
        }
        assert!(
            Instant::now() < end,
            "the refused clients are not on record: {audit:#}"
        );
        thread::sleep(Duration::from_millis(200));
    }
}

/// A certificate of the right authority, whose time is over.
fn expired(appliance: &Appliance) {
    let folder = appliance.folder();
    let pki = folder.join("operator/pki");
    let read = |name: &str| std::fs::read_to_string(pki.join(name)).unwrap();
    let authority = KeyPair::from_pem(&read("ca.key")).unwrap();
    let issuer = Issuer::from_ca_cert_pem(&read("ca.crt"), authority).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::default();
    parameters
        .distinguished_name
        .push(DnType::CommonName, "old");
    parameters
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "admin");
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    parameters.not_before = date_time_ymd(2020, 1, 1);
    parameters.not_after = date_time_ymd(2021, 1, 1);
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let (old, old_key) = (folder.join("old.crt"), folder.join("old.key"));
    std::fs::write(&old, certificate.pem()).unwrap();
    std::fs::write(&old_key, key.serialize_pem()).unwrap();
    let output = s_client(
        appliance.options.port,
        &["-cert", path(&old), "-key", path(&old_key)],
    );
    assert!(output.contains("expired"), "{output}");
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}

fn no_certificate(port: u16) {
    let output = s_client(port, &[]);
    assert!(output.contains("certificate required"), "{output}");
}

/// What a plain TLS client is told when it tries to talk.
fn s_client(port: u16, arguments: &[&str]) -> String {
    let mut client = Command::new("openssl")
        .args([
            "s_client",
            "-alpn",
            "h2",
            "-connect",
            &format!("127.0.0.1:{port}"),
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // TLS 1.3 refuses a client's certificate after the handshake: the alert
    // comes while the client waits for an answer.
    thread::sleep(Duration::from_millis(500));
    drop(client.stdin.take());
    let output = client.wait_with_output().unwrap();
    said(&output)
}

fn a_viewer_may_only_look(appliance: &Appliance) {
    let folder = appliance.folder();
    let endpoint = format!("127.0.0.1:{}", appliance.options.port);
    let made = aiosctl(
        &folder,
        &[
            "--endpoint",
            &endpoint,
            "--context",
            "guest",
            "pki",
            "operator",
            "guest",
            "--role",
            "viewer",
        ],
    );
    assert!(made.status.success(), "{}", said(&made));
    let set = aiosctl(&folder, &["config", "set", "context", "default"]);
    assert!(set.status.success(), "{}", said(&set));
    assert!(
        aiosctl(&folder, &["--context", "guest", "status"])
            .status
            .success()
    );
    let output = aiosctl(
        &folder,
        &["--context", "guest", "goal", "run", "check disk usage"],
    );
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
}

/// SIGKILL to each daemon in turn: it comes back, and the system goes on.
fn killed_daemons_come_back(appliance: &Appliance) {
    let services = appliance.machine.ctl().run(&["services", "list"]).unwrap();
    for service in rows(&services, "services") {
        let name = service["name"].as_str().unwrap().to_owned();
        let Some(pid) = service["pid"].as_u64().filter(|pid| *pid != 0) else {
            continue;
        };
        kill_inside(appliance.machine.pid(), pid);
        let end = Instant::now() + BACK_LIMIT;
        loop {
            let again = appliance.machine.ctl().run(&["services", "list"]).ok();
            let row = again.and_then(|all| {
                rows(&all, "services")
                    .into_iter()
                    .find(|row| row["name"] == name.as_str())
            });
            if row.is_some_and(|row| row["state"] == "ready" && row["pid"] != pid) {
                break;
            }
            assert!(Instant::now() < end, "{name} did not come back");
            thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Kills a process by its number inside the container.
fn kill_inside(init: u32, pid: u64) {
    let status = Command::new("nsenter")
        .args([
            "--target",
            &init.to_string(),
            "--pid",
            "kill",
            "-KILL",
            &pid.to_string(),
        ])
        .status()
        .unwrap();
    assert!(status.success(), "cannot kill {pid}");
}

/// A copy of the ledger, changed: what is found is not what was written.
fn tampering_is_detected(appliance: &Appliance) {
    let copy = appliance.folder().join("ledger-copy");
    let path = copy.display().to_string();
    appliance
        .machine
        .ctl()
        .run(&["audit", "export", &path])
        .unwrap();
    let verify = || {
        appliance
            .machine
            .ctl()
            .output(&["audit", "verify", "--dir", &path])
            .unwrap()
    };
    assert!(verify().status.success(), "{}", said(&verify()));
    let largest = std::fs::read_dir(&copy)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap();
    let good = std::fs::read(&largest).unwrap();
    let mut flipped = good.clone();
    let at = flipped.len() / 2;
    flipped[at] ^= 1;
    std::fs::write(&largest, flipped).unwrap();
    assert!(!verify().status.success(), "a flipped bit was not found");
    std::fs::write(&largest, &good[..good.len() * 2 / 3]).unwrap();
    assert!(!verify().status.success(), "a cut tail was not found");
    std::fs::write(&largest, good).unwrap();
    assert!(verify().status.success());
}

fn aiosctl(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(artefacts().aiosctl)
        .arg("--config")
        .arg(credentials::config(folder))
        .args(arguments)
        .output()
        .unwrap()
}

/// Everything that a command printed.
fn said(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&text).into_owned()
}
