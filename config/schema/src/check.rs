//! What the tables must agree on. Pure: a configuration in, mistakes out.

mod network;

use crate::Config;
use crate::firewall::{Protocol, Rule, Verdict};

/// A mistake, and at which key.
pub(crate) struct Found {
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

#[derive(Default)]
struct Founds(Vec<Found>);

impl Founds {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>, help: &str) {
        self.0.push(Found {
            path: path.into(),
            message: message.into(),
            help: (!help.is_empty()).then(|| help.to_owned()),
        });
    }
}

pub(crate) fn check(config: &Config) -> Vec<Found> {
    let mut out = Founds::default();
    ports(config, &mut out);
    firewall(config, &mut out);
    if config.time.nts && config.time.servers.is_empty() {
        let message = "needs servers: those that DHCP names are not known to speak NTS";
        out.add("time.nts", message, "name them in time.servers");
    }
    network::network(&config.network, &mut out);
    out.0
}

fn ports(config: &Config, out: &mut Founds) {
    let management = config.management.listen.port();
    if management == 0 {
        let message = "port 0 is no port: operators could not know where to connect";
        out.add("management.listen", message, "9090 is the usual one");
    } else if management == config.ssh.port {
        let message = format!("{management} is already the port of the management API");
        out.add("ssh.port", message, "");
    }
}

/// Nothing may shut the operator out for good.
fn firewall(config: &Config, out: &mut Founds) {
    let port = config.management.listen.port();
    let help = "leave it out, or name the operators' network";
    if config
        .firewall
        .management_from
        .as_ref()
        .is_some_and(Vec::is_empty)
    {
        let message =
            format!("an empty list would shut port {port}, the management API, for everyone");
        out.add("firewall.management_from", message, help);
    }
    for (index, rule) in config.firewall.input.iter().enumerate() {
        let path = format!("firewall.input[{index}]");
        let everyone = rule.peers.is_empty() || rule.peers.iter().any(|net| net.prefix_len() == 0);
        let everything = rule.ports.is_empty();
        let touches = covers(rule, port);
        if rule.action == Verdict::Deny && everyone && touches {
            let message = format!("would shut port {port}, the management API, for everyone");
            out.add(path, message, "name in \"from\" who is to be denied");
        } else if rule.action == Verdict::Allow && everyone && everything {
            let message = "would open every port to everyone";
            out.add(path, message, "name a port, or in \"from\" who may connect");
        }
    }
}

fn covers(rule: &Rule, port: u16) -> bool {
    let here = rule.ports.is_empty() || rule.ports.iter().any(|ports| ports.contains(port));
    rule.protocol != Protocol::Udp && here
}
