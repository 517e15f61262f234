//! aios-network: interfaces, addresses, names, firewall; and the roles `time` and `ssh`.
//!
//! 1. **It never holds the boot up.** Ready means that the configuration was read and the
//!    firewall stands; links and leases come when they come.
//! 2. **The firewall stands before any interface is brought up**, and is replaced in one step.
//!    When it cannot be set, no interface is brought up.
//! 3. What is to be done is decided by pure functions: [`plan`] (what is wanted and what there
//!    is in, actions out), [`firewall::ruleset`], [`dhcp::configuration`], [`names`]. The daemon
//!    ([`daemon`]) looks, decides and acts again whenever the kernel tells of a change: so
//!    hot-plug, a late link, a reload and a restart are all the same thing, and what is as it
//!    should be is never touched.
//! 4. What leaves the configuration is undone ([`before`]): its interface is as it was found.
//! 5. A configuration that is wrong changes nothing: the last one that was right holds, also
//!    for the next daemon; at a boot, when there is none, the default one.
//! 6. DHCPv4, DHCPv6 and router advertisements are dhcpcd's; NTP is chrony's; SSH is dropbear's.
//!
//! What must not live here: what a configuration may say (aios-config), and who may change it.

#![forbid(unsafe_code)]

pub mod before;
pub mod daemon;
pub mod dhcp;
pub mod firewall;
pub mod lease;
pub mod names;
pub mod netlink;
pub mod places;
pub mod plan;
pub mod ssh;
pub mod state;
pub mod time;

use std::path::Path;
use std::process::ExitCode;

/// The roles: none (the daemon), `time`, `ssh`, and what dhcpcd calls by the name of `hook`.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args();
    let name = arguments.next().unwrap_or_default();
    aios_daemon::logging::init();
    // dhcpcd calls its script without arguments, and with an environment of its own making.
    if let Some(folder) = name.strip_suffix("/hook") {
        return aios_daemon::run::ended(lease::hook(Path::new(folder)));
    }
    aios_daemon::run::ended(match arguments.next().as_deref() {
        None => daemon::run(),
        Some("time") => time::run(),
        Some("ssh") => ssh::run(),
        Some(other) => Err(anyhow::anyhow!(
            "there is no role {other:?}; there are time and ssh"
        )),
    })
}
