//! `[network]`: interfaces, addresses, routes, name servers.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use crate::form::{Boolean, list, number, only, optional, parsed, tables, text};
use crate::read::{Choice, Table};
use crate::services::is_host_name;
use crate::table::table;

/// Stands for the first Ethernet interface with hardware behind it, whatever its name.
pub const FIRST: &str = "first";

/// The longest name of an interface that Linux takes (`IFNAMSIZ` less its zero).
const NAME_MAX: usize = 15;

/// The smallest frame that IPv4 must pass, and the largest that any card sends.
const MTU: std::ops::RangeInclusive<u32> = 576..=65_536;

table! {
    /// `[network]`: interfaces, addresses, names.
    Network = "network", in network, read by [Network];

    /// Interfaces, each with its addresses and routes.
    interface: Vec<Interface> = Vec::new(), tables("an interface", interfaces),
        default "the first Ethernet interface gets everything by itself";
    /// Name servers, at most 3.
    dns: Vec<IpAddr> = Vec::new(), list(parsed(ADDRESS)),
        default "those that DHCP or router advertisements name";
    /// Domains that short names are looked up in.
    search: Vec<String> = Vec::new(), list(text("a domain, such as example.org", domain)),
        default "none";
    /// Name servers.
    dns_servers: Option<Vec<IpAddr>> = None, optional(list(parsed(ADDRESS))),
        same as "network.dns";
    /// The port of the management API.
    management_port: Option<u16> = None, optional(number(1..=65_535)),
        same as "management.listen";
    /// The management API asks both sides for a certificate.
    management_tls: Option<bool> = None,
        optional(only(true, "who an operator is, is what a certificate says")),
        default "true", always "who an operator is, is what a certificate says";
    /// What the node may do without a rule: `false` is "deny".
    allow_outbound: Option<bool> = None, optional(Boolean), same as "firewall.outbound";
}

/// `[[network.interface]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// As in `ip link`, or [`FIRST`].
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Largest packet, bytes; none: the device's own.
    pub mtu: Option<u32>,
    /// Asks for an IPv4 address.
    pub dhcp4: bool,
    /// How it comes to IPv6 addresses.
    pub ipv6: Ipv6,
    /// Fixed addresses, each with the length of its network's prefix.
    pub addresses: Vec<IpNet>,
    /// Default router for IPv4.
    pub gateway4: Option<IpAddr>,
    /// Default router for IPv6; may be link-local.
    pub gateway6: Option<IpAddr>,
    /// Further routes.
    pub routes: Vec<Route>,
}

/// What an interface is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Hardware, found by name, or by MAC address and then named.
    Ethernet {
        /// `52:54:00:12:34:56`, lower case.
        mac: Option<String>,
    },
    /// IEEE 802.1Q, on another interface.
    Vlan {
        /// The other interface.
        parent: String,
        /// 1 to 4094.
        id: u16,
    },
    /// Several interfaces as one.
    Bond {
        /// How they share.
        mode: BondMode,
        /// Their names.
        members: Vec<String>,
    },
}

/// How the members of a bond share (Linux's names).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "Linux's names")]
pub enum BondMode {
    BalanceRr,
    ActiveBackup,
    BalanceXor,
    Lacp,
}

impl Choice for BondMode {
    const ALL: &'static [(&'static str, Self)] = &[
        ("active-backup", Self::ActiveBackup),
        ("802.3ad", Self::Lacp),
        ("balance-rr", Self::BalanceRr),
        ("balance-xor", Self::BalanceXor),
    ];
}

/// How an interface comes to IPv6 addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipv6 {
    /// As the router says: SLAAC, DHCPv6 or both.
    Auto,
    /// Only `addresses`.
    Static,
    /// No IPv6 at all.
    Off,
}

impl Choice for Ipv6 {
    const ALL: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("static", Self::Static),
        ("off", Self::Off),
    ];
}

/// A route besides the default one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub to: IpNet,
    /// By which router.
    pub via: IpAddr,
    /// The lower, the better.
    pub metric: Option<u32>,
}

impl Interface {
    /// Is this router in none of the interface's networks, and reached on the link all the same?
    /// So it is where all addresses of its IP version are single ones (a prefix of 32 or 128 bits),
    /// as hosting providers give them. With a real network it is a mistake of somebody's.
    pub fn is_direct(&self, router: IpAddr) -> bool {
        let mut own = self.addresses.iter();
        let mut own = own
            .by_ref()
            .filter(|net| net.addr().is_ipv4() == router.is_ipv4())
            .peekable();
        let is_link_local =
            matches!(router, IpAddr::V6(address) if address.is_unicast_link_local());
        own.peek().is_some()
            && !is_link_local
            && own.all(|net| net.prefix_len() == net.max_prefix_len() && net.addr() != router)
    }

    /// Hardware that gets everything by itself.
    pub fn automatic(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: Kind::Ethernet { mac: None },
            mtu: None,
            dhcp4: true,
            ipv6: Ipv6::Auto,
            addresses: Vec::new(),
            gateway4: None,
            gateway6: None,
            routes: Vec::new(),
        }
    }

    /// Does it ask anybody for addresses?
    pub fn is_dynamic(&self) -> bool {
        self.dhcp4 || self.ipv6 == Ipv6::Auto
    }
}

impl Network {
    /// The interfaces to bring up: those configured, or the first one by itself.
    pub fn interfaces(&self) -> Vec<Interface> {
        if self.interface.is_empty() {
            return vec![Interface::automatic(FIRST)];
        }
        self.interface.clone()
    }
}

fn interfaces(table: &Table<'_>, key: &'static str) -> Vec<Interface> {
    let mut interface = table.tables(key, interface);
    // A member of a bond has no addresses of its own unless it is given some.
    let members: Vec<String> = interface
        .iter()
        .filter_map(|(interface, _)| match &interface.kind {
            Kind::Bond { members, .. } => Some(members.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    for (interface, said) in &mut interface {
        if members.contains(&interface.name) {
            interface.dhcp4 &= said.dhcp4;
            if !said.ipv6 {
                interface.ipv6 = Ipv6::Off;
            }
        }
    }
    interface
        .into_iter()
        .map(|(interface, _)| interface)
        .collect()
}

const ADDRESS: &str = "an address, such as 192.0.2.1 or 2001:db8::1";
const WITH_PREFIX: &str = "an address with its prefix, such as 192.0.2.10/24 or 2001:db8::10/64";

/// Which of the keys with changing defaults were given.
struct Said {
    dhcp4: bool,
    ipv6: bool,
}

fn interface(table: &Table<'_>) -> (Interface, Said) {
    let name = table.string("name").unwrap_or_default();
    if !is_interface_name(&name) {
        let message = "needs a name of 1 to 15 letters, digits, '-', '_' or '.'";
        table.refuse("name", message);
    }
    let addresses: Vec<IpNet> = table
        .parsed_list("addresses", WITH_PREFIX, parse)
        .unwrap_or_default();
    let has = |v4: bool| addresses.iter().any(|net| net.addr().is_ipv4() == v4);
    let said = Said {
        dhcp4: table.has("dhcp4"),
        ipv6: table.has("ipv6"),
    };
    let ipv6 = if has(false) { Ipv6::Static } else { Ipv6::Auto };
    let interface = Interface {
        kind: kind(table),
        mtu: table.number("mtu", MTU),
        dhcp4: table.boolean("dhcp4").unwrap_or(!has(true)),
        ipv6: table.choice("ipv6").unwrap_or(ipv6),
        gateway4: table.parsed("gateway4", ADDRESS, parse),
        gateway6: table.parsed("gateway6", ADDRESS, parse),
        routes: table
            .tables("routes", route)
            .into_iter()
            .flatten()
            .collect(),
        name,
        addresses,
    };
    (interface, said)
}

fn kind(table: &Table<'_>) -> Kind {
    let mac: Option<Mac> = table.parsed("mac", "a MAC address, such as 52:54:00:12:34:56", parse);
    let vlan = table.optional_table("vlan", |vlan| Kind::Vlan {
        parent: required(vlan, "parent", vlan.string("parent")),
        id: required(vlan, "id", vlan.number("id", 1..=4094)),
    });
    let bond = table.optional_table("bond", |bond| Kind::Bond {
        mode: bond.choice("mode").unwrap_or(BondMode::ActiveBackup),
        members: required(bond, "members", bond.strings("members")),
    });
    if table.has("vlan") as u8 + table.has("bond") as u8 + table.has("mac") as u8 > 1 {
        let message = "has more than one of mac, vlan and bond; an interface is one thing";
        table.refuse("name", message);
    }
    let hardware = Kind::Ethernet {
        mac: mac.map(|mac| mac.0),
    };
    vlan.or(bond).unwrap_or(hardware)
}

fn route(table: &Table<'_>) -> Option<Route> {
    let metric = table.number("metric", 1..=u32::MAX);
    let to = table.parsed("to", WITH_PREFIX, parse);
    let via = table.parsed("via", ADDRESS, parse);
    for key in ["to", "via"] {
        if !table.has(key) {
            table.refuse(key, "is missing");
        }
    }
    Some(Route {
        to: to?,
        via: via?,
        metric,
    })
}

/// What must be there; said when it is not.
fn required<T: Default>(table: &Table<'_>, key: &'static str, value: Option<T>) -> T {
    if !table.has(key) {
        table.refuse(key, "is missing");
    }
    value.unwrap_or_default()
}

fn is_interface_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_MAX).contains(&name.len())
        && name.chars().all(allowed)
        && !matches!(name, "." | ".." | "lo" | "all" | "default")
}

struct Mac(String);

impl FromStr for Mac {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_byte = |part: &str| part.len() == 2 && part.chars().all(|c| c.is_ascii_hexdigit());
        let whole = text.split(':').count() == 6 && text.split(':').all(is_byte);
        whole.then(|| Self(text.to_ascii_lowercase())).ok_or(())
    }
}

fn domain(text: &str) -> Option<String> {
    let whole = text.len() <= 253 && text.split('.').all(is_host_name);
    whole.then(|| text.to_owned())
}

fn parse<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
