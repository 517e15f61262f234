//! `[firewall]`: who may connect where.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::form::{Boolean, list, optional, parsed, tables, word};
use crate::read::{Choice, Table};
use crate::table::table;

table! {
    /// `[firewall]`: who may connect where.
    Firewall = "firewall", in firewall, read by [Network];

    /// Who may reach the management API.
    management_from: Option<Vec<IpNet>> = None, optional(list(parsed(NETWORK))),
        default "everyone";
    /// Who may reach SSH.
    ssh_from: Option<Vec<IpNet>> = None, optional(list(parsed(NETWORK))), default "everyone";
    /// Answers pings.
    ping: bool = true, Boolean;
    /// What the node may do without a rule in `output`. With "deny" still DNS, NTP, DHCP and what
    /// IP itself needs.
    outbound: Verdict = Verdict::Allow, word();
    /// Rules for connections to this node; "deny" goes before every "allow".
    input: Vec<Rule> = Vec::new(),
        tables("action, protocol, port or ports, from", |table, key| table.tables(key, |table| rule(table, "from")));
    /// Rules for connections from this node.
    output: Vec<Rule> = Vec::new(),
        tables("action, protocol, port or ports, to", |table, key| table.tables(key, |table| rule(table, "to")));
}

const NETWORK: &str = "a network, such as 192.0.2.0/24, 192.0.2.7/32 or 2001:db8::/32";

/// What happens to a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Verdict {
    #[default]
    Allow,
    Deny,
}

impl Choice for Verdict {
    const ALL: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("deny", Self::Deny)];
}

/// Which packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Protocol {
    #[default]
    Tcp,
    Udp,
    Any,
}

impl Choice for Protocol {
    const ALL: &'static [(&'static str, Self)] =
        &[("tcp", Self::Tcp), ("udp", Self::Udp), ("any", Self::Any)];
}

/// A port, or a range of ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// The first, from 1.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl Ports {
    /// Is this port one of them?
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl FromStr for Ports {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0).ok_or(());
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (port(first)?, port(last)?),
            None => (port(text)?, port(text)?),
        };
        (first <= last).then_some(Self { first, last }).ok_or(())
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            return self.first.fmt(f);
        }
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// `[[firewall.input]]` or `[[firewall.output]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What happens.
    pub action: Verdict,
    /// TCP, UDP, or everything.
    pub protocol: Protocol,
    /// At this node (input) or at the other end (output); empty: all.
    pub ports: Vec<Ports>,
    /// The other end; empty: everyone.
    pub peers: Vec<IpNet>,
}

fn rule(table: &Table<'_>, peers: &'static str) -> Rule {
    let mut ports: Vec<Ports> = Vec::new();
    if let Some(port) = table.number("port", 1..=u16::MAX) {
        ports.push(Ports {
            first: port,
            last: port,
        });
    }
    let ranges = table.parsed_list(
        "ports",
        "a port or a range of ports, such as \"8000-8010\"",
        |text| text.parse::<Ports>().ok(),
    );
    ports.extend(ranges.unwrap_or_default());
    let protocol = table.choice("protocol").unwrap_or_default();
    if protocol == Protocol::Any && !ports.is_empty() {
        table.refuse(
            "protocol",
            "\"any\" has no ports; write a rule for tcp and one for udp",
        );
    }
    Rule {
        action: table.choice("action").unwrap_or_default(),
        protocol,
        ports,
        peers: table
            .parsed_list(peers, NETWORK, |text| text.parse().ok())
            .unwrap_or_default(),
    }
}
