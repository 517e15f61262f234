//! `/proc/net/tcp`, `tcp6`, `udp` and `udp6`: which ports are listened on, and which connections stand.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::process::{self, Process};
use super::read;
use aios_tool::error::ToolError;

/// The protocol of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Protocol {
    Tcp,
    Udp,
}

impl Protocol {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A socket of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Socket {
    /// TCP or UDP.
    pub protocol: Protocol,
    /// The address and port that it is bound to.
    pub local: SocketAddr,
    /// The other end, when it has one.
    pub remote: Option<SocketAddr>,
    /// Its state in words.
    pub state: &'static str,
    /// Whose it is.
    pub uid: u32,
    /// Its inode, by which its process is found; 0 when no process has it any more.
    pub inode: u64,
}

impl Socket {
    /// Does it wait for others? A UDP socket without another end does.
    pub fn is_listening(&self) -> bool {
        match self.protocol {
            Protocol::Tcp => self.state == LISTEN,
            Protocol::Udp => self.remote.is_none(),
        }
    }
}

/// The state of a TCP socket that listens.
const LISTEN: &str = "listen";

/// The kernel's states of TCP in words, from 1 (include/net/tcp_states.h).
const TCP_STATES: [&str; 12] = [
    "established",
    "syn sent",
    "syn received",
    "fin wait 1",
    "fin wait 2",
    "time wait",
    "closed",
    "close wait",
    "last ack",
    LISTEN,
    "closing",
    "syn received", // not yet a socket of its own
];

/// Parses one of the kernel's tables. A line that is none is passed over.
pub fn parse(text: &str, protocol: Protocol) -> Vec<Socket> {
    let lines = text.lines().skip(1);
    lines
        .filter_map(|line| parse_socket(line, protocol))
        .collect()
}

fn parse_socket(line: &str, protocol: Protocol) -> Option<Socket> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let remote = parse_end(fields.get(2)?)?;
    let remote = (remote.port() > 0).then_some(remote);
    let state = usize::from_str_radix(fields.get(3)?, 16).ok()?;
    let state = match (protocol, remote) {
        (Protocol::Tcp, _) => TCP_STATES.get(state.checked_sub(1)?)?,
        (Protocol::Udp, Some(_)) => "connected",
        (Protocol::Udp, None) => "open",
    };
    Some(Socket {
        protocol,
        local: parse_end(fields.get(1)?)?,
        remote,
        state,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
}

fn parse_end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    Some(SocketAddr::new(parse_address(address)?, port))
}

/// Addresses stand there as 32-bit words in the machine's own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let word = |index: usize| {
        let digits = hex.get(index * 8..index * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// All sockets of TCP and UDP of this network namespace.
///
/// # Errors
/// When the kernel does not tell.
pub fn all() -> Result<Vec<Socket>, ToolError> {
    let mut found = tcp()?;
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        found.extend(parse(&read(table).unwrap_or_default(), Protocol::Udp));
    }
    Ok(found)
}

fn tcp() -> Result<Vec<Socket>, ToolError> {
    let mut found = parse(&read("/proc/net/tcp")?, Protocol::Tcp);
    let six = read("/proc/net/tcp6").unwrap_or_default(); // absent without IPv6
    found.extend(parse(&six, Protocol::Tcp));
    Ok(found)
}

/// All listening sockets of TCP of this network namespace.
///
/// # Errors
/// When the kernel does not tell.
pub fn listeners() -> Result<Vec<Socket>, ToolError> {
    let mut found = tcp()?;
    found.retain(Socket::is_listening);
    Ok(found)
}

/// Which process has which socket, as far as this process may see that.
pub struct Owners {
    /// Process ids by inode.
    sockets: HashMap<u64, u32>,
    processes: Vec<Process>,
}

impl Owners {
    /// One look at all processes.
    pub fn look() -> Self {
        let processes = process::all().unwrap_or_default();
        let mut sockets = HashMap::new();
        for process in &processes {
            let pid = process.stat.pid;
            let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
                continue;
            };
            let inodes = entries
                .flatten()
                .filter_map(|entry| inode(&std::fs::read_link(entry.path()).ok()?));
            for inode in inodes {
                sockets.entry(inode).or_insert(pid);
            }
        }
        Self { sockets, processes }
    }

    /// The process that has a socket. Where that cannot be seen (a confined thread may not look into
    /// other processes), the only one of its account.
    pub fn of(&self, socket: &Socket) -> Option<&Process> {
        if socket.inode == 0 {
            return None;
        }
        if let Some(pid) = self.sockets.get(&socket.inode) {
            return self.processes.iter().find(|one| one.stat.pid == *pid);
        }
        let mut of_account = self
            .processes
            .iter()
            .filter(|process| process.uid == Some(socket.uid));
        of_account.next().filter(|_| of_account.next().is_none())
    }
}

/// The inode of a socket, as an open file of a process tells it: `socket:[4711]`.
fn inode(link: &Path) -> Option<u64> {
    let text = link.to_str()?.strip_prefix("socket:[")?;
    text.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue …\n";

    #[test]
    fn the_tables_are_read_line_by_line() {
        let text = format!(
            "{HEAD}   0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000   905        0 4242 1 0\n   \
             1: 0100007F:2383 0100007F:1234 01 00000000:00000000 00:00000000 00000000   905        0 4243 1 0\n   \
             2: broken\n   \
             3: 0100007F:2383 0100007F:1234 00 00000000:00000000 00:00000000 00000000   905        0 4243 1 0\n"
        );
        let socket = |local: &str, remote: Option<&str>, state, inode| Socket {
            protocol: Protocol::Tcp,
            local: local.parse().unwrap(),
            remote: remote.map(|end| end.parse().unwrap()),
            state,
            uid: 905,
            inode,
        };
        let expected = [
            socket("127.0.0.1:9090", None, LISTEN, 4242),
            socket(
                "127.0.0.1:9091",
                Some("127.0.0.1:4660"),
                "established",
                4243,
            ),
        ];
        let found = parse(&text, Protocol::Tcp);
        assert_eq!(found, expected);
        assert_eq!(
            found.iter().map(Socket::is_listening).collect::<Vec<_>>(),
            [true, false]
        );
        let states: Vec<_> = parse(&text, Protocol::Udp)
            .iter()
            .map(|socket| (socket.state, socket.is_listening()))
            .collect();
        assert_eq!(states[..2], [("open", true), ("connected", false)]);
    }

    #[test]
    fn addresses_of_both_families_are_read() {
        let check = |hex: &str, expected: Option<&str>| {
            assert_eq!(
                parse_address(hex).map(|a| a.to_string()).as_deref(),
                expected
            );
        };
        check("00000000", Some("0.0.0.0"));
        check("0100007F", Some("127.0.0.1"));
        check("00000000000000000000000001000000", Some("::1"));
        check("0000000000000000FFFF00000100007F", Some("127.0.0.1"));
        check("0100", None);
        check("zz00007F", None);
        check("\u{e9}00007F", None);
    }

    #[test]
    fn a_real_listener_is_found_with_its_process() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let found = listeners()
            .unwrap()
            .into_iter()
            .find(|found| found.local.port() == port)
            .unwrap();
        assert_eq!(found.local.ip(), IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(
            Owners::look().of(&found).unwrap().stat.pid,
            std::process::id()
        );
    }
}
