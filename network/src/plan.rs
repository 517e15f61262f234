//! What is to be done: what is wanted and what there is in, actions out. Pure.

use std::net::IpAddr;

use aios_config::{BondMode, FIRST, Interface, Ipv6, Kind};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::before::{Known, release};

/// The metric of routes that do not say one: better than those by DHCP (1000 and more).
pub const METRIC: u32 = 100;

/// What the kernel has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// All interfaces, by index, `lo` left out.
    pub links: Vec<Link>,
    /// The routes that we set, and default routes of others.
    pub routes: Vec<Way>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// MAC address, lower case; anybody may change it.
    pub mac: Option<String>,
    /// The one that it came with, or that it had before it joined a bond; virtual ones have none.
    pub permanent: Option<String>,
    /// An Ethernet device with hardware behind it.
    pub hardware: bool,
    /// A VLAN or bond that we made.
    pub made: Option<Made>,
    /// Set up.
    pub up: bool,
    /// Has a carrier.
    pub carrier: bool,
    /// Largest packet.
    pub mtu: u32,
    /// The interface that a VLAN is on, whoever made it.
    pub below: Option<u32>,
    /// The bond that it is a member of.
    pub controller: Option<u32>,
    /// Addresses.
    pub addresses: Vec<Address>,
    /// How the kernel treats IPv6 here; `None` without IPv6.
    pub ipv6: Option<Six>,
}

/// An interface's address.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// With its prefix.
    pub net: IpNet,
    /// We set it.
    pub ours: bool,
}

/// What we made a virtual interface as.
#[derive(Clone, Debug, PartialEq)]
pub enum Made {
    /// On this interface, with this tag.
    Vlan(u32, u16),
    /// With this mode.
    Bond(BondMode),
}

/// The kernel's settings of IPv6 for an interface.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Six {
    /// No IPv6 at all.
    pub disabled: bool,
    /// The kernel itself acts on router advertisements. dhcpcd does that for us, or nobody.
    pub accepts_routers: bool,
}

/// A route.
#[derive(Clone, Debug, PartialEq)]
pub struct Way {
    /// By this interface.
    pub index: u32,
    /// Where to.
    pub to: IpNet,
    /// By which router.
    pub via: IpAddr,
    /// The router is in no network of the interface's and is reached on the link all the same.
    pub direct: bool,
    /// The lower, the better.
    pub metric: u32,
    /// We set it.
    pub ours: bool,
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Action {
    Delete { index: u32 },
    Rename { index: u32, to: String },
    AddBond { name: String, mode: BondMode },
    AddVlan { name: String, parent: u32, id: u16 },
    Enslave { index: u32, controller: Option<u32> },
    Mtu { index: u32, mtu: u32 },
    Ipv6 { name: String, six: Six },
    Up { index: u32 },
    Down { index: u32 },
    AddAddress { index: u32, net: IpNet },
    RemoveAddress { index: u32, net: IpNet },
    AddRoute(Way),
    RemoveRoute(Way),
}

/// The wanted interfaces, with [`FIRST`] replaced by the name of the first hardware,
/// or left out when there is none yet.
pub fn resolve(wanted: &[Interface], seen: &Seen) -> Vec<Interface> {
    let first = seen
        .links
        .iter()
        .filter(|link| link.hardware)
        .min_by_key(|link| link.index);
    let named = |name: &str| match (name == FIRST, first) {
        (true, Some(link)) => Some(link.name.clone()),
        (true, None) => None,
        (false, _) => Some(name.to_owned()),
    };
    let each = wanted.iter().filter_map(|interface| {
        let mut interface = interface.clone();
        interface.name = named(&interface.name)?;
        if let Kind::Vlan { parent, .. } = &mut interface.kind {
            *parent = named(parent)?;
        }
        Some(interface)
    });
    each.collect()
}

/// The steps from what there is to what is wanted, as far as they can be made now;
/// when a step makes an interface, the next look plans what follows. `wanted` is
/// [`resolve`]d; `known` has [learned](crate::before::learn) from `seen`.
pub fn plan(wanted: &[Interface], seen: &Seen, known: &Known) -> Vec<Action> {
    let mut actions = Vec::new();
    for link in &seen.links {
        if link
            .made
            .as_ref()
            .is_some_and(|made| !fits(link, made, wanted, seen))
        {
            actions.push(Action::Delete { index: link.index });
        }
    }
    if !actions.is_empty() {
        return actions; // names must be free before they are used again
    }
    for link in &seen.links {
        let is_it =
            |interface: &Interface| find(interface, seen).is_some_and(|it| it.index == link.index);
        if wanted.iter().any(is_it) {
            continue;
        }
        let above = seen
            .links
            .iter()
            .find(|one| Some(one.index) == link.controller);
        if above.is_none_or(|above| above.made.is_some()) {
            bind(link, wanted, seen, &mut actions);
        }
        actions.extend(release(link, wanted, seen, known));
    }
    for interface in wanted {
        match find(interface, seen) {
            None => actions.extend(make(interface, seen)),
            Some(link) if link.name != interface.name => actions.push(Action::Rename {
                index: link.index,
                to: interface.name.clone(),
            }),
            Some(link) if is_anothers(interface, link) => {} // taken() says so
            Some(link) => {
                configure(interface, link, wanted, seen, &mut actions);
                actions.extend(restore_mtu(interface, link, seen, known));
            }
        }
    }
    actions
}

/// The link that is meant, whatever it is called yet. A bond gives all its members one address,
/// and other software may change it too: so the permanent one counts where there is one.
pub fn find<'a>(interface: &Interface, seen: &'a Seen) -> Option<&'a Link> {
    let Kind::Ethernet { mac: Some(mac) } = &interface.kind else {
        return seen.links.iter().find(|link| link.name == interface.name);
    };
    let not_made = || seen.links.iter().filter(|link| link.made.is_none());
    let came_with = not_made().find(|link| link.permanent.as_ref() == Some(mac));
    let has_now = |link: &&Link| link.permanent.is_none() && link.mac.as_ref() == Some(mac);
    came_with.or_else(|| not_made().find(has_now))
}

/// Is the name of a wanted VLAN or bond that of an interface that we did not make?
fn is_anothers(interface: &Interface, link: &Link) -> bool {
    !matches!(interface.kind, Kind::Ethernet { .. }) && link.made.is_none()
}

/// Names of wanted VLANs and bonds that others have taken: nothing is done with those.
pub fn taken(wanted: &[Interface], seen: &Seen) -> Vec<String> {
    let is_taken = |interface: &&Interface| {
        find(interface, seen).is_some_and(|link| is_anothers(interface, link))
    };
    let taken = wanted.iter().filter(is_taken);
    taken.map(|interface| interface.name.clone()).collect()
}

/// Is what we once made still what is wanted under its name?
fn fits(link: &Link, made: &Made, wanted: &[Interface], seen: &Seen) -> bool {
    let Some(interface) = wanted.iter().find(|interface| interface.name == link.name) else {
        return false;
    };
    match (made, &interface.kind) {
        (Made::Vlan(below, tag), Kind::Vlan { parent, id }) => {
            let parent = seen.links.iter().find(|link| link.name == *parent);
            tag == id && parent.is_none_or(|parent| parent.index == *below)
        }
        (Made::Bond(is), Kind::Bond { mode, .. }) => is == mode,
        _ => false,
    }
}

fn make(interface: &Interface, seen: &Seen) -> Option<Action> {
    let name = interface.name.clone();
    match &interface.kind {
        Kind::Ethernet { .. } => None, // it may be plugged in later
        Kind::Bond { mode, .. } => Some(Action::AddBond { name, mode: *mode }),
        Kind::Vlan { parent, id } => {
            let parent = seen.links.iter().find(|link| link.name == *parent)?.index;
            Some(Action::AddVlan {
                name,
                parent,
                id: *id,
            })
        }
    }
}

/// The members of all bonds.
pub fn members(wanted: &[Interface]) -> impl Iterator<Item = &str> {
    wanted
        .iter()
        .flat_map(|interface| match &interface.kind {
            Kind::Bond { members, .. } => members.as_slice(),
            _ => &[],
        })
        .map(String::as_str)
}

/// The interface that a VLAN is on.
pub fn below<'a>(link: &Link, seen: &'a Seen) -> Option<&'a Link> {
    let index = link.below?;
    seen.links.iter().find(|one| one.index == index)
}

/// The setting was taken back: the size from before it, or what a VLAN's parent allows of it.
fn restore_mtu(interface: &Interface, link: &Link, seen: &Seen, known: &Known) -> Option<Action> {
    let before = known.get(&link.index)?.mtu;
    let mtu = before.filter(|_| interface.mtu.is_none())?;
    let below = below(link, seen);
    let mtu = below.map_or(mtu, |below| mtu.min(below.mtu));
    let index = link.index;
    (mtu != link.mtu).then_some(Action::Mtu { index, mtu })
}

/// Puts a link into its bond, or takes it out of one.
fn bind(link: &Link, wanted: &[Interface], seen: &Seen, actions: &mut Vec<Action>) {
    let is_mine = |interface: &&Interface| match &interface.kind {
        Kind::Bond { members, .. } => members.contains(&link.name),
        _ => false,
    };
    let bond = wanted.iter().find(is_mine);
    let controller = bond.and_then(|bond| seen.links.iter().find(|link| link.name == bond.name));
    let controller = controller.map(|link| link.index);
    if (bond.is_none() || controller.is_some()) && link.controller != controller {
        let index = link.index;
        actions.push(Action::Enslave { index, controller });
    }
}

fn configure(
    interface: &Interface,
    link: &Link,
    wanted: &[Interface],
    seen: &Seen,
    actions: &mut Vec<Action>,
) {
    let index = link.index;
    bind(link, wanted, seen, actions);
    if let Some(mtu) = interface.mtu.filter(|mtu| *mtu != link.mtu) {
        actions.push(Action::Mtu { index, mtu });
    }
    let six = Six {
        disabled: interface.ipv6 == Ipv6::Off,
        accepts_routers: false,
    };
    if link.ipv6.is_some_and(|is| is != six) {
        let name = link.name.clone();
        actions.push(Action::Ipv6 { name, six });
    }
    if !link.up {
        actions.push(Action::Up { index });
    }
    for address in &link.addresses {
        if !interface.addresses.contains(&address.net) && is_stale(interface, address) {
            let net = address.net;
            actions.push(Action::RemoveAddress { index, net });
        }
    }
    for net in &interface.addresses {
        if link.addresses.iter().all(|address| address.net != *net) {
            actions.push(Action::AddAddress { index, net: *net });
        }
    }
    let ways = ways(interface, index);
    for way in seen
        .routes
        .iter()
        .filter(|way| way.index == index && way.ours)
    {
        if !ways.contains(way) {
            actions.push(Action::RemoveRoute(way.clone()));
        }
    }
    for way in ways {
        if !seen.routes.contains(&way) {
            actions.push(Action::AddRoute(way));
        }
    }
}

/// Does nobody want this address any more? A server's goes when no server is asked.
fn is_stale(interface: &Interface, address: &Address) -> bool {
    let lent = match address.net {
        IpNet::V4(_) => interface.dhcp4,
        IpNet::V6(net) if net.addr().is_unicast_link_local() => return false,
        IpNet::V6(_) => interface.ipv6 == Ipv6::Auto,
    };
    address.ours || !lent
}

fn ways(interface: &Interface, index: u32) -> Vec<Way> {
    let default = |via: IpAddr| {
        let any: IpAddr = match via {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        (IpNet::new_assert(any, 0), via, METRIC)
    };
    let gateways = [interface.gateway4, interface.gateway6]
        .into_iter()
        .flatten()
        .map(default);
    let routes = interface.routes.iter().map(|route| {
        let metric = route.metric.unwrap_or(METRIC);
        (route.to, route.via, metric)
    });
    let all = gateways.chain(routes).map(|(to, via, metric)| Way {
        index,
        to,
        via,
        direct: interface.is_direct(via),
        metric,
        ours: true,
    });
    all.collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
