//! The schema of `/etc/aios/config.toml`.
//!
//! 1. **Each table is declared once** ([`table`]): keys, values, defaults, who reads them. What a
//!    daemon reads, what a change restarts ([`changes`]) and the documentation follow from that.
//! 2. **All mistakes at once**, each with its line and column, what is wrong and
//!    what was probably meant: [`parse`]. A key that is not known is a mistake.
//! 3. A [`Config`] cannot be wrong: numbers are in their ranges, addresses are
//!    addresses, and the tables agree with each other ([`check`](mod@check)).
//! 4. What is left out has its default, and [`Config::default`] is the appliance
//!    as it comes: an address by DHCP, only 9090 open.
//!
//!
//! Every key, with what it means: `config/schema/reference.toml`, which a test reads.
//! What must not live here: what a service does with its tables; any effect.

#![forbid(unsafe_code)]

mod changes;
mod check;
pub mod design;
mod documentation;
mod firewall;
mod form;
mod network;
pub mod node;
mod read;
pub mod reader;
mod report;
mod same;
mod services;
mod ssh;
mod table;
mod time;
mod warnings;

pub use changes::{Change, changes};
pub use design::{Api, Memory, Models, Security, System};
pub use documentation::documentation;
pub use firewall::{Firewall, Ports, Protocol, Rule, Verdict};
pub use network::{BondMode, FIRST, Interface, Ipv6, Kind, Network, Route};
pub use report::Problem;
pub use services::{
    About, Approval, Autonomy, Console, Data, Encryption, Management, Node, Risk, Runtime, Tools,
    Update, is_host_name,
};
pub use ssh::{PublicKey, Ssh};
pub use table::{Force, Key, NotInForce, Table, TopTable};
pub use time::{Time, TimeServer};
pub use warnings::{Card, Here, warnings};

use report::Report;

/// Where the configuration is.
pub const PATH: &str = "/etc/aios/config.toml";

/// The largest file that is read, in bytes.
pub const SIZE_MAX: usize = 256 * 1024;

macro_rules! configuration {
    ($($field:ident: $table:ident),+ $(,)?) => {
        /// The whole configuration of a node.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Config {
            $(#[doc = concat!("`[", stringify!($field), "]`.")] pub $field: $table,)+
        }

        impl Config {
            /// Every key of every table, in the order of their declaration.
            pub fn keys() -> Vec<Key> {
                let mut keys = Vec::new();
                $(keys.extend(<$table as Table>::keys());)+
                keys
            }

            /// The keys that are set to what is not in force yet.
            pub fn not_in_force(&self) -> Vec<NotInForce> {
                let mut found = Vec::new();
                $(found.extend(self.$field.not_in_force());)+
                found
            }

            /// The keys whose values differ.
            pub fn difference(&self, other: &Self) -> Vec<Key> {
                let mut keys = Vec::new();
                $(keys.extend(self.$field.difference(&other.$field));)+
                keys
            }
        }

        fn read(root: &read::Table<'_>) -> Config {
            let config = Config {
                $($field: root.table(<$table as Table>::NAME, <$table as table::Read>::read),)+
            };
            root.refuse_the_rest();
            config
        }
    };
}

configuration! {
    node: Node,
    management: Management,
    approval: Approval,
    tools: Tools,
    runtime: Runtime,
    network: Network,
    firewall: Firewall,
    time: Time,
    ssh: Ssh,
    update: Update,
    console: Console,
    data: Data,
    system: System,
    models: Models,
    api: Api,
    memory: Memory,
    security: Security,
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
    let mut config = read(&read::Table::root(&report, document.get_ref()));
    same::merge(&mut config, &report);
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

#[cfg(test)]
mod tests;
