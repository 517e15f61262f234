//! What interfaces, addresses and routers must agree on.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;

use super::Founds;
use crate::network::{FIRST, Interface, Ipv6, Kind, Network, Route};

/// What the C library's resolver reads of resolv.conf (`MAXNS`).
const NAME_SERVERS_MAX: usize = 3;

/// The smallest packet that IPv6 must pass (RFC 8200, 5).
const IPV6_MTU: u32 = 1280;

pub(super) fn network(network: &Network, out: &mut Founds) {
    names(network, out);
    if network.dns.len() > NAME_SERVERS_MAX {
        out.add(
            "network.dns",
            "more than 3: programs ask only the first 3",
            "",
        );
    }
    for (index, interface) in network.interface.iter().enumerate() {
        let path = format!("network.interface[{index}]");
        shape(&path, interface, network, out);
        addresses(&path, interface, out);
        routers(&path, interface, out);
    }
}

/// Names and addresses that are there twice.
fn names(network: &Network, out: &mut Founds) {
    let (mut names, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    let (mut members, mut tags) = (BTreeSet::new(), BTreeSet::new());
    let mut gateways = [0, 0];
    for (index, interface) in network.interface.iter().enumerate() {
        let path = format!("network.interface[{index}]");
        if !interface.name.is_empty() && !names.insert(&interface.name) {
            let message = format!("{:?} is there twice", interface.name);
            out.add(format!("{path}.name"), message, "");
        }
        for (at, net) in interface.addresses.iter().enumerate() {
            if !addresses.insert(net.addr()) {
                let message = format!("{} is there twice", net.addr());
                out.add(format!("{path}.addresses[{at}]"), message, "");
            }
        }
        match &interface.kind {
            Kind::Bond { members: own, .. } => {
                for (at, member) in own.iter().enumerate() {
                    if !members.insert(member) {
                        let message = format!("{member:?} is a member twice");
                        out.add(format!("{path}.bond.members[{at}]"), message, "");
                    }
                }
            }
            Kind::Vlan { parent, id } if !tags.insert((parent, id)) => {
                let message = format!("{parent} has a VLAN {id} already");
                out.add(format!("{path}.vlan.id"), message, "");
            }
            _ => {}
        }
        let keys = [
            ("gateway4", interface.gateway4),
            ("gateway6", interface.gateway6),
        ];
        for ((key, gateway), seen) in keys.into_iter().zip(&mut gateways) {
            *seen += usize::from(gateway.is_some());
            if gateway.is_some() && *seen > 1 {
                let message = "another interface has the default router already";
                out.add(
                    format!("{path}.{key}"),
                    message,
                    "write further routes into routes",
                );
            }
        }
    }
    let hardware = |interface: &&Interface| matches!(interface.kind, Kind::Ethernet { .. });
    let others = network.interface.iter().filter(hardware).count();
    let first = network
        .interface
        .iter()
        .position(|interface| interface.name == FIRST);
    if let Some(first) = first
        && others > 1
    {
        let message = "with several Ethernet interfaces each needs its own name";
        out.add(format!("network.interface[{first}].name"), message, "");
    }
}

/// What an interface is made of.
fn shape(path: &str, interface: &Interface, network: &Network, out: &mut Founds) {
    let find = |name: &str| network.interface.iter().find(|other| other.name == name);
    match &interface.kind {
        Kind::Ethernet { mac: Some(_) } => {
            let digits = interface.name.strip_prefix("eth").unwrap_or("x");
            if digits.chars().all(|c| c.is_ascii_digit()) || interface.name == FIRST {
                let message = "the kernel gives such names itself, to any hardware";
                out.add(
                    format!("{path}.name"),
                    message,
                    "with mac, choose another, such as \"lan\"",
                );
            }
        }
        Kind::Ethernet { mac: None } => {}
        Kind::Vlan { parent, .. } if parent.is_empty() => {}
        Kind::Vlan { parent, .. } => {
            let path = format!("{path}.vlan.parent");
            match find(parent) {
                None => {
                    let message =
                        format!("there is no interface {parent:?} in [[network.interface]]");
                    let help = "add it, with dhcp4 = false and ipv6 = \"off\" if it has no addresses of its own";
                    out.add(path, message, help);
                }
                Some(_) if is_circle(interface, network) => {
                    out.add(path, "an interface cannot be on top of itself", "");
                }
                Some(parent) => {
                    if let (Some(own), Some(below)) = (interface.mtu, parent.mtu)
                        && own > below
                    {
                        let message = format!("smaller than the {own} of {}", interface.name);
                        out.add(
                            path,
                            format!("the mtu {below} of {} is {message}", parent.name),
                            "",
                        );
                    }
                }
            }
        }
        Kind::Bond { members, .. } => {
            if members.is_empty() {
                out.add(format!("{path}.bond"), "has no members", "");
            }
            for (at, name) in members.iter().enumerate() {
                let path = format!("{path}.bond.members[{at}]");
                if name == FIRST {
                    out.add(path, "must be an interface's own name", "");
                } else if let Some(member) = find(name) {
                    let hardware = matches!(member.kind, Kind::Ethernet { .. });
                    if !hardware || member.is_dynamic() || !member.addresses.is_empty() {
                        let message = format!("{name:?} has addresses or is no hardware");
                        out.add(path, message, "a bond's members have none of their own");
                    }
                }
            }
        }
    }
}

/// Does the way down from a VLAN never end?
fn is_circle(interface: &Interface, network: &Network) -> bool {
    let mut at = interface;
    for _ in 0..=network.interface.len() {
        let Kind::Vlan { parent, .. } = &at.kind else {
            return false;
        };
        match network.interface.iter().find(|other| other.name == *parent) {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

fn addresses(path: &str, interface: &Interface, out: &mut Founds) {
    for (at, net) in interface.addresses.iter().enumerate() {
        let path = format!("{path}.addresses[{at}]");
        let address = net.addr();
        let host_bits = u32::from(net.max_prefix_len() - net.prefix_len());
        let reserved = match net {
            IpNet::V4(net) => {
                host_bits > 1 && (net.addr() == net.network() || net.addr() == net.broadcast())
            }
            IpNet::V6(_) => false,
        };
        if address.is_unspecified() || address.is_multicast() || address.is_loopback() {
            out.add(
                path,
                format!("{address} cannot be an interface's address"),
                "",
            );
        } else if reserved {
            let message = format!("{address} is the first or last address of {}", net.trunc());
            out.add(
                path,
                message,
                "these stand for the network itself and for all in it",
            );
        } else if net.prefix_len() == 0 {
            out.add(
                path,
                "a prefix of length 0 holds every address there is",
                "",
            );
        }
    }
    let has_v6 = interface.addresses.iter().any(|net| net.addr().is_ipv6());
    if interface.ipv6 == Ipv6::Off && (has_v6 || interface.gateway6.is_some()) {
        out.add(
            format!("{path}.ipv6"),
            "\"off\", but there is an IPv6 address",
            "",
        );
    }
    if interface.ipv6 != Ipv6::Off && interface.mtu.is_some_and(|mtu| mtu < IPV6_MTU) {
        let message = "IPv6 needs at least 1280";
        out.add(format!("{path}.mtu"), message, "or set ipv6 = \"off\"");
    }
}

fn routers(path: &str, interface: &Interface, out: &mut Founds) {
    let keys = [
        ("gateway4", interface.gateway4, true),
        ("gateway6", interface.gateway6, false),
    ];
    for (key, gateway, v4) in keys {
        let Some(gateway) = gateway else { continue };
        let path = format!("{path}.{key}");
        if gateway.is_ipv4() != v4 {
            let family = if v4 { "IPv4" } else { "IPv6" };
            out.add(path, format!("{gateway} is not an {family} address"), "");
        } else {
            on_link(path, gateway, interface, out);
        }
    }
    for (at, Route { to, via, .. }) in interface.routes.iter().enumerate() {
        let path = format!("{path}.routes[{at}]");
        if to.addr() != to.trunc().addr() {
            let message = format!("{to} has an address where a network is meant");
            out.add(
                format!("{path}.to"),
                message,
                &format!("did you mean \"{}\"?", to.trunc()),
            );
        }
        if to.addr().is_ipv4() == via.is_ipv4() {
            on_link(format!("{path}.via"), *via, interface, out);
        } else {
            let message = format!("{via} and {to} are not of the same IP version");
            out.add(format!("{path}.via"), message, "");
        }
    }
}

/// A router must be reached without a router.
fn on_link(path: String, router: IpAddr, interface: &Interface, out: &mut Founds) {
    let link_local = matches!(router, IpAddr::V6(address) if address.is_unicast_link_local());
    let unknown = match router {
        IpAddr::V4(_) => interface.dhcp4,
        IpAddr::V6(_) => interface.ipv6 == Ipv6::Auto,
    };
    if interface.addresses.iter().any(|net| net.addr() == router) {
        out.add(
            path,
            format!("{router} is this interface's own address"),
            "",
        );
    } else if !link_local
        && !unknown
        && !interface.is_direct(router)
        && !interface.addresses.iter().any(|net| net.contains(&router))
    {
        let nets: Vec<String> = interface
            .addresses
            .iter()
            .map(|net| net.trunc().to_string())
            .collect();
        let message = format!("{router} is not on this interface's network");
        let help = match nets.as_slice() {
            [] => "give the interface an address of that network".to_owned(),
            _ => format!(
                "it must lie in {}; if it is reached without one, give the address the prefix /{}",
                nets.join(" or "),
                if router.is_ipv4() { 32 } else { 128 }
            ),
        };
        out.add(path, message, &help);
    }
}
