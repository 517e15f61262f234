//! `firewall.rules`: what the packet filter lets in, in which order, and on how much it decided.

use aios_firewall::{CHAIN, FILE, Rule, TABLE, nft};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;
use caps::Capability;

use crate::procfs::printable;

/// The tool `firewall.rules`.
pub struct ListRules;

/// A rule of the operator's.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Operators {
    /// Its number, from 1: the first that fits a packet decides.
    pub number: u32,
    /// Its words: `allow tcp 443 from 10.0.0.0/8`.
    pub rule: String,
    /// Packets on which it decided since it was loaded, the first of each connection; absent while the
    /// kernel has other rules than the file.
    pub packets: Option<u64>,
    /// Their size, in bytes.
    pub bytes: Option<u64>,
}

/// A chain of aiOS's own.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Chain {
    /// Its name: `input` is what comes in.
    pub name: String,
    /// What becomes of packets on which no rule decides: `drop`, `accept`.
    pub policy: String,
    /// Its rules, in order, as nft(8) writes them.
    pub rules: Vec<String>,
}

/// The whole filter.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The operator's rules, in order. They decide where `input` says `jump operator`.
    pub operator: Vec<Operators>,
    /// Has the kernel the operator's rules as their file has them?
    pub in_force: bool,
    /// aiOS's own chains.
    pub own: Vec<Chain>,
    /// TCP ports that no rule of the operator's reaches.
    pub kept_ports: Vec<u16>,
}

impl Tool for ListRules {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "firewall.rules",
            "Lists the rules of the packet filter in their order: the operator's and aiOS's own.",
        )
        .kernel(&[Capability::CAP_NET_ADMIN])
        .needing("firewall", "read", "rules")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let mut text = match output.operator.len() {
            0 => "the operator has no rules".to_owned(),
            1 => "the operator has 1 rule".to_owned(),
            many => format!("the operator has {many} rules, the first that fits decides"),
        };
        if !output.in_force {
            text += &format!("; the kernel has others than {FILE}, firewall.load loads them");
        }
        for rule in &output.operator {
            text += &format!("\n{}. {}", rule.number, rule.rule);
            if let Some(packets) = rule.packets {
                text += &format!(" ({packets} packets)");
            }
        }
        let input = output.own.iter().find(|chain| chain.name == "input");
        let own = input.map_or(0, |input| input.rules.len());
        let policy = input.map_or("", |input| input.policy.as_str());
        format!(
            "{text}\naiOS has {own} rules of its own for what comes in; what none fits: {policy}"
        )
    }
}

impl Look for ListRules {
    fn look(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        let (rules, chain) = (super::current()?, super::chain()?);
        let table = nft::list(&["list", "table", "inet", TABLE]).map_err(super::failed)?;
        let in_force = rules.are(&chain);
        let numbered = |(index, rule): (usize, &Rule)| {
            let counted = chain.get(index).filter(|_| in_force);
            Operators {
                number: u32::try_from(index + 1).unwrap_or(u32::MAX),
                rule: rule.to_string(),
                packets: counted.map(|listed| listed.packets),
                bytes: counted.map(|listed| listed.bytes),
            }
        };
        let mut own = chains(&table);
        own.retain(|chain| chain.name != CHAIN);
        Ok(Output {
            operator: rules.iter().enumerate().map(numbered).collect(),
            in_force,
            own,
            kept_ports: super::kept_ports(&table),
        })
    }
}

/// The chains in the listing of aiOS's table, the operator's too.
pub(super) fn chains(table: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut inside = false;
    for line in table.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("chain ") {
            let name = name.trim_end_matches(" {");
            inside = true;
            chains.push(Chain {
                name: printable(name),
                policy: String::new(),
                rules: Vec::new(),
            });
        } else if line == "}" {
            inside = false;
        } else if let (true, Some(chain)) = (inside, chains.last_mut()) {
            match line.split_once("policy ") {
                Some((kind, policy)) if kind.starts_with("type ") => {
                    chain.policy = printable(policy.trim_end_matches(';'));
                }
                _ => chain.rules.push(printable(line)),
            }
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chains_of_the_table_are_read_without_its_sets() {
        let table = "table inet aios {\n\tset management_v4 {\n\t\ttype ipv4_addr\n\t}\n\n\
                     \tchain operator {\n\t\ttcp dport 80 counter packets 0 bytes 0 accept\n\t}\n\n\
                     \tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\
                     \t\tct state invalid drop\n\t\ttcp dport 9090 accept\n\t}\n}\n";
        let chain = |name: &str, policy: &str, rules: &[&str]| Chain {
            name: name.into(),
            policy: policy.into(),
            rules: rules.iter().map(ToString::to_string).collect(),
        };
        let expected = [
            chain(
                "operator",
                "",
                &["tcp dport 80 counter packets 0 bytes 0 accept"],
            ),
            chain(
                "input",
                "drop",
                &["ct state invalid drop", "tcp dport 9090 accept"],
            ),
        ];
        assert_eq!(chains(table), expected);
    }
}
