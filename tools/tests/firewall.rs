//! The operator's rules of the packet filter: file and kernel together, against the real nft(8), in
//! mount and network namespaces of their own.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::process::Command;

use aios_firewall::{FILE, listed, nft};
use aios_tools::registry::Registry;
use common::Machine;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Set in the process that has namespaces of its own.
const INSIDE: &str = "AIOS_TEST_FIREWALL";

/// The ruleset that aios-network loads with the default configuration.
const RULESET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../network/tests/default.nft");

/// Runs the test of this name with an empty `/etc`, and a network with aiOS's packet filter.
fn alone(name: &str, check: fn(&Machine)) {
    if !aios_testkit::needs::root() || !aios_testkit::needs::programs(&["nft", "unshare"]) {
        return;
    }
    if std::env::var_os(INSIDE).is_some() {
        let runtime = Runtime::new().unwrap();
        let _entered = runtime.enter();
        return check(&Machine::new(Registry::complete()));
    }
    let etc = tempfile::tempdir().unwrap();
    let script = format!(
        "set -e; mount --bind \"$AIOS_TEST_FIREWALL\" /etc; nft -f '{RULESET}'; \
         exec \"$0\" --exact {name} --nocapture"
    );
    let inside = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, etc.path())
        .status();
    assert!(inside.unwrap().success());
}

/// The statements of the operator's chain in the kernel.
fn kernel() -> Vec<String> {
    let chain = nft::list(&["list", "chain", "inet", "aios", "operator"]).unwrap();
    let rules = listed(&chain).into_iter();
    rules.map(|rule| rule.statement).collect()
}

fn file() -> Option<String> {
    std::fs::read_to_string(FILE).ok()
}

#[test]
fn rules_are_loaded_at_once_and_undo_restores_file_and_kernel() {
    alone(
        "rules_are_loaded_at_once_and_undo_restores_file_and_kernel",
        |machine| {
            let empty = machine.act("firewall.rules", json!({})).unwrap();
            assert_eq!(empty.output["kept_ports"], json!([22, 9090]));
            assert_eq!(empty.output["own"][0]["policy"], "drop");

            let web = machine.act("firewall.allow", json!({"port": 80})).unwrap();
            assert_eq!(kernel(), ["tcp dport 80 accept"]);
            assert_eq!(
                web.summary,
                "\"allow tcp 80\" is the first of 1 rules of the operator's, and holds"
            );
            let with_web = file();
            let some = json!({
                "port": 8000, "last_port": 8010, "protocol": "any", "source": "2001:db8::1/32"
            });
            machine.act("firewall.allow", some).unwrap();
            let deny = json!({"port": 80, "source": "192.0.2.7"});
            let denied = machine.act("firewall.deny", deny.clone()).unwrap();
            assert_eq!(
                kernel(),
                [
                    "ip saddr 192.0.2.7 tcp dport 80 drop",
                    "ip6 saddr 2001:db8::/32 meta l4proto { 6, 17 } th dport 8000-8010 accept",
                    "tcp dport 80 accept",
                ]
            );
            let listed = machine.act("firewall.rules", json!({})).unwrap();
            assert_eq!(listed.output["in_force"], true);
            assert_eq!(listed.output["operator"][0]["packets"], 0);
            assert!(
                listed.summary.contains("\n3. allow tcp 80 (0 packets)"),
                "{}",
                listed.summary
            );
            let again = machine.act("firewall.deny", deny).unwrap();
            assert_eq!(again.output["changed"], false);

            let before = file();
            let removed = machine
                .act("firewall.remove", json!({"number": 2}))
                .unwrap();
            assert_eq!(
                removed.output["rule"],
                "allow any 8000-8010 from 2001:db8::/32"
            );
            assert_eq!(kernel().len(), 2);
            machine.undo(&removed).unwrap();
            assert_eq!((file(), kernel().len()), (before, 3));
            machine.undo(&denied).unwrap();
            let by_words = json!({"rule": "allow any 8000-8010 from 2001:db8::/32"});
            machine.act("firewall.remove", by_words).unwrap();
            assert_eq!(file(), with_web);
            // Somebody changed the file since: what undo would bring back is another one.
            std::fs::write(FILE, "deny udp 1\n").unwrap();
            machine.undo(&web).unwrap_err();
            machine.act("firewall.load", json!({})).unwrap();
            assert_eq!(kernel(), ["udp dport 1 drop"]);
        },
    );
}

#[test]
fn the_first_rule_is_taken_back_with_its_file() {
    alone("the_first_rule_is_taken_back_with_its_file", |machine| {
        let first = machine.act("firewall.allow", json!({"port": 80})).unwrap();
        let said = machine.undo(&first).unwrap();
        assert!(said.contains("operator's rules of before"), "{said}");
        assert_eq!((file(), kernel().len()), (None, 0));
    });
}

#[test]
fn what_cannot_be_leaves_file_and_kernel_as_they_are() {
    alone(
        "what_cannot_be_leaves_file_and_kernel_as_they_are",
        |machine| {
            let refused = |tool: &str, arguments: Value, why: &str| {
                let (before, rules) = (file(), kernel());
                let said = machine.act(tool, arguments).unwrap_err().to_string();
                assert!(said.contains(why), "{tool}: {said}");
                assert_eq!((file(), kernel()), (before, rules));
            };
            refused("firewall.allow", json!({"port": 9090}), "management_from");
            refused("firewall.deny", json!({"port": 22}), "ssh_from");
            refused(
                "firewall.allow",
                json!({"port": 9, "last_port": 8}),
                "last_port",
            );
            refused(
                "firewall.deny",
                json!({"port": 9, "source": "a.b"}),
                "source",
            );
            refused("firewall.remove", json!({"number": 1}), "no rule 1");
            refused("firewall.remove", json!({"rule": "allow tcp 1"}), "no rule");
            refused("firewall.remove", json!({"rule": "flush"}), "begins with");
            refused("firewall.remove", json!({}), "number or rule");
            std::fs::write(FILE, "accept all\n").unwrap();
            refused("firewall.allow", json!({"port": 80}), "line 1");
            refused("firewall.load", json!({}), "line 1");
            std::fs::remove_file(FILE).unwrap();
            // Without aiOS's table there is nothing to put a rule into: the file is taken back.
            let removed = Command::new("nft")
                .args(["delete", "table", "inet", "aios"])
                .status();
            assert!(removed.unwrap().success());
            let said = machine.act("firewall.allow", json!({"port": 80}));
            assert!(said.unwrap_err().to_string().contains("does not stand"));
            assert_eq!(file(), None);
        },
    );
}
