//! `/run/aios/network.json`: how the network is, for the console and `aiosctl status`.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Everything.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The interfaces, `lo` left out, in the kernel's order.
    pub interfaces: Vec<InterfaceState>,
    /// Name servers in use.
    pub dns: Vec<IpAddr>,
    /// Domains that short names are looked up in.
    pub search: Vec<String>,
    /// Time servers that DHCP named.
    pub ntp: Vec<String>,
    /// Does the firewall stand as configured?
    pub firewall: bool,
    /// Is the port of SSH open?
    pub ssh: bool,
    /// What is wrong, for people; empty when nothing is.
    pub problems: Vec<String>,
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InterfaceState {
    /// As in `ip link`.
    pub name: String,
    /// MAC address.
    pub mac: Option<String>,
    /// Is it ours to configure?
    pub configured: bool,
    /// Is it set up?
    pub up: bool,
    /// Is there a carrier: a cable, a switch?
    pub link: bool,
    /// Largest packet.
    pub mtu: u32,
    /// Addresses with their prefixes, link-local ones too.
    pub addresses: Vec<IpNet>,
    /// Default routers by this interface.
    pub gateways: Vec<IpAddr>,
    /// What servers and routers told.
    pub leases: Vec<crate::lease::Lease>,
}
