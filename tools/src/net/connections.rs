//! `net.connections`: the TCP and UDP sockets, who they are connected to, and which process has them.

use crate::procfs::process;
use crate::procfs::sockets::{self, Owners, Socket};
use aios_tool::argument::{Whole, defaulted};
use aios_tool::prelude::*;
use caps::Capability;

/// The tool `net.connections`.
pub struct Connections;

/// So many are listed when no number is given.
const LIMIT: Whole<1, 1000> = Whole::of(100);
/// So many are named in the summary.
const NAMED: usize = 10;

choices! {
    /// Which sockets.
    pub enum Which {
        /// Those with another end.
        Connected = "connected",
        /// Those that wait for one.
        Listening = "listening",
        /// All.
        All = "all",
    }
}

arguments! {
    /// Arguments of `net.connections`.
    pub struct Input {
        /// `connected`, `listening` or `all`. Default: `connected`.
        pub which: Option<Which>,
        /// Only those with this port at either end, from 1 to 65535. Default: all.
        pub port: Option<Whole<1, 65535>>,
        /// How many to list at most. Default: 100.
        pub limit: Option<Whole<1, 1000>>,
    }
}

/// One socket.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// `tcp` or `udp`.
    pub protocol: String,
    /// This machine's address and port: `10.0.2.15:22`, `[::1]:22`.
    pub local: String,
    /// The other end's address and port; absent without another end.
    pub remote: Option<String>,
    /// The state as in tcp(7): `established`, `listen`, `time wait`; of UDP, `connected` or `open`.
    pub state: String,
    /// The process that has it, when known.
    pub process: Option<String>,
    /// Its process id, when known.
    pub pid: Option<u32>,
    /// The account that it belongs to.
    pub account: String,
}

/// What there is.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// By local port, then by the other end.
    pub connections: Vec<Connection>,
    /// How many there are, also those beyond the limit.
    pub count: u64,
}

impl Tool for Connections {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "net.connections",
            "Lists connections and listening sockets of TCP and UDP with their processes.",
        )
        .kernel(&[Capability::CAP_DAC_READ_SEARCH, Capability::CAP_SYS_PTRACE])
        .needing("net", "read", "connections")
        .reading_the_machine()
        .example(json!({"which": "listening"}))
    }

    fn complete(input: &mut Input) {
        input.which.get_or_insert(Which::Connected);
        input.limit.get_or_insert(LIMIT);
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let what = match input.which {
            Some(Which::Listening) => "listening sockets",
            Some(Which::All) => "sockets",
            Some(Which::Connected) | None => "connections",
        };
        let mut text = format!("{} {what}", output.count);
        for one in output.connections.iter().take(NAMED) {
            text += &format!("\n{}", one.describe());
        }
        let named = output.connections.len().min(NAMED) as u64;
        match output.count - named {
            0 => text,
            more => format!("{text}\nand {more} more"),
        }
    }
}

impl Connection {
    fn of(socket: &Socket, owners: &Owners) -> Self {
        let process = owners.of(socket);
        Self {
            protocol: socket.protocol.name().to_owned(),
            local: socket.local.to_string(),
            remote: socket.remote.map(|remote| remote.to_string()),
            state: socket.state.to_owned(),
            pid: process.map(|process| process.stat.pid),
            process: process.map(|process| process.name.clone()),
            account: process::account(socket.uid),
        }
    }

    fn describe(&self) -> String {
        let who = self.process.as_ref().unwrap_or(&self.account);
        let Self {
            protocol,
            local,
            state,
            ..
        } = self;
        match &self.remote {
            Some(remote) => format!("{protocol} {local} with {remote}, {state}, {who}"),
            None => format!("{protocol} {local}, {state}, {who}"),
        }
    }
}

impl Look for Connections {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let (which, limit) = (*defaulted(&input.which)?, *defaulted(&input.limit)?);
        let port = input.port.and_then(|port| u16::try_from(port.get()).ok());
        let mut sockets = sockets::all()?;
        sockets.retain(|socket| is_wanted(socket, which, port));
        sockets.sort_by_key(|socket| (socket.local.port(), socket.remote, socket.protocol));
        let owners = Owners::look();
        Ok(Output {
            count: sockets.len() as u64,
            connections: sockets
                .iter()
                .take(limit.count())
                .map(|socket| Connection::of(socket, &owners))
                .collect(),
        })
    }
}

fn is_wanted(socket: &Socket, which: Which, port: Option<u16>) -> bool {
    let ports = [
        Some(socket.local.port()),
        socket.remote.map(|end| end.port()),
    ];
    let sort = match which {
        Which::All => true,
        Which::Connected => socket.remote.is_some(),
        Which::Listening => socket.is_listening(),
    };
    sort && port.is_none_or(|port| ports.contains(&Some(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::procfs::sockets::Protocol;
    use crate::trial::call;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    #[test]
    fn sockets_are_chosen_by_kind_and_port() {
        let check = |remote: Option<&str>, state, which, port, wanted| {
            let socket = Socket {
                protocol: Protocol::Tcp,
                local: "127.0.0.1:80".parse().unwrap(),
                remote: remote.map(|end| end.parse().unwrap()),
                state,
                uid: 0,
                inode: 1,
            };
            assert_eq!(
                is_wanted(&socket, which, port),
                wanted,
                "{socket:?} {port:?}"
            );
        };
        let peer = Some("127.0.0.1:4711");
        check(peer, "established", Which::Connected, None, true);
        check(peer, "established", Which::Connected, Some(4711), true);
        check(peer, "established", Which::Connected, Some(4712), false);
        check(peer, "established", Which::Listening, None, false);
        check(None, "listen", Which::Listening, Some(80), true);
        check(None, "listen", Which::Connected, Some(80), false);
        check(None, "listen", Which::All, None, true);
    }

    #[test]
    fn a_connection_is_seen_from_both_ends_with_its_process() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let _stream = TcpStream::connect(address).unwrap();
        // Until it is taken, the end at the listener is no process's.
        let _taken = listener.accept().unwrap();
        let done = call::<Connections>(json!({"port": address.port()})).unwrap();
        assert_eq!(done.output["count"], 2, "{}", done.summary);
        assert_eq!(done.output["connections"][0]["state"], "established");
        assert_eq!(done.output["connections"][1]["pid"], std::process::id());
        let waiting = json!({"which": "listening", "port": address.port()});
        let done = call::<Connections>(waiting).unwrap();
        assert_eq!(done.output["connections"][0]["local"], address.to_string());
        assert!(
            done.summary
                .starts_with("1 listening sockets\ntcp 127.0.0.1:")
        );
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let port = udp.local_addr().unwrap().port();
        let done = call::<Connections>(json!({"which": "all", "port": port})).unwrap();
        assert_eq!(done.output["connections"][0]["protocol"], "udp");
        assert_eq!(done.output["connections"][0]["state"], "open");
    }
}
