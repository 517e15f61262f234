//! `[time]`: whom the clock follows.

use std::net::IpAddr;
use std::str::FromStr;

use crate::read::Table;
use crate::services::is_host_name;

/// A time server: its name or address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeServer {
    /// To be looked up.
    Name(String),
    /// Known.
    Address(IpAddr),
}

impl FromStr for TimeServer {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if let Ok(address) = text.parse() {
            return Ok(Self::Address(address));
        }
        // Four numbers that are no address are a slip, not a name.
        let is_name = text.len() <= 253 && text.split('.').all(is_host_name);
        let has_letter = text.chars().any(|c| c.is_ascii_alphabetic());
        (is_name && has_letter)
            .then(|| Self::Name(text.to_owned()))
            .ok_or(())
    }
}

impl std::fmt::Display for TimeServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// `[time]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Whom the clock follows; with none, whom DHCP names.
    pub servers: Vec<TimeServer>,
    /// The servers speak Network Time Security (RFC 8915).
    pub nts: bool,
    /// Servers that DHCP names are asked when none is configured.
    pub dhcp: bool,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            nts: false,
            dhcp: true,
        }
    }
}

impl Time {
    pub(crate) fn read(table: &Table<'_>) -> Self {
        let servers = table.parsed_list("servers", "a host name or an address");
        Self {
            servers: servers.unwrap_or_default(),
            nts: table.boolean("nts").unwrap_or(false),
            dhcp: table.boolean("dhcp").unwrap_or(true),
        }
    }
}
