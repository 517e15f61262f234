//! Tables of cases: what is accepted, what is refused, where and in which words.

use std::path::Path;

use proptest::prelude::*;

use super::*;

fn problems(text: &str) -> Vec<String> {
    let found = parse(text).err().unwrap_or_default();
    found.iter().map(ToString::to_string).collect()
}

#[test]
fn an_empty_text_is_the_appliance_as_it_comes() {
    let config = parse("").unwrap();
    assert_eq!(config, Config::default());
    let interfaces = config.network.interfaces();
    assert_eq!(interfaces, vec![Interface::automatic(FIRST)]);
    assert_eq!(config.management.listen.to_string(), "0.0.0.0:9090");
}

#[test]
fn the_image_s_own_configuration_is_the_default_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../image/etc/aios/config.toml");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(problems(&text), Vec::<String>::new());
    assert_eq!(parse(&text).unwrap(), Config::default());
}

#[test]
fn the_reference_is_accepted_and_reaches_every_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("reference.toml");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(problems(&text), Vec::<String>::new());
    let config = parse(&text).unwrap();
    assert_eq!(config.network.interface.len(), 3);
    assert_eq!(
        config.network.interface[1].kind,
        Kind::Vlan {
            parent: "lan".into(),
            id: 10
        }
    );
    assert_eq!(config.firewall.input[0].ports.len(), 3);
    assert_eq!(config.ssh.authorized_keys.map(|keys| keys.len()), Some(1));
}

/// The schema must know each key of the reference, and the reference each of the schema.
#[test]
fn the_reference_names_every_key() {
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("reference.toml"));
    let text = text.unwrap();
    for key in Config::keys() {
        assert!(
            text.contains(&format!("{} = ", key.name)) || text.contains(&key.path()),
            "{}",
            key.path()
        );
    }
    let interface = problems("[[network.interface]]\nname = \"x\"\nzzzzzzzz = 1\n");
    let rule = problems("[[firewall.input]]\nport = 1\nzzzzzzzz = 1\n");
    for line in [&interface[0], &rule[0]] {
        for key in line.split("there are ").nth(1).unwrap().split(", ") {
            assert!(text.contains(&format!("\n{key} = ")), "{key}");
        }
    }
}

#[test]
fn every_key_says_what_it_is_for_and_what_becomes_of_it() {
    let keys = Config::keys();
    for key in &keys {
        let path = key.path();
        assert!(key.meaning.ends_with(['.', '"']), "{path}: {}", key.meaning);
        assert!(!key.values.is_empty() && !key.default.is_empty(), "{path}");
        match &key.force {
            Force::Read(readers) => assert!(!readers.is_empty(), "{path} is read by nobody"),
            Force::SameAs(other) => assert!(keys.iter().any(|key| key.path() == *other), "{path}"),
            Force::Always(text) | Force::Pending(text) => assert!(!text.is_empty(), "{path}"),
        }
    }
}

#[test]
fn the_documentation_is_what_the_tables_declare() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let hint = "cargo run -p aios-config --example documentation > docs/configuration.md";
    assert!(
        text == documentation(),
        "docs/configuration.md is old: {hint}"
    );
}

fn not_in_force(text: &str) -> Vec<String> {
    let config = parse(text).unwrap();
    let keys = config.not_in_force();
    keys.into_iter().map(|key| key.path).collect()
}

/// Each key of the design page is live, is another name of a live key, holds on every node, or is told.
#[test]
fn the_design_page_is_accepted_as_it_stands() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("design-page.toml");
    let text = std::fs::read_to_string(path).unwrap();
    assert_eq!(problems(&text), Vec::<String>::new());
    let config = parse(&text).unwrap();
    assert_eq!(config.node.name.as_deref(), Some("aios-node-01"));
    assert_eq!(config.management.listen.port(), 9090);
    assert_eq!(config.firewall.outbound, Verdict::Allow);
    let dns: Vec<String> = config.network.dns.iter().map(ToString::to_string).collect();
    assert_eq!(dns, ["1.1.1.1", "8.8.8.8"]);
    assert_eq!(
        not_in_force(&text),
        [
            "models.operational.name",
            "models.operational.max_tokens",
            "models.operational.temperature",
            "models.tactical.name",
            "models.tactical.load_on_demand",
            "models.tactical.max_tokens",
            "models.tactical.temperature",
            "models.tactical.unload_after_idle",
            "api.claude.model",
            "api.claude.max_tokens",
            "api.claude.monthly_budget_usd",
            "api.claude.rate_limit_rpm",
            "api.openai.model",
            "api.openai.max_tokens",
            "api.openai.monthly_budget_usd",
            "api.openai.fallback_only",
            "memory.operational_max_entries",
            "memory.vector_db",
            "security.sandbox_untrusted",
            "security.auto_patch",
        ]
    );
    let tells: Vec<Change> = changes(&Config::default(), &config);
    let expected = ["provision", "network"];
    assert!(
        tells.iter().map(|change| change.service()).eq(expected),
        "{tells:?}"
    );
}

#[test]
fn what_is_set_is_told_while_nothing_reads_it() {
    assert_eq!(not_in_force(""), [""; 0]);
    assert_eq!(
        not_in_force("[system]\nautonomy_level = \"full\"\n"),
        [""; 0]
    );
    let patch = "[security]\nauto_patch = true\n";
    assert_eq!(not_in_force(patch), ["security.auto_patch"]);
    let told = parse(patch).unwrap().not_in_force();
    let line = "security.auto_patch: not in force yet, it needs updates of packages";
    assert_eq!(told[0].to_string(), line);
}

#[test]
fn two_names_of_one_setting_agree_or_are_a_mistake() {
    let cases = [
        ("[system]\nhostname = \"a\"\n[node]\nname = \"a\"", ""),
        ("[network]\nmanagement_port = 9191", ""),
        (
            "[network]\nmanagement_port = 1\n[management]\nlisten = \"[::]:1\"",
            "",
        ),
        (
            "[network]\nallow_outbound = true\n[firewall]\noutbound = \"allow\"",
            "",
        ),
        (
            "[network]\ndns = [\"1.1.1.1\"]\ndns_servers = [\"1.1.1.1\"]",
            "",
        ),
        (
            "[system]\nhostname = \"a\"\n[node]\nname = \"b\"",
            "line 2, column 1: system.hostname: \"a\" contradicts node.name, which says \"b\"; both are \
             the same setting: leave system.hostname or node.name out",
        ),
        (
            "[network]\nmanagement_port = 2\n[management]\nlisten = \"[::]:1\"",
            "port 2 contradicts management.listen, which says port 1",
        ),
        (
            "[network]\nallow_outbound = true\n[firewall]\noutbound = \"deny\"",
            "what goes out is allowed contradicts firewall.outbound, which says what goes out is denied",
        ),
        (
            "[network]\ndns = [\"1.1.1.1\"]\ndns_servers = [\"1.1.1.2\"]",
            "[1.1.1.2] contradicts network.dns, which says [1.1.1.1]",
        ),
        (
            "[network]\nmanagement_port = 22",
            "22 is already the port of the management API",
        ),
        (
            "[network]\nmanagement_tls = false",
            "cannot be false: who an operator is",
        ),
        (
            "[security]\naudit_all_tool_calls = false",
            "cannot be false",
        ),
        ("[security]\ncapability_mode = \"lax\"", "is none of strict"),
        ("[models]\nruntime = \"vllm\"", "is none of llama-cpp"),
        (
            "[models.tactical]\nunload_after_idle = \"5 minutes\"",
            "not a time, such as",
        ),
        (
            "[models.tactical]\ntemperature = 3",
            "must be a number from 0 to 2, not 3",
        ),
        (
            "[models.tactical]\ntemprature = 1.0",
            "did you mean \"temperature\"?",
        ),
        ("[api.claude]\nmax_tokens = -1", "from 1 to 1000000, not -1"),
        ("[memory]\nworking_db = \"../x\"", "not an absolute path"),
        (
            "[system]\nlog_level = \"warning\"",
            "did you mean \"warn\"?",
        ),
    ];
    for (text, says) in cases {
        let found = problems(text);
        if says.is_empty() {
            assert_eq!(found, Vec::<String>::new(), "{text}");
        } else {
            assert!(
                found.iter().any(|problem| problem.contains(says)),
                "{text}\n{found:#?}"
            );
        }
    }
    let config = parse("[network]\nmanagement_port = 9191").unwrap();
    assert_eq!(config.management.listen.to_string(), "0.0.0.0:9191");
    let names = |key: &str| parse(&format!("[network]\n{key} = [\"1.1.1.1\"]")).unwrap();
    let told = changes(&names("dns"), &names("dns_servers"));
    assert!(
        told.is_empty(),
        "the same by another name changes nothing: {told:?}"
    );
}

/// One mistake each; the words must be in the message.
#[test]
fn a_mistake_is_named_with_its_place() {
    let eth = "[[network.interface]]\nname = \"eth0\"\n";
    let cases: &[(&str, &str)] = &[
        (
            "[tols]\n",
            "line 1, column 2: tols: there is no such key; did you mean \"tools\"?",
        ),
        (
            "[management]\nlissten = \"0.0.0.0:1\"\n",
            "line 2, column 1: management.lissten: there is no such key; did you mean \"listen\"?",
        ),
        (
            "[management]\nlisten = \"nowhere\"",
            "line 2, column 10: management.listen: \"nowhere\" is not an address and a port",
        ),
        (
            "[management]\nlisten = \"0.0.0.0:0\"",
            "management.listen: port 0 is no port",
        ),
        (
            "[management]\nlisten = 9090",
            "must be a text in quotes, not of type integer",
        ),
        (
            "[approval]\nauto_up_to = \"hihg\"",
            "did you mean \"high\"?",
        ),
        (
            "[runtime]\nthreads = 0",
            "must be a whole number from 1 to 256, not 0",
        ),
        ("[update]\nhealthy_s = 4", "from 5 to 600, not 4"),
        (
            "[update]\nhealthy_s = 99999999999999999999",
            "from 5 to 600",
        ),
        ("[node]\nname = \"-a\"", "not a host name"),
        ("[node\n", "line 1, column "),
        (
            "[ssh]\nport = 9090",
            "ssh.port: 9090 is already the port of the management API",
        ),
        (
            "[ssh]\nauthorized_keys = [\"ssh-ed25519 AAAA me\"]",
            "line 2, column 20: ssh.authorized_keys[0]",
        ),
        (
            "[ssh]\nauthorized_keys = [\"command=x ssh-ed25519 AAAA\"]",
            "no options",
        ),
        ("[time]\nnts = true", "needs servers"),
        (
            "[time]\nservers = [\"1.2.3.400\"]",
            "not a host name or an address",
        ),
        (
            "[network]\ndns = [\"1.1.1.1\",\"1.1.1.2\",\"1.1.1.3\",\"1.1.1.4\"]",
            "more than 3",
        ),
        ("[network]\ninterface = 5", "must be a list"),
        ("[[network.interface]]\nname = \"a/b\"", "needs a name"),
        (
            "[[network.interface]]\nname = \"eth0\"\nmac = \"52:54:00:12:34:56\"",
            "the kernel gives such names itself",
        ),
        ("[firewall]\nmanagement_from = []", "would shut port 9090"),
        (
            "[[firewall.input]]\naction = \"deny\"\nport = 9090",
            "firewall.input[0]: would shut port 9090",
        ),
        (
            "[[firewall.input]]\naction = \"deny\"\nprotocol = \"any\"\nfrom = [\"::/0\"]",
            "would shut port 9090",
        ),
        (
            "[[firewall.input]]\nprotocol = \"any\"",
            "would open every port",
        ),
        (
            "[[firewall.input]]\nprotocol = \"any\"\nport = 3",
            "\"any\" has no ports",
        ),
        ("[[firewall.input]]\nport = 0", "from 1 to 65535, not 0"),
        (
            "[[firewall.input]]\nports = [\"9-8\"]",
            "not a port or a range of ports",
        ),
    ];
    let interfaces: &[(&str, &str)] = &[
        ("mtu = 100", "from 576 to 65536"),
        ("mtu = 1000", "IPv6 needs at least 1280"),
        (
            "addresses = [\"192.0.2.1\"]",
            "not an address with its prefix",
        ),
        (
            "addresses = [\"192.0.2.1/33\"]",
            "not an address with its prefix",
        ),
        (
            "addresses = [\"192.0.2.0/24\"]",
            "the first or last address of 192.0.2.0/24",
        ),
        (
            "addresses = [\"224.0.0.1/24\"]",
            "cannot be an interface's address",
        ),
        (
            "addresses = [\"192.0.2.1/24\", \"192.0.2.1/25\"]",
            "addresses[1]: 192.0.2.1 is there twice",
        ),
        (
            "addresses = [\"192.0.2.5/24\"]\ngateway4 = \"192.0.3.1\"",
            "gateway4: 192.0.3.1 is not on this interface's network; it must lie in 192.0.2.0/24; if it is reached without one, give the address the prefix /32",
        ),
        (
            "addresses = [\"192.0.2.5/24\"]\ngateway4 = \"192.0.2.5\"",
            "own address",
        ),
        ("gateway4 = \"2001:db8::1\"", "not an IPv4 address"),
        (
            "dhcp4 = false\ngateway4 = \"192.0.2.1\"",
            "give the interface an address of that network",
        ),
        (
            "addresses = [\"2001:db8::1/64\"]\nipv6 = \"off\"",
            "\"off\", but there is an IPv6 address",
        ),
        (
            "routes = [{ to = \"10.1.0.0/8\", via = \"192.0.2.1\" }]",
            "did you mean \"10.0.0.0/8\"?",
        ),
        (
            "routes = [{ to = \"10.0.0.0/8\", via = \"2001:db8::1\" }]",
            "not of the same IP version",
        ),
        (
            "routes = [{ to = \"10.0.0.0/8\" }]",
            "routes[0].via: is missing",
        ),
        (
            "vlan = { parent = \"eth9\", id = 5 }",
            "vlan.parent: there is no interface \"eth9\"",
        ),
        ("vlan = { parent = \"eth0\", id = 5 }", "on top of itself"),
        ("vlan = { parent = \"eth0\", id = 4095 }", "from 1 to 4094"),
        (
            "bond = { mode = \"lacp\", members = [\"eth1\"] }",
            "is none of active-backup",
        ),
        ("bond = { members = [] }", "has no members"),
        (
            "vlan = { parent = \"a\", id = 1 }\nbond = { members = [\"b\"] }",
            "more than one of",
        ),
        (
            "[[network.interface]]\nname = \"eth0\"",
            "network.interface[1].name: \"eth0\" is there twice",
        ),
        (
            "[[network.interface]]\nname = \"first\"",
            "each needs its own name",
        ),
        (
            "[[network.interface]]\nname = \"b0\"\nbond = { members = [\"eth0\", \"eth0\"] }",
            "is a member twice",
        ),
        (
            "dhcp4 = true\n[[network.interface]]\nname = \"b0\"\nbond = { members = [\"eth0\"] }",
            "has addresses or is no hardware",
        ),
    ];
    let interfaces = interfaces
        .iter()
        .map(|(rest, says)| (format!("{eth}{rest}"), *says));
    for (text, says) in cases
        .iter()
        .map(|(text, says)| ((*text).to_owned(), *says))
        .chain(interfaces)
    {
        let found = problems(&text);
        assert!(
            found.iter().any(|problem| problem.contains(says)),
            "{text}\nsays {found:#?}\nand not {says:?}"
        );
    }
}

#[test]
fn what_looks_odd_and_is_right_is_accepted() {
    let cases = [
        "[[network.interface]]\nname = \"first\"\naddresses = [\"192.0.2.5/24\"]\ngateway4 = \"192.0.2.1\"",
        "[[network.interface]]\nname = \"eth0\"\naddresses = [\"192.0.2.0/31\"]\ngateway4 = \"192.0.2.1\"",
        "[[network.interface]]\nname = \"eth0\"\naddresses = [\"2001:db8::/64\"]\ngateway6 = \"fe80::1\"",
        "[[network.interface]]\nname = \"eth0\"\naddresses = [\"203.0.113.7/32\"]\ngateway4 = \"172.31.1.1\"",
        "[[network.interface]]\nname = \"eth0\"\naddresses = [\"2001:db8::7/128\"]\ngateway6 = \"2001:db8:ffff::1\"",
        "[[network.interface]]\nname = \"eth0\"\naddresses = [\"203.0.113.7/32\"]\nroutes = [{ to = \"10.0.0.0/8\", via = \"172.31.1.1\" }]",
        "[[network.interface]]\nname = \"eth0\"\n[[network.interface]]\nname = \"b0\"\nbond = { members = [\"eth0\"] }",
        "[[network.interface]]\nname = \"eth0\"\nroutes = [{ to = \"10.0.0.0/8\", via = \"192.0.2.1\" }]",
        "[[firewall.input]]\naction = \"deny\"\nport = 9090\nfrom = [\"10.0.0.0/8\"]",
        "[[firewall.input]]\naction = \"deny\"\nprotocol = \"udp\"",
        "[[firewall.input]]\nprotocol = \"any\"\nfrom = [\"10.0.0.0/8\"]",
        "management.listen = \"[::1]:1\"",
    ];
    for text in cases {
        assert_eq!(problems(text), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn all_mistakes_are_told_at_once_and_in_order_without_those_that_follow() {
    let text =
        "[node]\nnam = 1\n[firewall]\nmanagement_from = [\"x\"]\n[update]\nhealthy_s = true\n";
    let found = problems(text);
    assert_eq!(found.len(), 3, "{found:#?}");
    for (line, start) in found.iter().zip(["line 2,", "line 4,", "line 6,"]) {
        assert!(line.starts_with(start), "{line}");
    }
}

#[test]
fn a_bond_s_member_has_no_addresses_unless_it_says_so() {
    let text = "[[network.interface]]\nname = \"b0\"\nbond = { members = [\"eth1\"] }\n[[network.interface]]\nname = \"eth1\"\nmtu = 1500\n";
    let config = parse(text).unwrap();
    assert!(!config.network.interface[1].is_dynamic());
    assert!(config.network.interface[0].is_dynamic());
}

#[test]
fn a_change_touches_only_who_reads_it() {
    use Change::{Reload, Restart};
    let cases: &[(&str, &[Change])] = &[
        ("", &[]),
        ("[management]\nlisten = \"0.0.0.0:9090\"", &[]),
        (
            "[management]\nlisten = \"0.0.0.0:9091\"",
            &[Reload("network"), Restart("orchestrator")],
        ),
        (
            "[node]\nname = \"other\"",
            &[Restart("provision"), Reload("network")],
        ),
        ("[approval]\nauto_up_to = \"low\"", &[Restart("tools")]),
        ("[runtime]\nthreads = 2", &[Restart("runtime")]),
        ("[network]\ndns = [\"192.0.2.1\"]", &[Reload("network")]),
        ("[firewall]\nping = false", &[Reload("network")]),
        ("[time]\ndhcp = false", &[Restart("time")]),
        ("[ssh]\nport = 2222", &[Reload("network"), Restart("ssh")]),
        ("[console]\nstatus_page = false", &[Restart("console")]),
        ("[update]\nhealthy_s = 30", &[Restart("orchestrator")]),
        ("[tools]\ncalls_per_caller_max = 1", &[Restart("tools")]),
        ("[tools]\ncalls_per_second_max = 1", &[Restart("tools")]),
        ("[tools]\nledger_mib_per_day_max = 1", &[Restart("tools")]),
        ("[tools]\nundo_keep_days = 1", &[Restart("tools")]),
        (
            "[time]\nservers = [\"192.0.2.1\"]",
            &[Reload("network"), Restart("time")],
        ),
        ("[data]\nencryption = \"tpm2\"", &[]), // counts when the data partition is made
    ];
    for (text, expected) in cases {
        let new = parse(text).unwrap();
        assert_eq!(changes(&Config::default(), &new), *expected, "{text}");
        let back = changes(&new, &Config::default());
        assert_eq!(back, *expected, "undoing {text}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}") {
        let _ = parse(&text);
    }

    /// Texts that are nearly configurations.
    #[test]
    fn no_mixture_of_keys_and_values_makes_it_panic(
        lines in proptest::collection::vec((
            prop::sample::select(vec![
                "[network]", "[[network.interface]]", "[firewall]", "[[firewall.input]]", "[ssh]",
                "name", "vlan", "bond", "addresses", "gateway4", "gateway6", "routes", "mtu", "ports",
                "from", "port", "dns", "management_from", "authorized_keys", "listen", "\"\\u0000\"", "é",
            ]),
            prop::sample::select(vec![
                "1", "-1", "0", "9e9", "true", "\"first\"", "\"0.0.0.0/0\"", "\"::/0\"", "[]", "[1]", "{}",
                "{ parent = \"first\", id = 1 }", "{ members = [\"a\", \"a\"] }", "[\"1.2.3.4/0\"]", "[\"::1/128\"]",
                "[{ to = \"::/0\", via = \"::1\" }]", "\"fe80::1\"", "[\"1-65535\"]", "0x7fffffffffffffff", "1979-05-27",
            ]),
        ), 0..12)
    ) {
        let text: String = lines.iter().map(|(key, value)| {
            if key.starts_with('[') { format!("{key}\n") } else { format!("{key} = {value}\n") }
        }).collect();
        let bad = parse(&text).err().unwrap_or_default();
        for problem in bad {
            prop_assert!(problem.line >= 1 && problem.column >= 1);
            prop_assert!(!problem.to_string().contains('\0'));
        }
    }
}
