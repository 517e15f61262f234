//! `[firewall]`: who may connect where.

use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::read::{Choice, Table};

/// `[firewall]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// Who may reach the management API; `None`: everyone.
    pub management_from: Option<Vec<IpNet>>,
    /// Who may reach SSH; `None`: everyone.
    pub ssh_from: Option<Vec<IpNet>>,
    /// Answers pings.
    pub ping: bool,
    /// What the node may do without a rule in `output`.
    pub outbound: Verdict,
    /// Rules for connections to this node.
    pub input: Vec<Rule>,
    /// Rules for connections from this node.
    pub output: Vec<Rule>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            management_from: None,
            ssh_from: None,
            ping: true,
            outbound: Verdict::Allow,
            input: Vec::new(),
            output: Vec::new(),
        }
    }
}

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

impl Firewall {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        Self {
            management_from: table.parsed_list("management_from", NETWORK),
            ssh_from: table.parsed_list("ssh_from", NETWORK),
            ping: table.boolean("ping").unwrap_or(true),
            outbound: table.choice("outbound").unwrap_or_default(),
            input: table.tables("input", |table| rule(table, "from")),
            output: table.tables("output", |table| rule(table, "to")),
        }
    }
}

const NETWORK: &str = "a network, such as 192.0.2.0/24, 192.0.2.7/32 or 2001:db8::/32";

fn rule(table: &Table<'_>, peers: &'static str) -> Rule {
    let mut ports: Vec<Ports> = Vec::new();
    if let Some(port) = table.number("port", 1..=u16::MAX) {
        ports.push(Ports {
            first: port,
            last: port,
        });
    }
    let ranges =
        table.parsed_list::<Ports>("ports", "a port or a range of ports, such as \"8000-8010\"");
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
        peers: table.parsed_list(peers, NETWORK).unwrap_or_default(),
    }
}
