//! Keys that are other names of a key. Either may be set; if both are, they must say the same.

use std::fmt::Display;
use std::net::SocketAddr;

use crate::Config;
use crate::firewall::Verdict;
use crate::report::Report;

/// Puts what was set by its other name in its place. Two that contradict each other are a mistake.
pub(crate) fn merge(config: &mut Config, report: &Report<'_>) {
    let both = Both(report);
    if let Some(name) = &config.system.hostname {
        let names = ["system.hostname", "node.name"];
        let node = config.node.name.as_ref().unwrap_or(name);
        both.agree(names, (name, node), |name| format!("{name:?}"));
        config.node.name = Some(name.clone());
    }
    if let Some(level) = config.system.autonomy_level {
        let names = ["system.autonomy_level", "approval.autonomy"];
        both.agree(names, (&level, &config.approval.autonomy), |level| {
            format!("{:?}", level.word())
        });
        config.approval.autonomy = level;
    }
    if let Some(port) = config.network.management_port {
        let names = ["network.management_port", "management.listen"];
        let listen = config.management.listen;
        both.agree(names, (&port, &listen.port()), |port| {
            format!("port {port}")
        });
        config.management.listen = SocketAddr::new(listen.ip(), port);
    }
    if let Some(allow) = config.network.allow_outbound {
        let names = ["network.allow_outbound", "firewall.outbound"];
        let outbound = if allow { Verdict::Allow } else { Verdict::Deny };
        let allowed = config.firewall.outbound == Verdict::Allow;
        both.agree(names, (&allow, &allowed), |allowed| {
            let word = if *allowed { "allowed" } else { "denied" };
            format!("what goes out is {word}")
        });
        config.firewall.outbound = outbound;
    }
    if let Some(servers) = &config.network.dns_servers {
        let names = ["network.dns_servers", "network.dns"];
        both.agree(names, (servers, &config.network.dns), |servers| {
            list(servers)
        });
        config.network.dns.clone_from(servers);
    }
}

fn list(items: &[impl Display]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    format!("[{}]", items.join(", "))
}

struct Both<'r, 't>(&'r Report<'t>);

impl Both<'_, '_> {
    fn agree<T: PartialEq>(
        &self,
        [name, other]: [&str; 2],
        (value, there): (&T, &T),
        tell: impl Fn(&T) -> String,
    ) {
        if value == there || !self.0.is_set(other) {
            return;
        }
        let message = format!(
            "{} contradicts {other}, which says {}",
            tell(value),
            tell(there)
        );
        let help = format!("both are the same setting: leave {name} or {other} out");
        self.0.at(self.0.place(name), name, message, Some(help));
    }
}
