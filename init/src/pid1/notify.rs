//! The sd_notify(3) socket. Who sent a message is what the kernel says: it counts
//! only for the service whose main process sent it.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockType, UnixAddr, UnixCredentials,
    bind, recvmsg, setsockopt, socket, sockopt::PassCred,
};

/// The longest message that is read; the rest is cut off.
const MESSAGE_MAX: usize = 2048;

/// One assignment of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// `READY=1`
    Ready,
    /// `STOPPING=1`
    Stopping,
    /// `WATCHDOG=1`
    Alive,
    /// `EXTEND_TIMEOUT_USEC=`, in milliseconds.
    Extend(u64),
    /// `STATUS=`
    Status(String),
    /// `AIOS_PHASE=5`
    Phase5,
}

/// Makes the socket in place of what is there.
///
/// # Errors
/// When it cannot be bound.
pub fn listen(path: &Path) -> io::Result<OwnedFd> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let listener = socket(AddressFamily::Unix, SockType::Datagram, flags, None)?;
    setsockopt(&listener, PassCred, &true)?;
    bind(listener.as_raw_fd(), &UnixAddr::new(path)?)?;
    // Any service may speak, whatever its account; the kernel says who it is.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}

/// The next message: the sender's pid and what it said. `None`: there is none.
///
/// # Errors
/// When a message cannot be taken (it is gone then).
pub fn receive(listener: &OwnedFd) -> io::Result<Option<(i32, Vec<Said>)>> {
    let mut bytes = [0; MESSAGE_MAX];
    // Room for the credentials and nothing else: descriptors that somebody
    // attaches never reach us, the kernel drops them.
    let mut control = nix::cmsg_space!(UnixCredentials);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
    let received = match recvmsg::<()>(listener.as_raw_fd(), &mut parts, Some(&mut control), flags)
    {
        Ok(received) => received,
        Err(nix::errno::Errno::EAGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let length = received.bytes;
    let sender = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmCredentials(credentials) => Some(credentials.pid()),
        _ => None,
    });
    let said = parse(bytes.get(..length).unwrap_or_default());
    Ok(Some((sender.unwrap_or(0), said)))
}

fn parse(message: &[u8]) -> Vec<Said> {
    String::from_utf8_lossy(message)
        .lines()
        .filter_map(parse_line)
        .collect()
}

fn parse_line(line: &str) -> Option<Said> {
    match line.split_once('=')? {
        ("READY", "1") => Some(Said::Ready),
        ("STOPPING", "1") => Some(Said::Stopping),
        ("WATCHDOG", "1") => Some(Said::Alive),
        ("EXTEND_TIMEOUT_USEC", value) => Some(Said::Extend(value.parse::<u64>().ok()? / 1000)),
        ("AIOS_PHASE", "5") => Some(Said::Phase5),
        ("STATUS", text) => {
            let safe = text.chars().filter(|c| !c.is_control()).take(200);
            Some(Said::Status(safe.collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn messages_are_parsed_and_strange_lines_passed_over() {
        let check = |text: &str, expected: Vec<Said>| assert_eq!(parse(text.as_bytes()), expected);
        let status = Said::Status("up".to_owned());
        check("READY=1\nSTATUS=up\u{7}\n", vec![Said::Ready, status]);
        check("EXTEND_TIMEOUT_USEC=5000000", vec![Said::Extend(5000)]);
        check("EXTEND_TIMEOUT_USEC=-1\nREADY=2\nFOO\n=", vec![]);
        check(
            "AIOS_PHASE=5\nWATCHDOG=1\nSTOPPING=1",
            vec![Said::Phase5, Said::Alive, Said::Stopping],
        );
        assert_eq!(parse(&[0xff, b'=', 0]), vec![]);
    }

    #[test]
    fn the_kernel_names_the_sender() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = listen(&path).unwrap();
        assert_eq!(receive(&listener).unwrap(), None);
        UnixDatagram::unbound()
            .unwrap()
            .send_to(b"READY=1\nMAINPID=1", &path)
            .unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(receive(&listener).unwrap(), Some((own, vec![Said::Ready])));
    }
}
