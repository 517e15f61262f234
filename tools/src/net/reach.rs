//! Which addresses a web page is fetched from: those of other machines. What listens on this one, or
//! answers only on its own link, trusts whoever can reach it, and a page named by a stranger's text
//! must not reach it in the node's name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds tell a machine its secrets, beside the link-local 169.254.0.0/16.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)), // Alibaba Cloud
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),   // Azure
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),     // Oracle Cloud
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)), // Amazon EC2
];

/// Why no page is fetched from this address; `None` when it may be.
pub fn refusal(address: IpAddr) -> Option<&'static str> {
    if METADATA.contains(&address) {
        return Some("where a cloud keeps secrets of this machine");
    }
    match address {
        IpAddr::V4(address) => refusal_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => refusal(inner.into()),
            None => refusal_v6(address),
        },
    }
}

fn refusal_v4(address: Ipv4Addr) -> Option<&'static str> {
    match address.octets() {
        [127, ..] => Some("this machine itself"),
        [169, 254, ..] => Some("on this machine's own link"),
        [0, ..] => Some("no address of a machine"),
        [224..=255, ..] => Some("no address of one machine"), // multicast, reserved, broadcast
        _ => None,
    }
}

fn refusal_v6(address: Ipv6Addr) -> Option<&'static str> {
    let first = address.segments()[0];
    if address.is_loopback() {
        Some("this machine itself")
    } else if address.is_unspecified() {
        Some("no address of a machine")
    } else if first & 0xffc0 == 0xfe80 {
        Some("on this machine's own link")
    } else if address.is_multicast() {
        Some("no address of one machine")
    } else {
        None
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped and compatible (RFC 4291), NAT64 (RFC 6052,
/// RFC 8215) and 6to4 (RFC 3056).
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => None, // unspecified and loopback
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 1, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_fetched_from_other_machines_only() {
        let check = |address: &str, allowed| {
            let refused = refusal(address.parse().unwrap());
            assert_eq!(refused.is_none(), allowed, "{address}: {refused:?}");
        };
        for address in [
            "127.0.0.1",
            "127.255.0.9",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "168.63.129.16",
            "100.100.100.200",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a9fe:a9fe",
            "2002:7f00:1::",
        ] {
            check(address, false);
        }
        for address in [
            "93.184.216.34",
            "10.0.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "2606:2800::1",
            "fd12::1",
            "64:ff9b::5db8:d822",
            "::ffff:10.0.0.1",
        ] {
            check(address, true);
        }
    }
}
