//! The real executable against a real mTLS server on loopback.

#![allow(clippy::unwrap_used)] // a test

mod support;

use aios_role::Role;
use aiosctl::pki;
use serde_json::Value;
use support::{Double, Machine, serve};

/// A machine whose context points at a served double.
async fn connected(double: Double) -> Machine {
    let machine = Machine::new();
    let address = serve(&machine.provisioning(), double).await.to_string();
    machine.succeeds(&["config", "set", "endpoint", &address]);
    machine
}

#[tokio::test]
async fn an_operator_reaches_the_node_and_cannot_be_tricked_by_its_name() {
    let machine = connected(Double::default()).await;
    let (code, text, errors) = machine.run_async(&["status"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(text.contains("evil\\u{1b}]0;title\\u{7}"), "{text}");
    let (_, text, _) = machine.run_async(&["status", "--json"]).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["state"], "ready");
}

#[tokio::test]
async fn a_goal_is_followed_to_its_answer() {
    let machine = connected(Double::default()).await;
    let (code, text, errors) = machine
        .run_async(&["goal", "run", "check", "disk", "usage"])
        .await;
    assert_eq!(code, 0, "{errors}");
    assert!(
        text.contains("planned at the operational level\n[1] storage: fs.disk_usage {}\n"),
        "{text}"
    );
    assert!(text.contains("    succeeded: looked\n"), "{text}");
    assert!(text.ends_with("4% full\\u{1b}[2J\n"), "{text}");
    let (code, text, _) = machine.run_async(&["goal", "run", "x", "--json"]).await;
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &document["state"]), (0, &Value::from("succeeded")));
}

#[tokio::test]
async fn streams_are_one_json_object_per_line() {
    let machine = connected(Double::default()).await;
    let (_, text, _) = machine.run_async(&["logs", "--json"]).await;
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["text"], "two");
}

#[tokio::test]
async fn the_exit_code_says_what_kind_of_failure_it_was() {
    let machine = connected(Double::default()).await;
    let check = async |arguments: &[&str], code, expected: &str| {
        let (got, _, errors) = machine.run_async(arguments).await;
        assert_eq!(got, code, "{arguments:?}: {errors}");
        assert!(errors.contains(expected), "{errors}");
    };
    check(
        &["goal", "cancel", "0190ab"],
        4,
        "the role viewer may not cancel goals",
    )
    .await;
    check(&["tools", "list", "--timeout", "0.3"], 5, "within 300ms").await;
    check(&["boot"], 1, "does not know this request").await;
    check(
        &["tools", "call", "fs.read", "[1]"],
        2,
        "must be a JSON object",
    )
    .await;
    check(&["status", "--context", "nope"], 2, "no context").await;
    check(
        &["status", "--endpoint", "127.0.0.1:1"],
        3,
        "is the appliance up?",
    )
    .await;
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused_in_both_directions() {
    let ours = connected(Double::default()).await;
    let theirs = Machine::new();
    // The node is another's: we do not trust it.
    let address = serve(&theirs.provisioning(), Double::default())
        .await
        .to_string();
    let (code, _, errors) = ours.run_async(&["status", "--endpoint", &address]).await;
    assert_eq!(code, 3);
    assert!(errors.contains("signed by another authority"), "{errors}");
    // The node is ours, the operator is not: the node refuses.
    use_credentials(
        &ours,
        &theirs.path("pki/operators/ann.crt"),
        &theirs.path("pki/operators/ann.key"),
    );
    let (code, _, errors) = ours.run_async(&["status"]).await;
    assert_eq!(code, 3);
    assert!(
        errors.contains("does not know the authority of your certificate"),
        "{errors}"
    );
}

fn use_credentials(machine: &Machine, certificate: &std::path::Path, key: &std::path::Path) {
    let ca = machine.path("pki/ca.crt");
    let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
    machine.succeeds(&[
        "config",
        "set",
        "credentials",
        "--ca",
        &path(&ca),
        "--certificate",
        &path(certificate),
        "--key",
        &path(key),
    ]);
}

#[tokio::test]
async fn a_node_is_refused_that_shows_an_operators_certificate() {
    let machine = Machine::new();
    let authority = pki::Authority::open(&machine.path("pki")).unwrap();
    let impostor = pki::operator::issue(&authority, "aios-node", Role::Admin, 1).unwrap();
    let text = std::fs::read_to_string(machine.provisioning()).unwrap();
    let mut file: pki::node::Provisioning = toml::from_str(&text).unwrap();
    (file.pki.certificate, file.pki.key) = (impostor.certificate, impostor.key);
    let path = machine.path("impostor.toml");
    std::fs::write(&path, toml::to_string(&file).unwrap()).unwrap();
    let address = serve(&path, Double::default()).await.to_string();
    let (code, _, errors) = machine.run_async(&["status", "--endpoint", &address]).await;
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("not a node's"), "{errors}");
}

#[tokio::test]
async fn an_export_cannot_leave_its_folder() {
    let machine = connected(Double::default()).await;
    let folder = machine.path("a/b/c");
    let (code, _, errors) = machine
        .run_async(&["audit", "export", folder.to_str().unwrap()])
        .await;
    assert_eq!(code, 1);
    assert!(errors.contains("forbidden name"), "{errors}");
    assert!(!machine.path("a/escaped").exists());
}

#[test]
fn keys_are_never_printed_and_are_for_their_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let machine = Machine::new();
    let printed = [
        machine.succeeds(&["pki", "operator", "bob", "--role", "viewer", "--json"]),
        machine.succeeds(&["config", "show"]),
        machine.succeeds(&[
            "pki",
            "show",
            machine.path("pki/operators/bob.crt").to_str().unwrap(),
        ]),
    ];
    assert!(
        printed.iter().all(|text| !text.contains("PRIVATE")),
        "{printed:?}"
    );
    assert!(printed[2].contains("viewer"), "{}", printed[2]);
    for file in [
        "pki/ca.key",
        "pki/operators/bob.key",
        "pki/nodes/node1/node.toml",
        "config.toml",
    ] {
        let mode = std::fs::metadata(machine.path(file))
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(mode, 0o600, "{file}");
    }
    let mode = std::fs::metadata(machine.path("pki"))
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o700);
}

#[test]
fn completions_are_made_for_each_shell() {
    let machine = Machine::new();
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            machine
                .succeeds(&["completions", shell])
                .contains("aiosctl"),
            "{shell}"
        );
    }
}

#[tokio::test]
async fn certificates_are_taken_back_and_the_node_gets_the_list() {
    let double = Double::default();
    let given = double.revoked.clone();
    let machine = connected(double).await;
    machine.succeeds(&["pki", "operator", "eve", "--role", "viewer", "--no-context"]);
    machine.succeeds(&[
        "pki",
        "operator",
        "eve",
        "--role",
        "operator",
        "--no-context",
    ]);
    let (code, _, errors) = machine.run_async(&["pki", "revoke", "nobody"]).await;
    assert_eq!(code, 2, "{errors}");
    let (code, _, errors) = machine.run_async(&["pki", "revoke", "ann"]).await;
    assert_eq!(code, 2, "her own is refused without --force");
    assert!(errors.contains("uses this certificate"), "{errors}");
    assert!(!machine.path("pki/ca.crl").exists());
    let (code, text, errors) = machine
        .run_async(&["pki", "revoke", "eve", "--apply", "--json"])
        .await;
    assert_eq!(code, 0, "{errors}");
    let done: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&done["number"], &done["added"]),
        (&Value::from(1), &Value::from(2))
    );
    let list = std::fs::read_to_string(machine.path("pki/ca.crl")).unwrap();
    assert_eq!(*given.lock().unwrap(), list);
    let text = machine.succeeds(&["pki", "list", "--json"]);
    let listed: Value = serde_json::from_str(&text).unwrap();
    let revoked = |name: &str| -> Vec<bool> {
        let all = listed["certificates"].as_array().unwrap().iter();
        all.filter(|one| one["name"] == name)
            .map(|one| one["revoked"] == true)
            .collect()
    };
    assert_eq!(
        (revoked("eve"), revoked("ann")),
        (vec![true, true], vec![false])
    );
    // Again: the same list, for another node.
    machine.succeeds(&["pki", "revoke", "eve"]);
    assert_eq!(
        std::fs::read_to_string(machine.path("pki/ca.crl")).unwrap(),
        list
    );
    machine.succeeds(&["pki", "revoke", "ann", "--force"]);
    assert_ne!(
        std::fs::read_to_string(machine.path("pki/ca.crl")).unwrap(),
        list
    );
}
