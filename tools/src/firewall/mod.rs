//! `firewall.*`: the operator's rules of the packet filter.
//!
//! The rules are a file (`aios_firewall::FILE`), of which `aios-network` makes a chain of aiOS's own
//! table at each start. These tools write the file, and have the kernel take the chain at once. What
//! reaches the chain is aios-network's to say: no rule reaches the management port or that of SSH.

pub mod add;
pub mod decision;
pub mod load;
pub mod remove;
pub mod rules;

use std::path::Path;
use std::sync::Arc;

use aios_config::{Ports, Protocol, Verdict};
use aios_firewall::{CHAIN, FILE, Listed, Rule, Rules, TABLE, Wrong, listed, network, nft};
use aios_tool::argument::Network;
use aios_tool::file::WRITING;
use aios_tool::prelude::*;
use aios_tool::tool::{ErasedTool, edit, look};
use aios_tool::undo::{Entry, InverseCall};
use caps::Capability;

/// The tools of this namespace.
pub fn tools() -> Vec<Arc<dyn ErasedTool>> {
    vec![
        look::<rules::ListRules>(),
        edit::<add::allow::AllowPort>(),
        edit::<add::deny::DenyPort>(),
        edit::<remove::RemoveRule>(),
        aios_tool::tool::change::<load::LoadRules>(),
    ]
}

choices! {
    /// Which packets.
    pub enum Transport {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// Both.
        Any = "any",
    }
}

/// What a change of the rules did.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The rule that was added or removed.
    pub rule: String,
    /// Was anything changed? `false` when it was so already.
    pub changed: bool,
    /// All rules of the operator, in order: the first that fits a packet decides.
    pub rules: Vec<String>,
}

/// What every tool declares that changes the rules.
fn declaration(name: &str, description: &str) -> Declaration {
    Declaration::of(name, description)
        .risk(Risk::High)
        .least(Least::Admin)
        .kernel(&[&[Capability::CAP_NET_ADMIN], WRITING].concat())
        .needing("firewall", "change", "rules")
        .reading_the_machine()
        .changing(&["/etc"])
}

/// What a rule says, from the arguments of a call.
fn rule(
    action: Verdict,
    [first, last]: [Option<u16>; 2],
    protocol: Option<Transport>,
    source: Option<&Network>,
) -> Result<Rule, ToolError> {
    let ports = match (first, last) {
        (None, None) => None,
        (Some(first), last) if last.unwrap_or(first) >= first => Some(Ports {
            first,
            last: last.unwrap_or(first),
        }),
        _ => return Err(ToolError::Invalid("last_port: is below port".into())),
    };
    let from = source.map(|source| network(source.as_str())).transpose();
    Ok(Rule {
        action,
        protocol: match protocol {
            None | Some(Transport::Tcp) => Protocol::Tcp,
            Some(Transport::Udp) => Protocol::Udp,
            Some(Transport::Any) => Protocol::Any,
        },
        ports,
        from: from.map_err(|why| ToolError::Invalid(format!("source: {why}")))?,
    })
}

/// The rules of the file.
fn current() -> Result<Rules, ToolError> {
    Rules::read(Path::new(FILE)).map_err(refused)
}

fn refused(wrong: Wrong) -> ToolError {
    ToolError::Precondition(format!("{wrong}; the file is {FILE}"))
}

/// The file with these rules, after nft and the kernel have checked them.
fn plan(rules: &Rules) -> Result<Plan, ToolError> {
    nft::check(&rules.trial()).map_err(failed)?;
    Plan::new().content(FILE, rules.text(), 0o644)
}

/// The file with this rule as the first.
fn adding(rule: Rule) -> Result<Plan, ToolError> {
    has_effect(&rule)?;
    plan(&current()?.with_first(rule).map_err(refused)?)
}

fn failed(error: nft::Failed) -> ToolError {
    match error {
        nft::Failed::Run(_) => ToolError::Unavailable(error.to_string()),
        nft::Failed::Refused(_) => ToolError::Precondition(error.to_string()),
    }
}

/// Has the kernel take the rules of the file, all at once.
fn load() -> Result<(), ToolError> {
    let rules = current()?;
    chain()?; // Says what is missing when aiOS's table does not stand.
    nft::load(&rules.replacement()).map_err(failed)
}

/// The call that loads the file again once it is as it was.
fn loading_again() -> Option<InverseCall> {
    Some(InverseCall {
        tool: load::NAME.to_owned(),
        arguments: json!({}),
        undone: "the packet filter has the operator's rules of before".to_owned(),
    })
}

/// Has the kernel the rules of the file?
fn verify() -> Result<(), ToolError> {
    match current()?.are(&chain()?) {
        true => Ok(()),
        false => Err(ToolError::Unverified(format!(
            "the kernel has other rules than {FILE}"
        ))),
    }
}

/// The operator's rules that the kernel has.
fn chain() -> Result<Vec<Listed>, ToolError> {
    match nft::list(&["list", "chain", "inet", TABLE, CHAIN]) {
        Ok(text) => Ok(listed(&text)),
        Err(nft::Failed::Refused(why)) => Err(ToolError::Precondition(format!(
            "aiOS's packet filter does not stand, so there is nothing to put rules into: {why}; \
             `aiosctl services` says how the network service is"
        ))),
        Err(error) => Err(failed(error)),
    }
}

/// The ports that no rule reaches, as the kernel has them: those of the management and of SSH.
fn kept_ports(table: &str) -> Vec<u16> {
    let jump = format!("}} jump {CHAIN}");
    let line = table.lines().find_map(|line| {
        let set = line.trim().strip_prefix("tcp dport != { ")?;
        set.strip_suffix(&jump)
    });
    let ports = line.unwrap_or_default().split(',');
    ports.filter_map(|port| port.trim().parse().ok()).collect()
}

/// Refuses a rule that would never decide on anything.
fn has_effect(rule: &Rule) -> Result<(), ToolError> {
    let table = nft::list(&["list", "table", "inet", TABLE]).unwrap_or_default();
    let Some(ports) = rule.ports else {
        return Ok(());
    };
    let kept = kept_ports(&table);
    let all = (ports.first..=ports.last).all(|port| kept.contains(&port));
    match all && rule.protocol == Protocol::Tcp {
        false => Ok(()),
        true => Err(ToolError::Denied(format!(
            "port {ports} is one by which this node is kept, and no rule of the operator's reaches it; \
             [firewall] management_from and ssh_from in config.toml say who may connect"
        ))),
    }
}

/// What the change did.
fn output(rule: &Rule, changed: &[Entry]) -> Result<Output, ToolError> {
    Ok(Output {
        rule: rule.to_string(),
        changed: !changed.is_empty(),
        rules: current()?.iter().map(ToString::to_string).collect(),
    })
}

/// One line about a rule that was added.
fn added(output: &Output) -> String {
    let of = output.rules.len();
    match output.changed {
        true => format!(
            "{:?} is the first of {of} rules of the operator's, and holds",
            output.rule
        ),
        false => format!(
            "{:?} was the first of {of} rules of the operator's already",
            output.rule
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_that_no_rule_reaches_are_read_from_the_table() {
        let check = |line: &str, ports: &[u16]| {
            let table = format!("table inet aios {{\n\tchain input {{\n\t\t{line}\n\t}}\n}}\n");
            assert_eq!(kept_ports(&table), ports, "{line}");
        };
        check("tcp dport != { 22, 9090 } jump operator", &[22, 9090]);
        check("meta l4proto 17 jump operator", &[]);
        check("tcp dport != { 22 } jump other", &[]);
    }

    #[test]
    fn arguments_make_a_rule() {
        let check = |ports, protocol, source: Option<&str>, expected: Result<&str, &str>| {
            let source = source.map(Network::of);
            let made = rule(Verdict::Allow, ports, protocol, source.as_ref());
            let made = made.map(|rule| rule.to_string());
            match expected {
                Ok(text) => assert_eq!(made.unwrap(), text),
                Err(why) => assert!(made.unwrap_err().to_string().contains(why), "{why}"),
            }
        };
        check([Some(80), None], None, None, Ok("allow tcp 80"));
        check(
            [Some(80), Some(90)],
            Some(Transport::Any),
            Some("10.1.1.1/8"),
            Ok("allow any 80-90 from 10.0.0.0/8"),
        );
        check([Some(80), Some(79)], None, None, Err("last_port: is below"));
        check([None, Some(79)], None, None, Err("last_port: is below"));
        check(
            [Some(80), None],
            None,
            Some("x"),
            Err("source: \"x\" is no address"),
        );
        check([None, None], Some(Transport::Udp), None, Ok("allow udp"));
    }
}
