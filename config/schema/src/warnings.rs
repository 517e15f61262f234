//! What a right configuration leads to that its author may not expect. Pure.

use std::net::IpAddr;

use crate::network::{FIRST, Interface, Kind};
use crate::{Config, Network};

/// What there is on the machine that the configuration is for.
pub struct Here {
    /// Ethernet hardware in the kernel's order.
    pub cards: Vec<Card>,
    /// Has the machine this address now?
    pub has: fn(IpAddr) -> bool,
}

/// One piece of Ethernet hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its name now.
    pub name: String,
    /// Its MAC address, lower case.
    pub mac: String,
}

/// What is to be said when `new` takes the place of `old`, one line each.
pub fn warnings(old: &Config, new: &Config, here: &Here) -> Vec<String> {
    let mut all = lost_cards(&old.network, &new.network, &here.cards);
    all.extend(new.network.interface.iter().flat_map(direct_routers));
    all.extend(listen(new, here));
    all
}

/// Cards that were set up and are not any more: with the first interface in the list, the one
/// that got everything by itself does not do so any more.
fn lost_cards(old: &Network, new: &Network, cards: &[Card]) -> Vec<String> {
    let (old, new) = (old.interfaces(), new.interfaces());
    let used = |list: &[Interface], card: &Card| {
        let is_first = cards.first() == Some(card);
        list.iter().any(|interface| uses(interface, card, is_first))
    };
    let lost = cards
        .iter()
        .filter(|card| used(&old, card) && !used(&new, card));
    lost.map(|card| {
        format!(
            "{} is shut down and loses its addresses: no [[network.interface]] names it; add one \
             with name = \"{}\" to keep it",
            card.name, card.name
        )
    })
    .collect()
}

fn uses(interface: &Interface, card: &Card, is_first: bool) -> bool {
    let is_named = |name: &str| name == card.name || (name == FIRST && is_first);
    match &interface.kind {
        Kind::Ethernet { mac: Some(mac) } => *mac == card.mac,
        Kind::Ethernet { mac: None } => is_named(&interface.name),
        Kind::Vlan { .. } => false,
        Kind::Bond { members, .. } => members.iter().any(|member| is_named(member)),
    }
}

/// Routers that are in none of the interface's networks and are reached all the same.
fn direct_routers(interface: &Interface) -> Vec<String> {
    let gateways = [interface.gateway4, interface.gateway6];
    let routers = interface.routes.iter().map(|route| route.via);
    let routers = gateways.into_iter().flatten().chain(routers);
    let direct = routers.filter(|router| interface.is_direct(*router));
    direct
        .map(|router| {
            format!(
                "{router} is in no network of {}: it is looked for directly on the link",
                interface.name
            )
        })
        .collect()
}

/// An address for operators that nobody can connect to now.
fn listen(new: &Config, here: &Here) -> Option<String> {
    let listen = new.management.listen;
    let address = listen.ip();
    if address.is_unspecified() {
        return None;
    }
    let will_be =
        |interface: &Interface| interface.addresses.iter().any(|net| net.addr() == address);
    if address.is_loopback() {
        return Some(format!(
            "management.listen = \"{listen}\": only this machine itself can connect"
        ));
    }
    let is_known = new.network.interface.iter().any(will_be) || (here.has)(address);
    (!is_known).then(|| {
        format!(
            "management.listen = \"{listen}\": this node has no address {address}; until it has, \
             the management API listens where it did before"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_its_author_may_not_expect_is_said_and_nothing_else() {
        let card = |name: &str, mac: &str| Card {
            name: name.to_owned(),
            mac: mac.to_owned(),
        };
        let here = Here {
            cards: vec![
                card("eth0", "52:54:00:00:00:01"),
                card("eth1", "52:54:00:00:00:02"),
            ],
            has: |address| address == IpAddr::from([10, 0, 0, 7]),
        };
        let check = |old: &str, new: &str, expected: &[&str]| {
            let parse = |text: &str| crate::parse(text).unwrap();
            let said = warnings(&parse(old), &parse(new), &here);
            assert_eq!(said.len(), expected.len(), "{new}: {said:?}");
            for (said, expected) in said.iter().zip(expected) {
                assert!(said.contains(expected), "{new}: {said}");
            }
        };
        let eth = |name: &str| format!("[[network.interface]]\nname = \"{name}\"\n");
        let fixed = |name: &str| eth(name) + "addresses = [\"10.0.0.2/24\"]\n";
        // The second card is named, and the first is not any more.
        check("", &fixed("eth1"), &["eth0 is shut down"]);
        check("", &fixed("eth0"), &[]);
        check("", &eth("first"), &[]);
        check("", &(eth("eth1") + &eth("eth0")), &[]);
        check(
            &(eth("eth0") + &eth("eth1")),
            &eth("eth0"),
            &["eth1 is shut down"],
        );
        check(&(eth("eth0") + &eth("eth1")), "", &["eth1 is shut down"]);
        let renamed = eth("lan") + "mac = \"52:54:00:00:00:01\"\n";
        check("", &renamed, &[]);
        check("", &(eth("b") + "bond = { members = [\"eth0\"] }\n"), &[]);
        check(
            "",
            &(eth("b") + "bond = { members = [\"eth1\"] }\n"),
            &["eth0 is shut down"],
        );
        // A router outside.
        let host = eth("eth0") + "addresses = [\"203.0.113.7/32\"]\ngateway4 = \"172.31.1.1\"\n";
        check("", &host, &["172.31.1.1 is in no network of eth0"]);
        // Where operators connect.
        let listen = |address: &str| format!("[management]\nlisten = \"{address}\"\n");
        check("", &listen("192.0.2.55:9090"), &["no address 192.0.2.55"]);
        check(
            "",
            &listen("[2001:db8::1]:9090"),
            &["no address 2001:db8::1"],
        );
        check("", &listen("127.0.0.1:9090"), &["only this machine"]);
        check("", &listen("[::]:9090"), &[]);
        check("", &listen("10.0.0.7:9090"), &[]);
        check("", &(listen("10.0.0.2:9090") + &fixed("eth0")), &[]);
    }
}
