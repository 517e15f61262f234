//! The firewall: an nftables ruleset, made by a pure function, loaded in one step.

use aios_config::{Config, Protocol, Rule, Verdict};
use aios_firewall::{CHAIN, Rules, TABLE};
use ipnet::IpNet;

/// Connections to the management port that one source may have open: an IPv4 address, or an IPv6
/// network of 64 bits. The daemon there has limits of its own (`orchestrator/src/api/incoming.rs`), so this
/// is beyond what it lets anybody have: 64 handshakes, and 8 connections of each of 8 operators. It keeps a
/// flood out of the kernel's table of connections.
const MANAGEMENT_OF_SOURCE: u32 = 128;

/// Where the kernel counts them, by source. A source of which nothing is open is forgotten. More
/// sources than the table holds are not counted.
const COUNTED: [&str; 2] = [
    "set management_v4 { type ipv4_addr; size 65535; flags dynamic; }",
    "set management_v6 { type ipv6_addr; size 65535; flags dynamic; }",
];

/// nft(8)'s text for this configuration. With `ssh` the port of SSH is open. With `counted` one source
/// has only so many connections to the management port, which some kernels cannot do. `operators` are
/// the rules that the operator made by tools.
pub fn ruleset(config: &Config, operators: &Rules, ssh: bool, counted: bool) -> String {
    let firewall = &config.firewall;
    let mut input = vec![
        "ct state invalid drop".to_owned(),
        "ct state established,related accept".to_owned(),
        "iifname \"lo\" accept".to_owned(),
    ];
    input.extend(ICMP_IN.map(str::to_owned));
    input.extend(DHCP_IN.map(str::to_owned));
    let denied = |rules: &[Rule], verdict, peer, out: &mut Vec<String>| {
        for rule in rules.iter().filter(|rule| rule.action == verdict) {
            out.extend(statements(rule, peer));
        }
    };
    denied(&firewall.input, Verdict::Deny, "saddr", &mut input);
    if firewall.ping {
        input.push("icmp type echo-request limit rate 20/second accept".to_owned());
        input.push("icmpv6 type echo-request limit rate 20/second accept".to_owned());
    }
    let port = config.management.listen.port();
    if counted {
        input.extend(of_source(port));
    }
    input.extend(service(port, firewall.management_from.as_deref()));
    if ssh {
        input.extend(service(config.ssh.port, firewall.ssh_from.as_deref()));
    }
    input.extend(operators_part([port, config.ssh.port]));
    denied(&firewall.input, Verdict::Allow, "saddr", &mut input);

    let closed = firewall.outbound == Verdict::Deny;
    let mut output = Vec::new();
    denied(&firewall.output, Verdict::Deny, "daddr", &mut output);
    if closed {
        output.push("ct state established,related accept".to_owned());
        output.push("oifname \"lo\" accept".to_owned());
        output.extend(BASICS_OUT.map(str::to_owned));
        denied(&firewall.output, Verdict::Allow, "daddr", &mut output);
        output.push("reject with icmpx admin-prohibited".to_owned());
    }
    let sets: String = match counted {
        true => COUNTED.iter().map(|set| format!("\t{set}\n")).collect(),
        false => String::new(),
    };
    // Empty, deleted, made again: in one transaction the old one is replaced by the new one.
    format!(
        "table inet {TABLE} {{}}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n{sets}{}{}{}{}}}\n",
        operators.chain(),
        chain("input", "drop", &input),
        chain("forward", "drop", &[]),
        chain("output", if closed { "drop" } else { "accept" }, &output),
    )
}

/// Sends to the operator's rules what aiOS has neither let in nor refused, and nothing that is for the
/// ports by which the node is kept: no rule closes them, and none opens them to more than the
/// configuration does.
fn operators_part(kept: [u16; 2]) -> [String; 2] {
    let [management, ssh] = kept;
    [
        format!("tcp dport != {{ {management}, {ssh} }} jump {CHAIN}"),
        format!("meta l4proto udp jump {CHAIN}"),
    ]
}

/// Refuses a source's connections beyond [`MANAGEMENT_OF_SOURCE`].
fn of_source(port: u16) -> [String; 2] {
    let refused = |set: &str, source: &str| {
        format!(
            "ct state new tcp dport {port} add @{set} \
             {{ {source} ct count over {MANAGEMENT_OF_SOURCE} }} reject with tcp reset"
        )
    };
    [
        refused("management_v4", "ip saddr"),
        refused("management_v6", "ip6 saddr & ffff:ffff:ffff:ffff::"),
    ]
}

/// What IP needs to work at all (RFC 4890, 4.4; RFC 1812), and nothing that is only useful.
const ICMP_IN: [&str; 4] = [
    "icmp type { destination-unreachable, time-exceeded, parameter-problem } accept",
    "icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
    // Neighbours and routers are on the same link: nobody from afar can have this hop limit.
    "ip6 hoplimit 255 icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept",
    "ip6 saddr fe80::/10 icmpv6 type { mld-listener-query, mld-listener-report, mld2-listener-report } accept",
];

/// Answers to our DHCP client; they may come to an address that we do not have yet.
const DHCP_IN: [&str; 2] = [
    "udp sport 67 udp dport 68 accept",
    "ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
];

/// Without these no connection can be made, whatever is allowed.
const BASICS_OUT: [&str; 4] = [
    "meta l4proto { icmp, icmpv6 } accept",
    "udp sport 68 udp dport 67 accept",
    "udp sport 546 udp dport 547 accept",
    "meta l4proto { tcp, udp } th dport { 53, 123 } accept",
];

fn chain(hook: &str, policy: &str, rules: &[String]) -> String {
    let rules: String = rules.iter().map(|rule| format!("\t\t{rule}\n")).collect();
    format!(
        "\tchain {hook} {{\n\t\ttype filter hook {hook} priority filter; policy {policy};\n{rules}\t}}\n"
    )
}

fn service(port: u16, from: Option<&[IpNet]>) -> Vec<String> {
    by_peers(
        from.unwrap_or_default(),
        "saddr",
        &format!("tcp dport {port}"),
        "accept",
    )
}

fn statements(rule: &Rule, peer: &str) -> Vec<String> {
    let verdict = match rule.action {
        Verdict::Allow => "accept",
        Verdict::Deny => "drop",
    };
    let ports: Vec<String> = rule.ports.iter().map(ToString::to_string).collect();
    let what = match (rule.protocol, ports.is_empty()) {
        (Protocol::Any, _) => String::new(),
        (Protocol::Tcp, true) => "meta l4proto tcp".to_owned(),
        (Protocol::Udp, true) => "meta l4proto udp".to_owned(),
        (Protocol::Tcp, false) => format!("tcp dport {{ {} }}", ports.join(", ")),
        (Protocol::Udp, false) => format!("udp dport {{ {} }}", ports.join(", ")),
    };
    by_peers(&rule.peers, peer, &what, verdict)
}

/// One statement for everyone, or one per IP version.
fn by_peers(peers: &[IpNet], peer: &str, what: &str, verdict: &str) -> Vec<String> {
    let join = |parts: [&str; 3]| {
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(" ")
    };
    if peers.is_empty() {
        return vec![join(["", what, verdict])];
    }
    let nets = IpNet::aggregate(&peers.iter().map(IpNet::trunc).collect());
    let family = |v4: bool| {
        let of: Vec<String> = nets
            .iter()
            .filter(|net| net.addr().is_ipv4() == v4)
            .map(ToString::to_string)
            .collect();
        let name = if v4 { "ip" } else { "ip6" };
        let selector = format!("{name} {peer} {{ {} }}", of.join(", "));
        (!of.is_empty()).then(|| join([&selector, what, verdict]))
    };
    [family(true), family(false)]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, ssh: bool) -> String {
        ruleset(
            &aios_config::parse(text).unwrap(),
            &Rules::default(),
            ssh,
            true,
        )
    }

    /// With `UPDATE=1` the snapshot is written anew, to be looked at in the diff.
    fn snapshot(name: &str, text: &str) {
        let path = format!("{}/tests/{name}.nft", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        assert_eq!(
            text,
            std::fs::read_to_string(&path).unwrap_or_default(),
            "{path}"
        );
    }

    #[test]
    fn the_default_lets_only_the_management_api_in() {
        let text = of("", false);
        snapshot("default", &text);
        let open = text.lines().filter(|line| line.contains("tcp dport"));
        let open: Vec<&str> = open.filter(|line| line.contains("accept")).collect();
        assert_eq!(open, ["\t\ttcp dport 9090 accept"], "{text}");
    }

    #[test]
    fn a_kernel_that_cannot_count_has_the_same_rules_without() {
        let config = aios_config::parse("").unwrap();
        let (with, without) = (
            ruleset(&config, &Rules::default(), false, true),
            ruleset(&config, &Rules::default(), false, false),
        );
        let uncounted = with.lines().filter(|line| !line.contains("management_v"));
        assert_eq!(
            uncounted.collect::<Vec<_>>(),
            without.lines().collect::<Vec<_>>()
        );
        assert_eq!(with.lines().count(), without.lines().count() + 4);
    }

    #[test]
    fn every_kind_of_rule() {
        let reference = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../config/schema/reference.toml"
        );
        let text = std::fs::read_to_string(reference).unwrap();
        snapshot("reference", &of(&text, true));
    }

    #[test]
    fn a_denial_comes_before_every_permission() {
        let text = of(
            "[[firewall.input]]\nport = 80\n[[firewall.input]]\naction = \"deny\"\nprotocol = \"any\"\nfrom = [\"10.0.0.0/8\"]",
            true,
        );
        let at = |what: &str| text.find(what).unwrap();
        assert!(at("saddr { 10.0.0.0/8 } drop") < at("tcp dport 9090 accept"));
        assert!(at("saddr { 10.0.0.0/8 } drop") < at("tcp dport { 80 } accept"));
    }

    /// aiOS's own refusals come before the operator's rules, and so does what keeps the node reachable.
    #[test]
    fn the_operators_rules_come_after_what_keeps_the_node_and_before_permissions() {
        let config = aios_config::parse(
            "[[firewall.input]]\nport = 80\n[[firewall.input]]\naction = \"deny\"\nport = 81\n",
        )
        .unwrap();
        let operators = Rules::parse("deny tcp 9090\nallow udp 53").unwrap();
        let text = ruleset(&config, &operators, true, true);
        let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what}: {text}"));
        let jump = at("tcp dport != { 9090, 22 } jump operator");
        assert!(at("tcp dport { 81 } drop") < jump);
        assert!(at("tcp dport 9090 accept") < jump);
        assert!(at("tcp dport 22 accept") < jump);
        assert!(jump < at("tcp dport { 80 } accept"));
        assert!(at("tcp dport 9090 counter drop") < at("chain input"));
    }
}
