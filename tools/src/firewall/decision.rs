//! What the packet filter decides about new connections to a port, read from nft's listing of the table.

use super::rules::{Chain, chains};

/// One rule that decides on connections to the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// From where: an address, a network, or several; from everywhere when it is absent.
    pub from: Option<String>,
    /// Are they let in?
    pub lets_in: bool,
}

/// The rules that decide on new connections to a port, in order; the last is for everywhere. Rules about
/// other things than source, protocol and port (states, interfaces, rates) are passed over: none of
/// aiOS's lets a stranger's connection in.
pub fn decisions(table: &str, protocol: &str, port: u16) -> Vec<Decision> {
    let chains = chains(table);
    let mut found = Vec::new();
    let input = chains.iter().find(|chain| chain.name == "input");
    if let Some(input) = input {
        follow(input, &chains, (protocol, port), &mut found);
    }
    if !is_settled(&found) {
        found.push(Decision {
            from: None,
            lets_in: input.is_some_and(|input| input.policy == "accept"),
        });
    }
    found
}

/// Is it decided for everywhere?
fn is_settled(found: &[Decision]) -> bool {
    found.last().is_some_and(|last| last.from.is_none())
}

/// Adds the decisions of a chain, and of those to which it jumps (nft refuses loops), until one is for
/// everywhere.
fn follow(chain: &Chain, all: &[Chain], what: (&str, u16), found: &mut Vec<Decision>) {
    for rule in &chain.rules {
        if is_settled(found) {
            return;
        }
        let Some((from, verdict)) = fits(rule, what.0, what.1) else {
            continue;
        };
        match verdict.strip_prefix("jump ") {
            Some(name) => {
                if let Some(next) = all.iter().find(|chain| chain.name == name) {
                    follow(next, all, what, found);
                }
            }
            None => found.push(Decision {
                from,
                lets_in: verdict == "accept",
            }),
        }
    }
}

/// From where a rule takes packets to this port, and what becomes of them; `None` when it is about
/// others, or about something else.
fn fits<'a>(rule: &'a str, protocol: &str, port: u16) -> Option<(Option<String>, &'a str)> {
    let (from, rest) = match rule.split_once(" saddr ") {
        Some(("ip" | "ip6", rest)) => {
            let (value, rest) = value(rest)?;
            (Some(value.to_owned()), rest)
        }
        _ => (None, rule),
    };
    let rest = match rest.split_once(' ') {
        Some((found @ ("tcp" | "udp"), rest)) => {
            let rest = rest.strip_prefix("dport ")?;
            if found != protocol {
                return None;
            }
            port_in(rest, port)?
        }
        Some(("meta", rest)) => {
            let (protocols, rest) = value(rest.strip_prefix("l4proto ")?)?;
            let number = if protocol == "udp" { "17" } else { "6" };
            let is_it = |found: &str| found == protocol || found == number;
            if !protocols.split(", ").any(is_it) {
                return None;
            }
            match rest.strip_prefix("th dport ") {
                Some(rest) => port_in(rest, port)?,
                None => rest,
            }
        }
        _ => rest,
    };
    let verdict = match rest.strip_prefix("counter packets ") {
        Some(counted) => counted.splitn(4, ' ').nth(3)?,
        None => rest,
    };
    let is_verdict = ["accept", "drop", "reject", "jump"].contains(&verdict.split(' ').next()?);
    is_verdict.then_some((from, verdict))
}

/// What comes after the ports, when this one is among them.
fn port_in(rest: &str, port: u16) -> Option<&str> {
    let (negated, rest) = match rest.strip_prefix("!= ") {
        Some(rest) => (true, rest),
        None => (false, rest),
    };
    let (ports, rest) = value(rest)?;
    let is_in = ports.split(", ").any(|range| {
        let range = range.parse::<aios_config::Ports>();
        range.is_ok_and(|range| range.contains(port))
    });
    (is_in != negated).then_some(rest)
}

/// A value or a set of values, without its braces, and what follows.
fn value(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix("{ ") {
        Some(set) => set.split_once(" } "),
        None => text.split_once(' '),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With the rules of the chains `input` and `operator`; `+` before a source that is let in.
    fn decided(input: &[&str], operators: &[&str], protocol: &str, port: u16) -> Vec<String> {
        let table = format!(
            "table inet aios {{\n\tchain operator {{\n\t\t{}\n\t}}\n\n\tchain input {{\n\
             \t\ttype filter hook input priority filter; policy drop;\n\t\t{}\n\t}}\n}}\n",
            operators.join("\n\t\t"),
            input.join("\n\t\t")
        );
        let found = decisions(&table, protocol, port).into_iter();
        found
            .map(|one| {
                let sign = if one.lets_in { '+' } else { '-' };
                format!("{sign}{}", one.from.as_deref().unwrap_or("all"))
            })
            .collect()
    }

    #[test]
    fn the_rules_that_decide_on_a_port_are_found_in_order() {
        let input = [
            "ct state invalid drop",
            "ct state established,related accept",
            "iifname \"lo\" accept",
            "icmp type echo-request limit rate 20/second burst 5 packets accept",
            "udp sport 67 udp dport 68 accept",
            "ip saddr 203.0.113.0/24 drop",
            "ct state new tcp dport 9090 add @management_v4 { ip saddr ct count over 128 } reject with tcp reset",
            "ip saddr { 10.0.0.0/8, 192.0.2.7 } tcp dport 9090 accept",
            "tcp dport != { 22, 9090 } jump operator",
            "meta l4proto 17 jump operator",
            "tcp dport { 80, 8000-8010 } accept",
        ];
        let operators = [
            "ip6 saddr ::1 tcp dport 80 counter packets 0 bytes 0 drop",
            "udp dport 53 counter packets 1 bytes 60 accept",
            "ip saddr 10.1.0.0/16 meta l4proto { 6, 17 } th dport 100-200 counter packets 0 bytes 0 accept",
            "tcp dport 9090 counter packets 0 bytes 0 drop",
        ];
        let check = |protocol, port, expected: &[&str]| {
            let found = decided(&input, &operators, protocol, port);
            assert_eq!(found, expected, "{protocol} {port}");
        };
        let refused = "-203.0.113.0/24";
        check("tcp", 9090, &[refused, "+10.0.0.0/8, 192.0.2.7", "-all"]);
        check("tcp", 80, &[refused, "-::1", "+all"]);
        check("tcp", 8005, &[refused, "+all"]);
        check("udp", 53, &[refused, "+all"]);
        check("tcp", 53, &[refused, "-all"]);
        check("udp", 150, &[refused, "+10.1.0.0/16", "-all"]);
        check("tcp", 22, &[refused, "-all"]);
    }
}
