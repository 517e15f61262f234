//! `net.routes`: which way packets go.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::procfs::{printable, read};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `net.routes`.
pub struct Routes;

/// Flags of the kernel's tables: usable, and refused (`!` in route(8)).
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;
/// In the IPv6 table: this machine's own addresses.
const LOCAL: u32 = 0x8000_0000;

/// One route.
#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Route {
    /// `default`, or a network: `10.0.2.0/24`.
    pub destination: String,
    /// By way of which host; none when directly connected.
    pub gateway: Option<String>,
    /// Through which interface.
    pub interface: String,
    /// Of several, the lowest is taken.
    pub metric: u32,
}

/// The routes.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// IPv4 before IPv6.
    pub routes: Vec<Route>,
}

impl Tool for Routes {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.routes",
            "Lists the network routes and the default gateway.",
        )
        .needing("net", "read", "routes")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |route: &Route| match &route.gateway {
            Some(gateway) => format!("{} via {gateway} on {}", route.destination, route.interface),
            None => format!("{} on {}", route.destination, route.interface),
        };
        let all: Vec<String> = output.routes.iter().map(one).collect();
        match all.is_empty() {
            true => "there are no routes: this machine is not connected".to_owned(),
            false => all.join("; "),
        }
    }
}

impl Look for Routes {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let mut routes = parse_v4(&read("/proc/net/route")?);
        routes.extend(parse_v6(&read("/proc/net/ipv6_route").unwrap_or_default()));
        Ok(Output { routes })
    }
}

/// Parses `/proc/net/route`: addresses are words in the machine's byte order.
pub fn parse_v4(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let word = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
        let address = |index: usize| Some(Ipv4Addr::from(word(index)?.to_ne_bytes()));
        let flags = word(3)?;
        let (network, gateway, length) = (address(1)?, address(2)?, word(7)?.count_ones());
        (flags & UP != 0 && flags & REJECT == 0).then_some(())?;
        Some(Route {
            destination: destination(network.to_string(), length),
            gateway: (!gateway.is_unspecified()).then(|| gateway.to_string()),
            interface: printable(fields.first()?),
            metric: fields.get(6)?.parse().ok()?,
        })
    };
    text.lines().skip(1).filter_map(route).collect()
}

/// Parses `/proc/net/ipv6_route`; the own addresses and multicast are left out.
pub fn parse_v6(text: &str) -> Vec<Route> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let address = |index: usize| {
            let digits = fields.get(index).filter(|digits| digits.len() == 32)?;
            u128::from_str_radix(digits, 16).ok().map(Ipv6Addr::from)
        };
        let word = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok();
        let (network, gateway, flags) = (address(0)?, address(4)?, word(8)?);
        let wanted = flags & UP != 0 && flags & (REJECT | LOCAL) == 0;
        (wanted && !network.is_multicast()).then_some(())?;
        Some(Route {
            destination: destination(network.to_string(), word(1)?),
            gateway: (!gateway.is_unspecified()).then(|| gateway.to_string()),
            interface: printable(fields.get(9)?),
            metric: word(5)?,
        })
    };
    text.lines().filter_map(route).collect()
}

fn destination(network: String, length: u32) -> String {
    match length {
        0 => "default".to_owned(),
        _ => format!("{network}/{length}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_read() {
        let v4 = "Iface\tDestination\n\
            eth0\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
            eth0\t0102000A\t00000000\t0200\t0\t0\t0\tFFFFFFFF\t0\t0\t0\nbroken line\n";
        let shown = |routes: Vec<Route>| Routes::summarize(&Nothing {}, &Output { routes });
        assert_eq!(
            shown(parse_v4(v4)),
            "default via 10.0.2.2 on eth0; 10.0.2.0/24 on eth0"
        );
        let zeros = "0".repeat(32);
        let v6 = format!(
            "fe800000000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001     eth0\n\
             {zeros} 00 {zeros} 00 fe800000000000000000000000000002 00000400 1 0 00000003     eth0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\nshort\n"
        );
        assert_eq!(
            shown(parse_v6(&v6)),
            "fe80::/64 on eth0; default via fe80::2 on eth0"
        );
        assert!(shown(Vec::new()).contains("not connected"));
    }
}
