//! `net.interfaces`: the network interfaces and their addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use crate::procfs::{line, printable};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `net.interfaces`.
pub struct Interfaces;

/// One interface.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Is it switched on and connected?
    pub up: bool,
    /// Addresses with the length of their network: `10.0.2.15/24`.
    pub addresses: Vec<String>,
    /// Hardware address, when it has one.
    pub hardware_address: Option<String>,
    /// Largest packet in bytes, when the kernel tells.
    pub mtu: Option<u32>,
}

/// All interfaces.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By name.
    pub interfaces: Vec<Interface>,
}

impl Tool for Interfaces {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.interfaces",
            "Lists the network interfaces with their addresses.",
        )
        .needing("net", "read", "interfaces")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |interface: &Interface| {
            let state = if interface.up { "up" } else { "down" };
            match interface.addresses.is_empty() {
                true => format!("{} is {state} without an address", interface.name),
                false => format!(
                    "{} is {state} with {}",
                    interface.name,
                    interface.addresses.join(", ")
                ),
            }
        };
        let all: Vec<String> = output.interfaces.iter().map(one).collect();
        match all.is_empty() {
            true => "there is no network interface".to_owned(),
            false => all.join("; "),
        }
    }
}

impl Look for Interfaces {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let all = getifaddrs().map_err(|error| ToolError::io("cannot list interfaces", error))?;
        let mut found: BTreeMap<String, Interface> = BTreeMap::new();
        for one in all {
            let interface = found.entry(one.interface_name.clone()).or_default();
            let needed = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
            interface.up |= one.flags.contains(needed);
            interface.addresses.extend(address(&one));
        }
        let interfaces = found
            .into_iter()
            .map(|(name, one)| complete(&name, one))
            .collect();
        Ok(Output { interfaces })
    }
}

fn address(one: &InterfaceAddress) -> Option<String> {
    let address = ip(one.address.as_ref()?)?;
    let length = match one.netmask.as_ref().and_then(ip) {
        Some(IpAddr::V4(mask)) => mask.to_bits().count_ones(),
        Some(IpAddr::V6(mask)) => mask.to_bits().count_ones(),
        None => return Some(address.to_string()),
    };
    Some(format!("{address}/{length}"))
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| address.ip().into());
    v4.or_else(|| address.as_sockaddr_in6().map(|address| address.ip().into()))
}

/// Adds what sysfs tells; a container may hide it.
fn complete(name: &str, interface: Interface) -> Interface {
    let file = |file: &str| line(&format!("/sys/class/net/{name}/{file}"));
    let hardware = file("address").filter(|address| address.chars().any(|c| !"0:".contains(c)));
    Interface {
        name: printable(name),
        mtu: file("mtu").and_then(|mtu| mtu.parse().ok()),
        hardware_address: hardware,
        ..interface
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_loopback_interface_has_its_address() {
        let done = call::<Interfaces>(json!({})).unwrap();
        let output: Output = serde_json::from_value(done.output).unwrap();
        let loopback = output
            .interfaces
            .iter()
            .find(|one| one.name == "lo")
            .unwrap();
        assert!(loopback.up && loopback.addresses.contains(&"127.0.0.1/8".to_owned()));
        assert!(
            done.summary.contains("lo is up with 127.0.0.1/8"),
            "{}",
            done.summary
        );
    }
}
