//! The one schema of `/etc/aios/config.toml`.
//!
//! 1. **All mistakes at once**, each with its line and column, what is wrong and
//!    what was probably meant: [`parse`]. A key that is not known is a mistake.
//! 2. A [`Config`] cannot be wrong: numbers are in their ranges, addresses are
//!    addresses, and the tables agree with each other ([`check`](mod@check)).
//! 3. What is not said has its default, and [`Config::default`] is the appliance
//!    as it comes: an address by DHCP, only 9090 open.
//! 4. [`changes`] says, before anything is done, what a new configuration restarts, and
//!    [`warnings`](fn@warnings) what of it may not be expected.
//!
//! Every key, with what it means: `config/reference.toml`, which a test reads.
//! Effects are in [`daemon`] alone: `aios-config`, which applies a configuration.

#![forbid(unsafe_code)]

mod changes;
mod check;
pub mod daemon;
mod firewall;
mod network;
pub mod node;
mod read;
mod report;
mod services;
mod ssh;
mod time;
mod warnings;

pub use changes::{Change, changes};
pub use firewall::{Firewall, Ports, Protocol, Rule, Verdict};
pub use network::{BondMode, FIRST, Interface, Ipv6, Kind, Network, Route};
pub use report::Problem;
pub use services::{
    Approval, Console, Data, Encryption, Management, Node, Risk, Runtime, Tools, Update,
    is_host_name,
};
pub use ssh::Ssh;
pub use time::{Time, TimeServer};
pub use warnings::{Card, Here, warnings};

use std::process::ExitCode;

use read::Table;
use report::Report;

/// `aios-config`: shows, checks and changes the node's configuration. Started when it is needed;
/// leaves when nobody has asked for a while.
pub fn main() -> ExitCode {
    aios_proto::daemon::run(daemon::run())
}

/// Where the configuration is.
pub const PATH: &str = "/etc/aios/config.toml";

/// The largest file that is read, in bytes.
pub const SIZE_MAX: usize = 256 * 1024;

/// The whole configuration of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `[node]`: who it is.
    pub node: Node,
    /// `[management]`: where operators connect.
    pub management: Management,
    /// `[approval]`: which tool calls run without a person.
    pub approval: Approval,
    /// `[tools]`: how much at once.
    pub tools: Tools,
    /// `[runtime]`: models.
    pub runtime: Runtime,
    /// `[network]`: interfaces, addresses, names.
    pub network: Network,
    /// `[firewall]`: who may connect where.
    pub firewall: Firewall,
    /// `[time]`: whom the clock follows.
    pub time: Time,
    /// `[ssh]`: recovery by SSH.
    pub ssh: Ssh,
    /// `[update]`: when a new system counts as good.
    pub update: Update,
    /// `[console]`: the status page.
    pub console: Console,
    /// `[data]`: how the data partition is kept.
    pub data: Data,
}

/// Reads a configuration.
///
/// # Errors
/// Everything that is wrong with it, in the order of the text.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let report = Report::new(text);
    if text.len() > SIZE_MAX {
        report.at(0, "", format!("larger than {SIZE_MAX} bytes"), None);
        return Err(report.into_problems());
    }
    let (document, errors) = toml::de::DeTable::parse_recoverable(text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        report.at(at, "", format!("not TOML: {}", error.message()), None);
    }
    let config = read(&Table::root(&report, document.get_ref()));
    // Of half a text not all can be known.
    if errors.is_empty() {
        let bad = report.paths();
        let follows = |path: &str| bad.iter().any(|bad| bad.starts_with(path));
        for found in check::check(&config) {
            if follows(&found.path) {
                continue; // from a mistake that is on the list already
            }
            let at = report.place(&found.path);
            report.at(at, &found.path, found.message, found.help);
        }
    }
    let problems = report.into_problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

fn read(root: &Table<'_>) -> Config {
    let config = Config {
        node: root.table("node", Node::read),
        management: root.table("management", Management::read),
        approval: root.table("approval", Approval::read),
        tools: root.table("tools", Tools::read),
        runtime: root.table("runtime", Runtime::read),
        network: root.table("network", Network::read),
        firewall: root.table("firewall", Firewall::read),
        time: root.table("time", Time::read),
        ssh: root.table("ssh", Ssh::read),
        update: root.table("update", Update::read),
        console: root.table("console", Console::read),
        data: root.table("data", Data::read),
    };
    root.refuse_the_rest();
    config
}

#[cfg(test)]
mod tests;
