//! dhcpcd: DHCPv4, DHCPv6 and router advertisements, for all interfaces in one
//! process. It follows links and hot-plug by itself.

use std::collections::BTreeMap;
use std::path::Path;

use aios_config::{Interface, Ipv6};

use crate::lease::Lease;
use crate::plan::Link;

/// The executable.
pub const DHCPCD: &str = "/usr/sbin/dhcpcd";

/// The smallest size of packets that is taken from a server, in bytes: what every host must
/// be able to take in (RFC 791, 3.1). With less, IP itself does not work.
const MTU_MIN: u32 = 576;

/// Sizes of packets, in bytes, that servers offered and that are not taken, by interface.
pub type Refused = BTreeMap<String, u32>;

/// Is a size good that a server offers, on a card that passes packets of `card` bytes? dhcpcd itself
/// takes any for its routes, and what is larger than the card passes is lost.
fn is_good(offered: u32, card: u32) -> bool {
    (MTU_MIN..=card).contains(&offered)
}

/// Follows what servers offer. Once an offer was refused, the client does not ask for a size any
/// more and its leases name none, so it stays refused until the card is another one or passes it.
pub fn follow(refused: &mut Refused, leases: &[Lease], links: &[Link]) {
    let size = |name: &str| {
        links
            .iter()
            .find(|link| link.name == name)
            .map(|link| link.mtu)
    };
    refused.retain(|name, offered| size(name).is_some_and(|card| !is_good(*offered, card)));
    for lease in leases.iter().filter(|lease| lease.source == "dhcp4") {
        if let Some((offered, card)) = lease.mtu.zip(size(&lease.interface))
            && !is_good(offered, card)
        {
            refused.insert(lease.interface.clone(), offered);
        }
    }
}

/// dhcpcd.conf(5) for these interfaces, whose names are the kernel's; `None` when none
/// of them asks anybody.
pub fn configuration(
    interfaces: &[Interface],
    refused: &Refused,
    hook: &Path,
    host_name: &str,
) -> Option<String> {
    let dynamic: Vec<&Interface> = interfaces.iter().filter(|i| i.is_dynamic()).collect();
    if dynamic.is_empty() {
        return None;
    }
    let names: Vec<&str> = dynamic.iter().map(|i| i.name.as_str()).collect();
    let mut lines = vec![
        "# Written by aios-network.".to_owned(),
        format!("allowinterfaces {}", names.join(" ")),
        format!("script {}", hook.display()),
        // A restart of the client is no end of the connection.
        "persistent".to_owned(),
        // For ever, and without the waits that are meant for a campus after a power cut.
        "timeout 0".to_owned(),
        "nodelay".to_owned(),
        "noarp".to_owned(),
        "noipv4ll".to_owned(),
        "nodev".to_owned(),
        "duid".to_owned(),
        "slaac private".to_owned(),
        "option domain_name_servers, domain_name, domain_search, ntp_servers".to_owned(),
        "option classless_static_routes, interface_mtu, rapid_commit".to_owned(),
        "option dhcp6_name_servers, dhcp6_domain_search, dhcp6_sntp_servers".to_owned(),
        "require dhcp_server_identifier".to_owned(),
    ];
    if !host_name.is_empty() {
        lines.push(format!("hostname {host_name}"));
    }
    for interface in dynamic {
        lines.push(format!("interface {}", interface.name));
        if !interface.dhcp4 {
            lines.push("  noipv4".to_owned());
        }
        if interface.ipv6 != Ipv6::Auto {
            lines.push("  noipv6".to_owned());
        }
        if refused.contains_key(&interface.name) {
            lines.push("  nooption interface_mtu".to_owned());
        }
        if interface.gateway4.is_some() || interface.gateway6.is_some() {
            lines.push("  nogateway".to_owned());
        }
    }
    lines.push(String::new());
    Some(lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_interfaces_that_ask_are_named_and_only_for_what_they_ask() {
        let hook = Path::new("/run/hook");
        let auto = Interface::automatic("eth0");
        let fixed = Interface {
            dhcp4: false,
            ipv6: Ipv6::Static,
            ..Interface::automatic("eth1")
        };
        let none = Refused::new();
        let alone = std::slice::from_ref(&fixed);
        assert_eq!(configuration(alone, &none, hook, "n"), None);
        let four = Interface {
            ipv6: Ipv6::Off,
            ..Interface::automatic("eth2")
        };
        let refused = Refused::from([("eth2".to_owned(), 9000)]);
        let text = configuration(&[auto, fixed, four], &refused, hook, "node").unwrap();
        assert!(
            text.contains("allowinterfaces eth0 eth2\nscript /run/hook\n"),
            "{text}"
        );
        assert!(
            text.contains("hostname node\ninterface eth0\ninterface eth2\n  noipv6\n  nooption interface_mtu\n"),
            "{text}"
        );
    }

    #[test]
    fn a_size_of_packets_that_the_card_does_not_pass_is_not_taken_from_a_server() {
        let card = |mtu| Link {
            name: "eth0".to_owned(),
            mtu,
            ..Link::default()
        };
        let check = |offered: Option<u32>, size: u32, expected: bool| {
            let mut refused = Refused::new();
            let lease = Lease {
                interface: "eth0".to_owned(),
                source: "dhcp4".to_owned(),
                mtu: offered,
                ..Lease::default()
            };
            follow(&mut refused, &[lease], &[card(size)]);
            assert_eq!(!refused.is_empty(), expected, "{offered:?} on {size}");
            refused
        };
        check(Some(9000), 1500, true);
        check(Some(1501), 1500, true);
        check(Some(1500), 1500, false);
        check(Some(9000), 9000, false);
        check(Some(1460), 1500, false);
        check(Some(576), 1500, false);
        check(Some(575), 1500, true);
        check(Some(68), 1500, true);
        check(Some(0), 1500, true);
        check(None, 1500, false);
        // It stays so while the client is started again, and without the option.
        let mut refused = check(Some(9000), 1500, true);
        follow(&mut refused, &[], &[card(1500)]);
        assert_eq!(refused.get("eth0"), Some(&9000));
        follow(&mut refused, &[], &[card(9000)]);
        assert!(refused.is_empty(), "the card passes it now");
    }
}
