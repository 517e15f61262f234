//! `/proc/net/tcp` and `tcp6`: who listens where.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{process, read};
use aios_tool::error::ToolError;

/// A TCP socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address that it is bound to.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// Whose it is.
    pub uid: u32,
    /// Its inode, by which its process is found.
    pub inode: u64,
}

/// The state TCP_LISTEN of the kernel's table.
const LISTEN: &str = "0A";

/// Parses `/proc/net/tcp` or `/proc/net/tcp6`; only listening sockets.
pub fn parse_listeners(text: &str) -> Vec<Listener> {
    text.lines().skip(1).filter_map(parse_listener).collect()
}

fn parse_listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    if *fields.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    Some(Listener {
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
    })
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

/// All listening sockets of this network namespace.
///
/// # Errors
/// When the kernel does not tell.
pub fn listeners() -> Result<Vec<Listener>, ToolError> {
    let mut found = parse_listeners(&read("/proc/net/tcp")?);
    found.extend(parse_listeners(&read("/proc/net/tcp6").unwrap_or_default()));
    Ok(found)
}

/// The process that has a socket open, as far as this process may see that.
pub fn owner(inode: u64) -> Option<process::Process> {
    let target = format!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
            return false;
        };
        entries
            .flatten()
            .filter_map(|entry| std::fs::read_link(entry.path()).ok())
            .any(|link| link.as_os_str() == target.as_str())
    };
    process::pids()
        .ok()?
        .into_iter()
        .find(has_it)
        .and_then(process::of)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "  sl  local_address rem_address   st tx_queue …\n";

    #[test]
    fn only_listening_sockets_are_read() {
        let text = format!(
            "{HEAD}   0: 0100007F:2382 00000000:0000 0A 00000000:00000000 00:00000000 00000000   905        0 4242 1 0\n   \
             1: 0100007F:2383 0100007F:1234 01 00000000:00000000 00:00000000 00000000   905        0 4243 1 0\n   \
             2: broken\n"
        );
        let expected = Listener {
            address: Ipv4Addr::LOCALHOST.into(),
            port: 9090,
            uid: 905,
            inode: 4242,
        };
        assert_eq!(parse_listeners(&text), [expected]);
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
            .find(|found| found.port == port)
            .unwrap();
        assert_eq!(found.address, IpAddr::from(Ipv4Addr::LOCALHOST));
        assert_eq!(owner(found.inode).unwrap().stat.pid, std::process::id());
    }
}
