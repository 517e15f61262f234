//! `net.listen_check`: who listens on a port of this machine, and who can reach it from outside.

use aios_firewall::{TABLE, nft};
use aios_tool::argument::Whole;
use aios_tool::prelude::*;
use caps::Capability;

use crate::firewall::decision::{Decision, decisions};
use crate::procfs::process;
use crate::procfs::sockets::{self, Owners, Protocol, Socket};

/// The tool `net.listen_check`.
pub struct ListenCheck;

choices! {
    /// Which protocol.
    pub enum Transport {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

arguments! {
    /// Arguments of `net.listen_check`.
    pub struct Input {
        /// Port of this machine, from 1 to 65535.
        pub port: Whole<1, 65535>,
        /// `tcp` or `udp`. Default: `tcp`.
        pub protocol: Option<Transport>,
    }
}

/// Who can reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reachable {
    /// Nobody from outside: nothing listens, or only for this machine, or the packet filter refuses all.
    Nobody,
    /// Only some sources, as `rules` says.
    Some,
    /// All but those that `rules` refuses.
    Everyone,
    /// The packet filter of aiOS does not stand here, so it is not known.
    Unknown,
}

/// A socket that listens.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// The address: `0.0.0.0` and `::` are all of this machine's.
    pub address: String,
    /// The process, when known.
    pub process: Option<String>,
    /// Its process id, when known.
    pub pid: Option<u32>,
    /// The account that the socket belongs to.
    pub account: String,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Who listens on it.
    pub listeners: Vec<Listener>,
    /// Who can reach it from outside.
    pub reachable: Reachable,
    /// What the packet filter decides on new connections to it, the first that fits first: `allow from
    /// 10.0.0.0/8`, `deny from everywhere`.
    pub rules: Vec<String>,
}

impl Tool for ListenCheck {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.listen_check",
            "Checks which process listens on a port of this machine, and who can reach it from outside.",
        )
        .kernel(&[
            Capability::CAP_DAC_READ_SEARCH,
            Capability::CAP_NET_ADMIN,
            Capability::CAP_SYS_PTRACE,
        ])
        .needing("net", "read", "connections")
        .needing("firewall", "read", "rules")
        .reading_the_machine()
        .example(json!({"port": 443}))
    }

    fn complete(input: &mut Input) {
        input.protocol.get_or_insert(Transport::Tcp);
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let port = format!("{} port {}", protocol(input).name(), input.port.get());
        let Some(first) = output.listeners.first() else {
            return format!("nothing listens on {port}; {}", filter(output));
        };
        let who = first.process.as_ref().unwrap_or(&first.account);
        let addresses: Vec<&str> = output
            .listeners
            .iter()
            .map(|listener| listener.address.as_str())
            .collect();
        format!(
            "{who} listens on {port} at {}; {}",
            addresses.join(", "),
            filter(output)
        )
    }
}

/// Who can reach it, for the operator.
fn filter(output: &Output) -> String {
    let rules = output.rules.join(", then ");
    match output.reachable {
        Reachable::Unknown => "the packet filter of aiOS does not stand here".to_owned(),
        Reachable::Nobody if output.rules.is_empty() => "it is for this machine only".to_owned(),
        Reachable::Nobody => format!("nobody reaches it from outside ({rules})"),
        Reachable::Some => format!("some reach it from outside ({rules})"),
        Reachable::Everyone => format!("it can be reached from outside ({rules})"),
    }
}

fn protocol(input: &Input) -> Protocol {
    match input.protocol {
        Some(Transport::Udp) => Protocol::Udp,
        Some(Transport::Tcp) | None => Protocol::Tcp,
    }
}

impl Look for ListenCheck {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let (protocol, port) = (protocol(input), input.port.get());
        let mut sockets = sockets::all()?;
        sockets.retain(|socket| {
            socket.protocol == protocol
                && i64::from(socket.local.port()) == port
                && socket.is_listening()
        });
        let decisions = match nft::list(&["list", "table", "inet", TABLE]) {
            Ok(table) => u16::try_from(port)
                .map(|port| decisions(&table, protocol.name(), port))
                .unwrap_or_default(),
            Err(_) => Vec::new(), // A container has none.
        };
        let is_for_others = sockets
            .iter()
            .any(|socket| !socket.local.ip().is_loopback());
        let only_here = !sockets.is_empty() && !is_for_others;
        let owners = Owners::look();
        Ok(Output {
            reachable: reachable(is_for_others, sockets.is_empty(), &decisions),
            rules: match only_here {
                true => Vec::new(),
                false => decisions.iter().map(described).collect(),
            },
            listeners: sockets
                .iter()
                .map(|socket| listener(socket, &owners))
                .collect(),
        })
    }
}

fn listener(socket: &Socket, owners: &Owners) -> Listener {
    let process = owners.of(socket);
    Listener {
        address: socket.local.ip().to_string(),
        process: process.map(|process| process.name.clone()),
        pid: process.map(|process| process.stat.pid),
        account: process::account(socket.uid),
    }
}

fn described(decision: &Decision) -> String {
    let verdict = if decision.lets_in { "allow" } else { "deny" };
    let from = decision.from.as_deref().unwrap_or("everywhere");
    format!("{verdict} from {from}")
}

fn reachable(is_for_others: bool, is_silent: bool, decisions: &[Decision]) -> Reachable {
    let lets_in = |decision: &Decision| decision.lets_in;
    match decisions.last() {
        _ if !is_for_others && !is_silent => Reachable::Nobody,
        None => Reachable::Unknown,
        _ if is_silent => Reachable::Nobody,
        Some(last) if last.lets_in => Reachable::Everyone,
        Some(_) if decisions.iter().any(lets_in) => Reachable::Some,
        Some(_) => Reachable::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use std::net::TcpListener;

    #[test]
    fn who_can_reach_it_follows_from_listeners_and_filter() {
        let check = |for_others, silent, decisions: &[(&str, bool)], expected| {
            let decisions: Vec<Decision> = decisions
                .iter()
                .map(|(from, lets_in)| Decision {
                    from: (!from.is_empty()).then(|| (*from).to_owned()),
                    lets_in: *lets_in,
                })
                .collect();
            assert_eq!(reachable(for_others, silent, &decisions), expected);
        };
        check(true, false, &[("", true)], Reachable::Everyone);
        check(
            true,
            false,
            &[("10.0.0.0/8", false), ("", true)],
            Reachable::Everyone,
        );
        check(
            true,
            false,
            &[("10.0.0.0/8", true), ("", false)],
            Reachable::Some,
        );
        check(true, false, &[("", false)], Reachable::Nobody);
        check(true, false, &[], Reachable::Unknown);
        check(false, false, &[("", true)], Reachable::Nobody);
        check(false, true, &[("", true)], Reachable::Nobody);
    }

    #[test]
    fn what_listens_for_this_machine_only_is_said_so() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let done = call::<ListenCheck>(json!({"port": port})).unwrap();
        let name = process::of(std::process::id()).unwrap().name;
        assert_eq!(
            done.summary,
            format!("{name} listens on tcp port {port} at 127.0.0.1; it is for this machine only")
        );
        drop(socket);
        let done = call::<ListenCheck>(json!({"port": port})).unwrap();
        assert!(
            done.summary
                .starts_with(&format!("nothing listens on tcp port {port}; ")),
            "{}",
            done.summary
        );
    }
}
