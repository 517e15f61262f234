//! The network of a booted appliance: an address by DHCP, nothing but 9090 open, and SSH
//! only for who has a key, with each session on record.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use aios_qemu::machine::free_port;
use aios_qemu::{Options, Way, credentials};
use support::{Appliance, POWER_OFF_LIMIT, artefacts, rows};

/// Emulated, on a busy machine: a key exchange takes seconds.
const SSH_LIMIT: Duration = Duration::from_secs(60);

#[test]
fn only_9090_is_open_and_ssh_for_who_has_a_key_with_sessions_on_record() {
    let port = free_port().unwrap();
    let forward = |options: &mut Options| options.hardware.more_ports = vec![(port, 22)];

    // Nobody has a key: nothing answers.
    let mut appliance = Appliance::boot_with(Way::Vm, forward);
    let folder = appliance.folder();
    assert_eq!(banner(port, Duration::from_secs(5)), "");
    let network = appliance.service("network");
    assert!(
        network["status"]
            .as_str()
            .unwrap_or_default()
            .contains("10.0.2."),
        "{network:#}"
    );
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());

    // Somebody has one.
    let (key, stranger) = (new_key(&folder, "key"), new_key(&folder, "stranger"));
    let node = credentials::ensure(&artefacts().aiosctl, &folder, appliance.options.port).unwrap();
    authorize(&node, &key.1);
    appliance.boot_again();
    let end = Instant::now() + SSH_LIMIT;
    while banner(port, Duration::from_secs(5)).is_empty() {
        assert!(Instant::now() < end, "dropbear does not answer");
    }
    let listening = login(
        port,
        &key.0,
        "ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -nu",
    );
    let text = String::from_utf8_lossy(&listening.stdout);
    assert_eq!(
        text.split_whitespace().collect::<Vec<_>>(),
        ["22", "9090"],
        "{listening:?}"
    );
    let state = login(
        port,
        &key.0,
        "cat /run/aios/network.json; nft list table inet aios",
    );
    let text = String::from_utf8_lossy(&state.stdout);
    for fact in [
        "\"dhcp4\"",
        "\"firewall\": true",
        "\"10.0.2.2\"",
        "policy drop",
        "tcp dport 22 accept",
    ] {
        assert!(text.contains(fact), "{fact}: {text}");
    }
    let refused = login(port, &stranger.0, "id");
    assert!(
        !refused.status.success() && refused.stdout.is_empty(),
        "{refused:?}"
    );

    // Two sessions opened and closed, and a stranger, are in the ledger; a restart adds nothing.
    let count = |kind: &str| {
        let all = appliance
            .machine
            .ctl()
            .run(&["audit", "list", "--limit", "200"])
            .unwrap();
        let text = |row: &serde_json::Value| row.to_string();
        rows(&all, "entries")
            .iter()
            .map(text)
            .filter(|row| row.contains(kind))
            .count()
    };
    let facts = [
        ("ssh.session_opened", 2),
        ("ssh.session_closed", 2),
        ("ssh.refused", 1),
    ];
    let end = Instant::now() + SSH_LIMIT;
    while facts.iter().any(|(kind, least)| count(kind) < *least) {
        assert!(
            Instant::now() < end,
            "not on record: {:?}",
            facts.map(|(kind, _)| count(kind))
        );
        thread::sleep(Duration::from_millis(500));
    }
    let all = appliance
        .machine
        .ctl()
        .run(&["audit", "list", "--limit", "200"])
        .unwrap()
        .to_string();
    assert!(
        all.contains("SHA256:") && all.contains("10.0.2.2:"),
        "{all}"
    );
    appliance
        .machine
        .ctl()
        .run(&["services", "restart", "orchestrator"])
        .ok(); // it is its own answerer
    thread::sleep(Duration::from_secs(8));
    assert_eq!(
        (count("ssh.session_opened"), count("ssh.session_closed")),
        (2, 2)
    );
    assert!(appliance.machine.power_off(POWER_OFF_LIMIT).unwrap());
}

/// What an SSH server says first; QEMU accepts for the guest, so a closed port is silence.
fn banner(port: u16, patience: Duration) -> String {
    let mut text = [0; 64];
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(patience)).unwrap();
    let count = stream.read(&mut text).unwrap_or(0);
    String::from_utf8_lossy(&text[..count]).into_owned()
}

/// A key pair: the private key's file, and the public key in one line.
fn new_key(folder: &Path, name: &str) -> (PathBuf, String) {
    let path = folder.join(name);
    let made = Command::new("dropbearkey")
        .args(["-t", "ed25519", "-f"])
        .arg(&path)
        .output()
        .unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("ssh-ed25519"))
        .unwrap();
    (path, line.to_owned())
}

fn authorize(node: &Path, key: &str) {
    let text = std::fs::read_to_string(node).unwrap();
    let empty = "authorized_keys = []";
    let text = match text.contains(empty) {
        true => text.replace(empty, &format!("authorized_keys = [\"{key}\"]")),
        false => format!("{text}\n[ssh]\nauthorized_keys = [\"{key}\"]\n"),
    };
    std::fs::write(node, text).unwrap();
}

fn login(port: u16, key: &Path, command: &str) -> Output {
    Command::new("timeout")
        .args(["60", "dbclient", "-y", "-y", "-p", &port.to_string(), "-i"])
        .arg(key)
        .args(["root@127.0.0.1", command])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}
