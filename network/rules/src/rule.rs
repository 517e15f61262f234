//! One rule: its words, and the statement of nft(8) for it.

use std::fmt;
use std::str::FromStr;

use aios_config::{Ports, Protocol, Verdict};
use ipnet::IpNet;

/// What becomes of connections to some ports of this node. As a line: `allow tcp 443 from 10.0.0.0/8`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Let in or dropped.
    pub action: Verdict,
    /// TCP, UDP, or both.
    pub protocol: Protocol,
    /// To which ports; all when there are none.
    pub ports: Option<Ports>,
    /// From where; from everywhere when it is absent.
    pub from: Option<IpNet>,
}

impl Rule {
    /// The statement of nft(8) for it, without the counter, in the form in which [`crate::nft::list`] shows
    /// it: protocols have numbers, because their names depend on `/etc/protocols`.
    pub fn statement(&self) -> String {
        let (source, what, verdict) = self.parts();
        format!("{source}{what} {verdict}")
    }

    /// The same with a counter of what it decided on.
    pub(crate) fn counted(&self) -> String {
        let (source, what, verdict) = self.parts();
        format!("{source}{what} counter {verdict}")
    }

    /// Is it for the packets for which the other is?
    pub(crate) fn is_for_the_same(&self, other: &Self) -> bool {
        (self.protocol, self.ports, self.from) == (other.protocol, other.ports, other.from)
    }

    fn parts(&self) -> (String, String, &'static str) {
        let source = match self.from {
            None => String::new(),
            Some(net @ IpNet::V4(_)) => format!("ip saddr {} ", short(net)),
            Some(net @ IpNet::V6(_)) => format!("ip6 saddr {} ", short(net)),
        };
        let what = match (self.protocol, self.ports) {
            (Protocol::Tcp, None) => "meta l4proto 6".to_owned(),
            (Protocol::Udp, None) => "meta l4proto 17".to_owned(),
            (Protocol::Any, None) => "meta l4proto { 6, 17 }".to_owned(),
            (Protocol::Tcp, Some(ports)) => format!("tcp dport {ports}"),
            (Protocol::Udp, Some(ports)) => format!("udp dport {ports}"),
            (Protocol::Any, Some(ports)) => format!("meta l4proto {{ 6, 17 }} th dport {ports}"),
        };
        let verdict = match self.action {
            Verdict::Allow => "accept",
            Verdict::Deny => "drop",
        };
        (source, what, verdict)
    }
}

/// A network in the form in which nft(8) lists it: one address without its prefix.
fn short(net: IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.action {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
        })?;
        f.write_str(match self.protocol {
            Protocol::Tcp => " tcp",
            Protocol::Udp => " udp",
            Protocol::Any => " any",
        })?;
        if let Some(ports) = self.ports {
            write!(f, " {ports}")?;
        }
        match self.from {
            Some(net) => write!(f, " from {}", short(net)),
            None => Ok(()),
        }
    }
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_ascii_whitespace().peekable();
        let action = match words.next() {
            Some("allow") => Verdict::Allow,
            Some("deny") => Verdict::Deny,
            _ => return Err("a rule begins with allow or deny".to_owned()),
        };
        let protocol = match words.next() {
            Some("tcp") => Protocol::Tcp,
            Some("udp") => Protocol::Udp,
            Some("any") => Protocol::Any,
            _ => return Err("after allow or deny comes tcp, udp or any".to_owned()),
        };
        let ports = match words.next_if(|word| *word != "from") {
            Some(word) => Some(ports(word)?),
            None => None,
        };
        let from = match (words.next(), words.next()) {
            (None, _) => None,
            (Some("from"), Some(word)) => Some(network(word)?),
            (Some("from"), None) => return Err("after from comes an address or network".to_owned()),
            (Some(word), _) => return Err(format!("{word:?} is not understood")),
        };
        match words.next() {
            Some(word) => Err(format!("{word:?} is not understood")),
            None => Ok(Self {
                action,
                protocol,
                ports,
                from,
            }),
        }
    }
}

fn ports(word: &str) -> Result<Ports, String> {
    word.parse()
        .map_err(|()| format!("{word:?} is no port from 1 to 65535 and no range such as 8000-8010"))
}

/// An address, or a network with its prefix: `192.0.2.7`, `10.0.0.0/8`, `2001:db8::/32`. Bits behind
/// the prefix are cleared.
///
/// # Errors
/// When it is neither.
pub fn network(word: &str) -> Result<IpNet, String> {
    let alone = || word.parse::<std::net::IpAddr>().map(IpNet::from);
    let net: IpNet = word
        .parse()
        .or_else(|_| alone())
        .map_err(|_: std::net::AddrParseError| {
            format!("{word:?} is no address and no network such as 10.0.0.0/8 or 2001:db8::/32")
        })?;
    Ok(net.trunc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_line_and_a_statement() {
        let check = |line: &str, written: &str, statement: &str| {
            let rule: Rule = line.parse().unwrap();
            assert_eq!(rule.to_string(), written);
            assert_eq!(rule.statement(), statement);
            assert_eq!(written.parse(), Ok(rule));
        };
        check("allow tcp 80", "allow tcp 80", "tcp dport 80 accept");
        check(
            " deny  udp 5000-5010 ",
            "deny udp 5000-5010",
            "udp dport 5000-5010 drop",
        );
        check(
            "allow tcp 443-443 from 10.1.2.3/8",
            "allow tcp 443 from 10.0.0.0/8",
            "ip saddr 10.0.0.0/8 tcp dport 443 accept",
        );
        check(
            "deny any from 192.0.2.7/32",
            "deny any from 192.0.2.7",
            "ip saddr 192.0.2.7 meta l4proto { 6, 17 } drop",
        );
        check(
            "allow any 53 from 2001:DB8::/32",
            "allow any 53 from 2001:db8::/32",
            "ip6 saddr 2001:db8::/32 meta l4proto { 6, 17 } th dport 53 accept",
        );
        check(
            "deny tcp from ::1",
            "deny tcp from ::1",
            "ip6 saddr ::1 meta l4proto 6 drop",
        );
        check("deny udp", "deny udp", "meta l4proto 17 drop");
    }

    #[test]
    fn a_line_that_is_no_rule_says_why() {
        let check = |line: &str, why: &str| {
            let said = line.parse::<Rule>().unwrap_err();
            assert!(said.contains(why), "{line}: {said}");
        };
        check("", "begins with allow or deny");
        check("flush ruleset", "begins with allow or deny");
        check("allow icmp", "tcp, udp or any");
        check("allow", "tcp, udp or any");
        check("allow tcp 0", "no port");
        check("allow tcp 90-80", "no port");
        check("allow tcp 65536", "no port");
        check("allow tcp 80; accept", "no port");
        check("allow tcp 80 accept", "\"accept\" is not understood");
        check("allow tcp 80 from", "after from");
        check("allow tcp 80 from 10.0.0.0/33", "no address");
        check("allow tcp 80 from example.org", "no address");
        check(
            "allow tcp 80 from 10.0.0.1 drop",
            "\"drop\" is not understood",
        );
    }
}
