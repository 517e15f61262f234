//! What a new configuration needs, before anything is done.

use crate::Config;

/// What happens to a service so that it takes a new configuration up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// SIGHUP: it reads its tables again, and nothing that stays the same is interrupted.
    Reload(&'static str),
    /// It ends and starts anew.
    Restart(&'static str),
}

impl Change {
    /// All that there are, in the order of [`changes`].
    pub const ALL: [Self; 9] = [
        Self::Restart("provision"),
        Self::Reload("network"),
        Self::Restart("time"),
        Self::Restart("ssh"),
        Self::Restart("runtime"),
        Self::Restart("tools"),
        Self::Restart("console"),
        Self::Restart("update"),
        Self::Restart("orchestrator"),
    ];

    /// The service.
    pub fn service(self) -> &'static str {
        match self {
            Self::Reload(service) | Self::Restart(service) => service,
        }
    }
}

/// What must be done, in this order, after `new` was put in the place of `old`.
/// The network comes first: a connection must be let in before it is served. A
/// restarted orchestrator comes last: it serves whoever watches the others.
///
/// The node's name is set by `provision`; the network tells it to DHCP servers.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let listens = old.management != new.management;
    let ssh = old.ssh != new.ssh;
    let network = old.network != new.network
        || old.firewall != new.firewall
        || old.node != new.node
        || old.time.servers != new.time.servers
        || listens
        || ssh;
    let needed = [
        old.node != new.node,
        network,
        old.time != new.time,
        ssh,
        old.runtime != new.runtime,
        old.tools != new.tools || old.approval != new.approval,
        old.console != new.console,
        old.update != new.update,
        listens,
    ];
    let all = Change::ALL.into_iter().zip(needed);
    all.filter_map(|(change, needed)| needed.then_some(change))
        .collect()
}
