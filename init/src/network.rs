//! Bringing network interfaces up, and the `dhcp` role: waits for the first
//! Ethernet interface, brings it up, and becomes the DHCP client for it.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// The index of `lo` in every network namespace.
pub const LOOPBACK: u32 = 1;

/// How long the first interface may take to appear.
const PATIENCE_MS: u64 = 10_000;
const POLL_MS: u64 = 50;

/// Sets an interface up (rtnetlink(7): `RTM_NEWLINK` with `IFF_UP`).
///
/// # Errors
/// What the kernel answered.
pub fn set_up(index: u32) -> io::Result<()> {
    const RTM_NEWLINK: u16 = 16;
    const REQUEST_ACK: u16 = 1 | 4;
    const IFF_UP: u32 = 1;
    let mut message = Vec::with_capacity(32);
    message.extend(32_u32.to_ne_bytes()); // nlmsghdr: length, type, flags, sequence, port
    message.extend(RTM_NEWLINK.to_ne_bytes());
    message.extend(REQUEST_ACK.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([0; 4]); // ifinfomsg: family, padding, type
    message.extend(index.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes());
    message.extend(IFF_UP.to_ne_bytes()); // which flags change
    let route = SockProtocol::NetlinkRoute;
    let netlink = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        route,
    )?;
    let kernel = NetlinkAddr::new(0, 0);
    sendto(netlink.as_raw_fd(), &message, &kernel, MsgFlags::empty())?;
    let mut answer = [0; 256];
    let length = recv(netlink.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    // nlmsgerr: after the header, a negative errno or 0.
    let code = answer[..length]
        .get(16..20)
        .and_then(|bytes| bytes.try_into().ok());
    match code.map_or(0, i32::from_ne_bytes) {
        0 => Ok(()),
        code => Err(io::Error::from_raw_os_error(-code)),
    }
}

/// The `dhcp` role. Returns only when it failed.
///
/// # Errors
/// No interface, or no client.
pub fn dhcp() -> io::Result<std::convert::Infallible> {
    use std::os::unix::process::CommandExt;
    let (name, index) = wait_for_interface()?;
    set_up(index)?;
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let error = std::process::Command::new("/bin/busybox")
        .args(["udhcpc", "-f", "-i", &name, "-s", "/etc/aios/udhcpc.script"])
        .arg("-x")
        .arg(format!("hostname:{}", host.trim()))
        .args(["-t", "8", "-T", "2", "-A", "5"])
        .exec();
    Err(error)
}

fn wait_for_interface() -> io::Result<(String, u32)> {
    for _ in 0..PATIENCE_MS / POLL_MS {
        if let Some(found) = first_ethernet(Path::new("/sys/class/net")) {
            return Ok(found);
        }
        crate::pid1::pause(POLL_MS);
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "there is no Ethernet interface",
    ))
}

/// By index: the first that is of type Ethernet and has hardware behind it.
fn first_ethernet(interfaces: &Path) -> Option<(String, u32)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    for entry in std::fs::read_dir(interfaces).ok()?.flatten() {
        let number = |file: &str| -> Option<u32> {
            std::fs::read_to_string(entry.path().join(file))
                .ok()?
                .trim()
                .parse()
                .ok()
        };
        let ethernet = number("type") == Some(1) && entry.path().join("device").exists();
        if let (true, Some(index), Ok(name)) =
            (ethernet, number("ifindex"), entry.file_name().into_string())
        {
            found.push((index, name));
        }
    }
    found.into_iter().min().map(|(index, name)| (name, index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ethernet_interface_with_hardware_is_chosen() {
        let folder = tempfile::tempdir().unwrap();
        let add = |name: &str, kind: &str, index: &str, hardware: bool| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("type"), kind).unwrap();
            std::fs::write(path.join("ifindex"), index).unwrap();
            if hardware {
                std::fs::create_dir(path.join("device")).unwrap();
            }
        };
        assert_eq!(first_ethernet(folder.path()), None);
        add("lo", "772\n", "1\n", false);
        add("dummy0", "1\n", "2\n", false);
        add("eth1", "1\n", "4\n", true);
        add("eth0", "1\n", "3\n", true);
        assert_eq!(first_ethernet(folder.path()), Some(("eth0".to_owned(), 3)));
    }
}
