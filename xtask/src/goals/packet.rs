//! What the active rules of nftables do with a packet.
//!
//! The rules are those of `nft -j list ruleset` (libnftables-json(5)). Judged are chains of the families
//! `inet`, `ip` and `ip6` that filter at the hooks `input` and `output`; of statements verdicts, jumps, limits (a
//! single packet is below each limit) and what has no effect on a packet; of matches addresses, ports and
//! protocols (a value, a set, a named set, a range, a prefix), `ct state`, the family and the names of interfaces.
//! A packet is the first of a new connection and comes from, or goes to, another machine. What the tester does
//! not know is not guessed: the packet's fate is unknown if it depends on it.

use std::net::IpAddr;

use serde_json::Value;

use super::form::Protocol;

/// The source port of a client.
const CLIENT_PORT: u64 = 40_000;

/// How deep chains may jump.
const DEPTH_MAX: usize = 16;

/// Which way a packet goes, seen from the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// The first packet of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    pub way: Way,
    pub protocol: Protocol,
    /// The other machine.
    pub peer: IpAddr,
    /// The port it is sent to.
    pub port: u16,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    Dropped,
    Unknown,
}

/// How far a chain decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Decided(Fate),
    /// The chain ended, or returned.
    Returned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Fits {
    fn from(fits: bool) -> Self {
        if fits { Self::Yes } else { Self::No }
    }
}

/// What the rules of a whole listing do with a packet.
pub fn fate(listing: &Value, packet: &Packet) -> Fate {
    let rules = Listing { listing, packet };
    let hook = match packet.way {
        Way::In => "input",
        Way::Out => "output",
    };
    let mut chains: Vec<&Value> = rules
        .all("chain")
        .filter(|chain| chain["hook"] == hook && rules.is_of_family(chain))
        .collect();
    chains.sort_by_key(|chain| chain["prio"].as_i64().unwrap_or_default());
    let mut whole = Fate::Accepted;
    for chain in chains {
        let name = chain["name"].as_str().unwrap_or_default();
        let policy = match chain["policy"].as_str() {
            Some("drop") => Fate::Dropped,
            _ => Fate::Accepted,
        };
        match rules.decide(chain, name, 0, Decision::Decided(policy), 0) {
            Decision::Decided(Fate::Dropped) => return Fate::Dropped,
            Decision::Decided(Fate::Unknown) => whole = Fate::Unknown,
            Decision::Decided(Fate::Accepted) | Decision::Returned => {}
        }
    }
    whole
}

/// Is there any chain that filters what comes in or goes out?
pub fn has_filter(listing: &Value) -> bool {
    let entries = listing["nftables"].as_array().into_iter().flatten();
    let mut chains = entries.filter_map(|entry| entry.get("chain"));
    chains.any(|chain| chain["type"] == "filter" && !chain["hook"].is_null())
}

struct Listing<'a> {
    listing: &'a Value,
    packet: &'a Packet,
}

impl<'a> Listing<'a> {
    fn all(&self, what: &'static str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let entries = self.listing["nftables"].as_array().into_iter().flatten();
        entries.filter_map(move |entry| entry.get(what))
    }

    fn is_of_family(&self, chain: &Value) -> bool {
        match chain["family"].as_str() {
            Some("inet") => true,
            Some("ip") => self.packet.peer.is_ipv4(),
            Some("ip6") => self.packet.peer.is_ipv6(),
            _ => false,
        }
    }

    /// What the rules of a chain decide, from the one of that number on. `of` is anything of the chain's table,
    /// `end` what comes of the chain's end.
    fn decide(
        &self,
        of: &Value,
        chain: &str,
        from: usize,
        end: Decision,
        depth: usize,
    ) -> Decision {
        if depth > DEPTH_MAX {
            return Decision::Decided(Fate::Unknown);
        }
        let rules = self.all("rule").filter(|rule| {
            rule["family"] == of["family"] && rule["table"] == of["table"] && rule["chain"] == chain
        });
        for (number, rule) in rules.enumerate().skip(from) {
            let (fits, effect) = self.rule(rule, end, depth);
            let Some(effect) = effect else { continue };
            match fits {
                Fits::No => {}
                Fits::Yes => return effect,
                Fits::Unknown => {
                    let otherwise = self.decide(of, chain, number + 1, end, depth);
                    return if effect == otherwise {
                        effect
                    } else {
                        Decision::Decided(Fate::Unknown)
                    };
                }
            }
        }
        end
    }

    /// Whether a rule fits the packet, and what it then decides; `None`: the next rule comes.
    fn rule(&self, rule: &Value, end: Decision, depth: usize) -> (Fits, Option<Decision>) {
        let mut fits = Fits::Yes;
        for statement in rule["expr"].as_array().into_iter().flatten() {
            let Some((name, body)) = statement.as_object().and_then(|one| one.iter().next()) else {
                continue;
            };
            let one = match name.as_str() {
                "match" => self.matches(rule, body),
                "limit" => Fits::from(body["inv"] != true),
                "ct count" => Fits::from(body["inv"] != true),
                "set" | "map" => within_limits(body),
                "counter" | "log" | "comment" | "mangle" | "notrack" => Fits::Yes,
                "accept" => return (fits, Some(Decision::Decided(Fate::Accepted))),
                "drop" | "reject" => return (fits, Some(Decision::Decided(Fate::Dropped))),
                "return" => return (fits, Some(end)),
                "jump" | "goto" if fits == Fits::No => return (Fits::No, None),
                "jump" => {
                    let target = body["target"].as_str().unwrap_or_default();
                    let decided = self.decide(rule, target, 0, Decision::Returned, depth + 1);
                    return (fits, Some(decided).filter(|one| *one != Decision::Returned));
                }
                "goto" => {
                    let target = body["target"].as_str().unwrap_or_default();
                    return (fits, Some(self.decide(rule, target, 0, end, depth + 1)));
                }
                _ => return (fits, Some(Decision::Decided(Fate::Unknown))),
            };
            fits = match (fits, one) {
                (Fits::No, _) | (_, Fits::No) => return (Fits::No, None),
                (Fits::Yes, Fits::Yes) => Fits::Yes,
                _ => Fits::Unknown,
            };
        }
        (fits, None)
    }

    fn matches(&self, rule: &Value, body: &Value) -> Fits {
        let positive = self.left_and_right(rule, &body["left"], &body["right"]);
        match (body["op"].as_str(), positive) {
            (Some("==" | "in"), fits) => fits,
            (Some("!="), Fits::Yes) => Fits::No,
            (Some("!="), Fits::No) => Fits::Yes,
            _ => Fits::Unknown,
        }
    }

    fn left_and_right(&self, rule: &Value, left: &Value, right: &Value) -> Fits {
        if let Some(key) = left["ct"]["key"].as_str() {
            return match key {
                "state" => contains(right, "new"),
                "status" => Fits::No, // nothing is known of a new connection
                _ => Fits::Unknown,
            };
        }
        if let Some(key) = left["meta"]["key"].as_str() {
            return self.meta(key, right);
        }
        let payload = &left["payload"];
        let (Some(header), Some(field)) = (payload["protocol"].as_str(), payload["field"].as_str())
        else {
            return Fits::Unknown;
        };
        let packet = self.packet;
        let has_header = match header {
            "ip" => packet.peer.is_ipv4(),
            "ip6" => packet.peer.is_ipv6(),
            "tcp" => packet.protocol == Protocol::Tcp,
            "udp" => packet.protocol == Protocol::Udp,
            "th" => true,
            _ => false, // icmp, icmpv6, sctp, ether …: no such packet
        };
        match (has_header, header, field) {
            (false, _, _) => Fits::No,
            (true, "tcp" | "udp" | "th", "dport") => self.number(rule, right, packet.port.into()),
            (true, "tcp" | "udp" | "th", "sport") => self.number(rule, right, CLIENT_PORT),
            (true, "ip" | "ip6", "saddr") if packet.way == Way::In => self.address(rule, right),
            (true, "ip" | "ip6", "daddr") if packet.way == Way::Out => self.address(rule, right),
            (true, "ip", "protocol") | (true, "ip6", "nexthdr") => self.protocol(right),
            _ => Fits::Unknown,
        }
    }

    fn meta(&self, key: &str, right: &Value) -> Fits {
        match key {
            "l4proto" => self.protocol(right),
            "nfproto" | "protocol" => {
                let names: &[&str] = match self.packet.peer.is_ipv4() {
                    true => &["ipv4", "ip"],
                    false => &["ipv6", "ip6"],
                };
                Fits::from(names.iter().any(|name| contains(right, name) == Fits::Yes))
            }
            // An interface of another name than `lo`; which one is not known.
            "iif" | "iifname" | "oif" | "oifname" => match right.as_str() {
                Some("lo") => Fits::No,
                _ => Fits::Unknown,
            },
            _ => Fits::Unknown,
        }
    }

    fn protocol(&self, right: &Value) -> Fits {
        let (name, number) = match self.packet.protocol {
            Protocol::Tcp => ("tcp", 6),
            Protocol::Udp => ("udp", 17),
        };
        match contains(right, name) {
            Fits::Yes => Fits::Yes,
            _ => any(right, |value| Some(value.as_u64()? == number)),
        }
    }

    fn number(&self, rule: &Value, right: &Value, port: u64) -> Fits {
        self.any_in(rule, right, |value| {
            if let Some(range) = value["range"].as_array() {
                let (low, high) = (range.first()?.as_u64()?, range.get(1)?.as_u64()?);
                return Some((low..=high).contains(&port));
            }
            Some(value.as_u64()? == port)
        })
    }

    fn address(&self, rule: &Value, right: &Value) -> Fits {
        let peer = self.packet.peer;
        self.any_in(rule, right, |value| {
            if let Some(range) = value["range"].as_array() {
                let (low, high) = (range.first()?.as_str()?, range.get(1)?.as_str()?);
                let (low, high): (IpAddr, IpAddr) = (low.parse().ok()?, high.parse().ok()?);
                return Some(low.is_ipv4() == peer.is_ipv4() && low <= peer && peer <= high);
            }
            if let Some(prefix) = value.get("prefix") {
                let net: IpAddr = prefix["addr"].as_str()?.parse().ok()?;
                return is_in(peer, net, u32::try_from(prefix["len"].as_u64()?).ok()?);
            }
            Some(value.as_str()?.parse::<IpAddr>().ok()? == peer)
        })
    }

    /// As [`any`]; a named set is looked up.
    fn any_in(&self, rule: &Value, right: &Value, fits: impl Fn(&Value) -> Option<bool>) -> Fits {
        let Some(name) = right.as_str().and_then(|text| text.strip_prefix('@')) else {
            return any(right, fits);
        };
        let set = self.all("set").find(|set| {
            set["family"] == rule["family"] && set["table"] == rule["table"] && set["name"] == name
        });
        match set {
            Some(set) if set.get("elem").is_some() => any(&set["elem"], fits),
            Some(_) => Fits::No,
            None => Fits::Unknown,
        }
    }
}

/// Does it fit a value, or one of a set or a list?
fn any(right: &Value, fits: impl Fn(&Value) -> Option<bool>) -> Fits {
    let one = std::slice::from_ref(right);
    let set = right.get("set").unwrap_or(right);
    let values = set.as_array().map_or(one, Vec::as_slice);
    let mut unknown = false;
    for value in values {
        // An element with a comment or a timeout.
        let value = value.get("elem").map_or(value, |elem| &elem["val"]);
        match fits(value) {
            Some(true) => return Fits::Yes,
            Some(false) => {}
            None => unknown = true,
        }
    }
    if unknown { Fits::Unknown } else { Fits::No }
}

/// Is this word the value, or one of the values?
fn contains(right: &Value, word: &str) -> Fits {
    any(right, |value| Some(value.as_str() == Some(word)))
}

/// Is this one connection within the limits that a set counts by source?
fn within_limits(set: &Value) -> Fits {
    let counted = set["stmt"].as_array().into_iter().flatten();
    let over = |one: &Value| one["ct count"]["inv"] == true || one["limit"]["inv"] == true;
    Fits::from(!counted.into_iter().any(over))
}

fn is_in(address: IpAddr, net: IpAddr, length: u32) -> Option<bool> {
    let same = |a: u128, b: u128, bits: u32| {
        let shift = bits.checked_sub(length)?;
        Some(shift == bits || a >> shift == b >> shift)
    };
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
        // A shift by all 128 bits overflows; `same` does not get there.
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// The JSON of rules in nft's own words, made by nft in a network namespace of its own.
    fn listing(rules: &str) -> Value {
        use std::io::Write as _;
        let script = "nft -f - && nft -j list ruleset";
        let mut nft = Command::new("unshare")
            .args(["--net", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        nft.stdin
            .take()
            .unwrap()
            .write_all(rules.as_bytes())
            .unwrap();
        let output = nft.wait_with_output().unwrap();
        assert!(output.status.success(), "{rules}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn packet(port: u16, peer: &str) -> Packet {
        Packet {
            way: Way::In,
            protocol: Protocol::Tcp,
            peer: peer.parse().unwrap(),
            port,
        }
    }

    fn can_run() -> bool {
        aios_testkit::needs::root() && aios_testkit::needs::programs(&["nft", "unshare"])
    }

    #[test]
    fn the_rules_of_a_whole_machine_are_followed() {
        if !can_run() {
            return;
        }
        let listing = listing(
            "table inet aios {
                set bad { type ipv4_addr; flags interval; elements = { 198.51.100.0/24 } }
                chain operator {
                    tcp dport 8602 ip saddr 10.20.0.0/16 accept
                    tcp dport { 8500, 8600-8610 } reject with tcp reset
                    ip saddr 10.66.0.1-10.66.9.9 udp dport 53 accept
                    meta l4proto { tcp, udp } th dport 7000 ip6 saddr 2001:db8::/32 accept
                    tcp dport 7100 return
                    tcp dport 7100 accept
                }
                chain input {
                    type filter hook input priority filter; policy drop;
                    ct state invalid drop
                    ct state established,related accept
                    iifname \"lo\" accept
                    icmp type echo-request limit rate 20/second accept
                    ip saddr @bad drop
                    tcp dport 9090 accept
                    tcp dport != { 9090, 22 } jump operator
                    meta l4proto udp jump operator
                    tcp dport 7200 ip saddr != 192.0.2.1 accept
                }
                chain output {
                    type filter hook output priority filter; policy accept;
                    tcp dport 25 reject with icmpx admin-prohibited
                    ip daddr 203.0.113.9 drop
                }
            }",
        );
        assert!(has_filter(&listing));
        let check = |packet: Packet, expected: Fate| {
            assert_eq!(fate(&listing, &packet), expected, "{packet:?}");
        };
        check(packet(9090, "203.0.113.7"), Fate::Accepted);
        check(packet(9090, "198.51.100.7"), Fate::Dropped);
        check(packet(22, "203.0.113.7"), Fate::Dropped);
        check(packet(8602, "10.20.3.4"), Fate::Accepted);
        check(packet(8602, "10.21.3.4"), Fate::Dropped);
        check(packet(8602, "2001:db8::1"), Fate::Dropped);
        check(packet(7000, "2001:db8::1"), Fate::Accepted);
        check(packet(7000, "203.0.113.7"), Fate::Dropped);
        check(packet(7100, "203.0.113.7"), Fate::Dropped);
        check(packet(7200, "203.0.113.7"), Fate::Accepted);
        check(packet(7200, "192.0.2.1"), Fate::Dropped);
        let udp = Packet {
            protocol: Protocol::Udp,
            ..packet(53, "10.66.3.9")
        };
        check(udp, Fate::Accepted);
        let out = |port, peer| Packet {
            way: Way::Out,
            ..packet(port, peer)
        };
        check(out(25, "203.0.113.7"), Fate::Dropped);
        check(out(26, "203.0.113.7"), Fate::Accepted);
        check(out(26, "203.0.113.9"), Fate::Dropped);
    }

    #[test]
    fn what_the_tester_does_not_know_is_unknown_only_where_it_matters() {
        if !can_run() {
            return;
        }
        let listing = listing(
            "table ip one {
                chain input {
                    type filter hook input priority 0; policy drop;
                    iifname \"eth7\" tcp dport 80 accept
                    iifname \"eth7\" tcp dport 81 drop
                    tcp dport 83 goto other
                    tcp dport 83 accept
                    ip ttl 3 tcp dport 82 accept
                    tcp dport 82 accept
                }
                chain other { tcp dport 83 return; }
            }
            table ip6 two {
                chain later { type filter hook input priority 5; policy drop; }
            }",
        );
        let check = |port, peer, expected| {
            assert_eq!(fate(&listing, &packet(port, peer)), expected, "{port}");
        };
        check(80, "203.0.113.7", Fate::Unknown);
        check(81, "203.0.113.7", Fate::Dropped);
        check(82, "203.0.113.7", Fate::Accepted);
        check(82, "2001:db8::1", Fate::Dropped);
        check(83, "203.0.113.7", Fate::Dropped);
    }

    #[test]
    fn no_rules_let_everything_in() {
        let nothing = serde_json::json!({ "nftables": [] });
        assert_eq!(fate(&nothing, &packet(1, "192.0.2.1")), Fate::Accepted);
        assert!(!has_filter(&nothing));
    }

    #[test]
    fn a_prefix_holds_its_addresses() {
        let check = |address: &str, net: &str, length, expected| {
            let found = is_in(address.parse().unwrap(), net.parse().unwrap(), length);
            assert_eq!(found, expected, "{address} {net}/{length}");
        };
        check("10.20.3.4", "10.20.0.0", 16, Some(true));
        check("10.21.3.4", "10.20.0.0", 16, Some(false));
        check("10.21.3.4", "0.0.0.0", 0, Some(true));
        check("2001:db8::1", "::", 0, Some(true));
        check("2001:db8::1", "2001:db8::1", 128, Some(true));
        check("2001:db8::1", "10.0.0.0", 8, Some(false));
        check("10.0.0.1", "10.0.0.0", 33, None);
    }
}
