//! `[time]`: whom the clock follows.

use std::net::IpAddr;
use std::str::FromStr;

use crate::form::{Boolean, list, parsed};
use crate::services::is_host_name;
use crate::table::table;

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

table! {
    /// `[time]`: whom the clock follows.
    Time = "time", in time, read by [Time, Network];

    /// Time servers; without any, and without one named by DHCP, the clock is left alone.
    servers: Vec<TimeServer> = Vec::new(), list(parsed("a host name or an address")),
        default "the servers that DHCP names";
    /// The servers speak Network Time Security (RFC 8915).
    nts: bool = false, Boolean, read by [Time];
    /// Servers that DHCP names are asked when none is configured.
    dhcp: bool = true, Boolean, read by [Time];
}
