//! What an interface was before it was ours, and what is undone when it is ours no more. Pure, but
//! for the file in `/run`, which outlives the daemon and not the kernel that it tells of.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use aios_config::Interface;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::places;
use crate::plan::{Action, Link, Seen, Six, below, find, members};

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Before {
    /// It was up.
    pub up: bool,
    /// How the kernel treated IPv6.
    pub ipv6: Option<Six>,
    /// The addresses that it had and that we did not set.
    pub addresses: Vec<IpNet>,
    /// Its largest packet, while that is another one by the configuration.
    pub mtu: Option<u32>,
}

/// The interfaces that are or were ours, by the kernel's number, which is not used twice.
pub type Known = BTreeMap<u32, Before>;

/// The former knowledge and what is there now: an interface is known from before its first change
/// until it is as it was.
pub fn learn(known: &Known, wanted: &[Interface], seen: &Seen) -> Known {
    let ours = |link: &Link| {
        let is_it =
            |interface: &&Interface| find(interface, seen).is_some_and(|it| it.index == link.index);
        wanted.iter().find(is_it)
    };
    let mut now = Known::new();
    for link in &seen.links {
        let interface = ours(link);
        let mut before = match known.get(&link.index) {
            Some(before) => before.clone(),
            None if interface.is_some() => Before {
                up: link.up,
                ipv6: link.ipv6,
                addresses: not_ours(link),
                mtu: None,
            },
            None => continue,
        };
        match interface {
            Some(interface) if interface.mtu.is_some_and(|mtu| mtu != link.mtu) => {
                before.mtu = before.mtu.or(Some(link.mtu));
            }
            Some(interface) if interface.mtu.is_none() && before.mtu == Some(link.mtu) => {
                before.mtu = None;
            }
            Some(_) => {}
            None if is_member(link, wanted) => {}
            None if release(link, wanted, seen, known).is_empty() => continue,
            None => {}
        }
        now.insert(link.index, before);
    }
    now
}

fn is_member(link: &Link, wanted: &[Interface]) -> bool {
    members(wanted).any(|name| name == link.name)
}

fn not_ours(link: &Link) -> Vec<IpNet> {
    let found = link.addresses.iter().filter(|address| !address.ours);
    found.map(|address| address.net).collect()
}

/// The steps that make an interface what it was before, as far as they are left; none when that is
/// not known. A member of a bond keeps what the bond gave it, and has no address of its own.
pub fn release(link: &Link, wanted: &[Interface], seen: &Seen, known: &Known) -> Vec<Action> {
    let Some(before) = known.get(&link.index) else {
        return Vec::new();
    };
    let member = is_member(link, wanted);
    let index = link.index;
    let mut actions = Vec::new();
    // First, for the kernel takes them away with the last address.
    let ways = seen.routes.iter().filter(|way| way.index == index);
    actions.extend(
        ways.filter(|way| way.ours)
            .map(|way| Action::RemoveRoute(way.clone())),
    );
    // Lent ones too: they were lent to us.
    for address in &link.addresses {
        let net = address.net;
        let kernels = matches!(net, IpNet::V6(net) if net.addr().is_unicast_link_local());
        let was_there = !address.ours && before.addresses.contains(&net);
        if !kernels && (member || !was_there) {
            actions.push(Action::RemoveAddress { index, net });
        }
    }
    if member || link.controller.is_some() {
        return actions;
    }
    let mtu = before
        .mtu
        .map(|mtu| mtu.min(most(link, wanted, seen, known)));
    if let Some(mtu) = mtu.filter(|mtu| *mtu != link.mtu) {
        actions.push(Action::Mtu { index, mtu });
    }
    if link.up && !before.up {
        actions.push(Action::Down { index });
    }
    // After it is down, or the kernel would ask routers at once.
    if let Some(six) = before
        .ipv6
        .filter(|six| link.ipv6.is_some_and(|is| is != *six))
    {
        let name = link.name.clone();
        actions.push(Action::Ipv6 { name, six });
    }
    actions
}

/// The largest packet that a VLAN's parent allows, once that is released too.
fn most(link: &Link, wanted: &[Interface], seen: &Seen, known: &Known) -> u32 {
    let Some(below) = below(link, seen) else {
        return u32::MAX;
    };
    let is_it = |interface: &Interface| find(interface, seen) == Some(below);
    let stays = wanted.iter().any(is_it) || is_member(below, wanted);
    let before = known.get(&below.index).and_then(|before| before.mtu);
    before.filter(|_| !stays).unwrap_or(below.mtu)
}

/// As it was written last; nothing when it cannot be read.
pub fn read(path: &Path) -> Known {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    serde_json::from_str(&text).unwrap_or_default()
}

/// For the daemon after this one. Nothing is done when it is written already.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, known: &Known) -> io::Result<()> {
    places::put(path, &serde_json::to_string(known)?)
}

#[cfg(test)]
#[path = "before_tests.rs"]
mod tests;
