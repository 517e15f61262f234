//! The operator's rules of the packet filter.
//!
//! 1. The rules are lines of a file ([`FILE`]), in order: the first that fits a packet decides.
//!    `aios-network` loads the file at each start, `aios-tools` loads it when a tool changes it.
//! 2. In the kernel, the rules are the chain [`CHAIN`] of aiOS's own table. `aios-network` decides
//!    which packets reach the chain: no packet to the management port or the port of SSH, and nothing
//!    that aiOS has refused before. So no rule locks anybody out, and no rule loosens a limit.
//! 3. A rule is a value that cannot be wrong. The file holds no text of nft(8), so that nobody who
//!    writes the file changes anything but the chain.
//! 4. A set of rules is loaded in one transaction: all of it or nothing.
//!
//! What must not live here: aiOS's own rules (aios-network), and who may change the file (aios-tools).

#![forbid(unsafe_code)]

pub mod nft;
mod rule;
mod rules;

pub use rule::{Rule, network};
pub use rules::{Listed, Rules, Wrong, listed};

/// The file of the rules.
pub const FILE: &str = "/etc/firewall.rules";

/// The table of aiOS, of the family `inet`: IPv4 and IPv6.
pub const TABLE: &str = "aios";

/// The chain of the operator's rules in that table.
pub const CHAIN: &str = "operator";
