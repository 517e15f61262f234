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
    use Change::{Reload, Restart};
    let listens = old.management != new.management;
    let ssh = old.ssh != new.ssh;
    let network = old.network != new.network
        || old.firewall != new.firewall
        || old.node != new.node
        || old.time.servers != new.time.servers
        || listens
        || ssh;
    let table = [
        (old.node != new.node, Restart("provision")),
        (network, Reload("network")),
        (old.time != new.time, Restart("time")),
        (ssh, Restart("ssh")),
        (old.runtime != new.runtime, Restart("runtime")),
        (
            old.tools != new.tools || old.approval != new.approval,
            Restart("tools"),
        ),
        (old.console != new.console, Restart("console")),
        (old.update != new.update, Restart("update")),
        (listens, Restart("orchestrator")),
    ];
    let needed = table.into_iter().filter(|(needed, _)| *needed);
    needed.map(|(_, change)| change).collect()
}
