//! The manifests of this repository against the registry and the accounts.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use aios_daemon::identity::{self, Principal};
use aios_daemon::manifest::{self, AgentManifest};
use aios_tools::registry::Registry;

fn manifests() -> Vec<AgentManifest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    manifest::read_all(&root.join("image/etc/aios/agents")).unwrap()
}

#[test]
fn every_tool_is_taken_by_exactly_one_agent_that_holds_its_kind_of_capability() {
    let manifests = manifests();
    let registry = Registry::complete();
    for tool in registry.iter() {
        let spec = tool.spec();
        let takers: Vec<_> = manifests.iter().filter(|m| m.takes(&spec.name)).collect();
        let names: Vec<_> = takers.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(takers.len(), 1, "{} is taken by {names:?}", spec.name);
        for needed in &spec.capabilities {
            let kind = |text: &str| text.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
            let held = takers[0]
                .capabilities
                .iter()
                .any(|held| kind(held) == kind(needed));
            assert!(
                held,
                "{} needs {needed}; agent {} has no such",
                spec.name, names[0]
            );
        }
    }
}

#[test]
fn an_agent_holds_no_capability_that_none_of_its_tools_needs() {
    let registry = Registry::complete();
    for manifest in manifests()
        .iter()
        .filter(|manifest| manifest.name != "task")
    {
        for held in &manifest.capabilities {
            let kind = |text: &str| text.splitn(3, ':').take(2).collect::<Vec<_>>().join(":");
            let needed = registry.iter().map(|tool| tool.spec()).any(|spec| {
                let needs = |needed: &String| kind(needed) == kind(held);
                manifest.takes(&spec.name) && spec.capabilities.iter().any(needs)
            });
            assert!(needed, "agent {} holds {held} for nothing", manifest.name);
        }
    }
}

#[test]
fn skills_are_taken_and_every_agent_has_an_account_and_a_closed_sandbox() {
    let manifests = manifests();
    assert_eq!(manifests.len(), 8);
    assert_eq!(
        manifests
            .iter()
            .filter(|m| m.takes("skill.web_page"))
            .count(),
        1
    );
    for manifest in &manifests {
        let user = manifest.service["user"].as_str().unwrap();
        let account = identity::identities()
            .iter()
            .find(|account| account.name == user);
        let principal = Principal::from_uid(account.unwrap().uid);
        assert_eq!(principal, Principal::Agent(manifest.name.clone()));
        let sandbox = &manifest.service["sandbox"];
        assert_eq!(sandbox["private_network"].as_bool(), Some(true), "{user}");
        let root = sandbox["root"].as_array().unwrap();
        let shown: Vec<_> = root.iter().filter_map(|path| path.as_str()).collect();
        let expected = [
            "/etc/aios/agents",
            "/etc/aios/config.toml",
            "/run/aios",
            "/usr/lib/aios",
        ];
        assert_eq!(shown, expected, "{user}");
        assert_eq!(sandbox["sockets"].as_str(), Some("unix"), "{user}");
        assert_eq!(sandbox["syscalls"].as_str(), Some("agent"), "{user}");
        assert!(sandbox.get("syscalls_allowed").is_none(), "{user}");
        assert!(sandbox["landlock"].get("write").is_none(), "{user}");
        assert!(
            manifest.service["capabilities"]
                .as_array()
                .unwrap()
                .is_empty(),
            "{user}"
        );
    }
}
