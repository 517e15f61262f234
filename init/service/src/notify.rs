//! The sd_notify(3) socket. Who sent a message is what the kernel says: it counts
//! only for the service whose main process sent it.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, bind, setsockopt, socket, sockopt::PassCred,
};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg, sockopt};

/// The longest message that is read; the rest is cut off.
const MESSAGE_MAX: usize = 2048;
/// The most descriptors that a message can have (`SCM_MAX_FD` of the kernel).
/// All are taken: those that did not fit, the kernel would close in our name.
const DESCRIPTORS_MAX: usize = 253;
/// The longest name of a stored socket.
const NAME_MAX: usize = 255;

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
    /// `MAINPID=`: the process that does the work, where it is not the sender.
    MainPid(u32),
    /// `FDSTORE=1`, under the name of `FDNAME=`.
    Store(String),
    /// `FDSTOREREMOVE=1`, of this `FDNAME=`.
    Forget(String),
    /// `AIOS_FAILURE=`: why it is about to end.
    Failure(String),
    /// `AIOS_RESTART=no`: not to be started again after this process.
    Final,
    /// `AIOS_PHASE=5`
    Phase5,
}

/// A message.
#[derive(Debug, Default)]
pub struct Message {
    /// The pid of who sent it; 0 if the kernel does not say.
    pub sender: i32,
    /// What it says.
    pub said: Vec<Said>,
    /// What was attached.
    pub descriptors: Vec<OwnedFd>,
}

impl Message {
    /// Closes what was attached and not taken.
    pub fn refuse(self) {
        self.descriptors.into_iter().for_each(let_go);
    }
}

/// Closes a descriptor that came from outside. A connection whose owner has
/// asked for lingering would hold its last closer, PID 1, until all was sent.
pub fn let_go(descriptor: OwnedFd) {
    // Err: no socket, or one that knows no lingering.
    let _ = sockopt::set_socket_linger(&descriptor, None);
    drop(descriptor);
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

/// The next message. `None`: there is none.
///
/// # Errors
/// When a message cannot be taken (it is gone then).
pub fn receive(listener: &OwnedFd) -> io::Result<Option<Message>> {
    let mut bytes = [0; MESSAGE_MAX];
    let mut space =
        [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let length = match recvmsg(listener, &mut parts, &mut control, flags) {
        Ok(received) => received.bytes,
        Err(rustix::io::Errno::AGAIN) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut message = Message::default();
    for part in control.drain() {
        match part {
            RecvAncillaryMessage::ScmCredentials(who) => {
                message.sender = who.pid.as_raw_nonzero().get();
            }
            RecvAncillaryMessage::ScmRights(descriptors) => message.descriptors.extend(descriptors),
            _ => {}
        }
    }
    message.said = parse(bytes.get(..length).unwrap_or_default());
    Ok(Some(message))
}

fn parse(message: &[u8]) -> Vec<Said> {
    let text = String::from_utf8_lossy(message);
    let mut said: Vec<Said> = text.lines().filter_map(parse_line).collect();
    let name = text.lines().find_map(|line| line.strip_prefix("FDNAME="));
    let name = name.filter(|name| is_name(name)).unwrap_or("stored");
    for line in text.lines() {
        match line {
            "FDSTORE=1" => said.push(Said::Store(name.to_owned())),
            "FDSTOREREMOVE=1" => said.push(Said::Forget(name.to_owned())),
            _ => {}
        }
    }
    said
}

/// As sd_pid_notify_with_fds(3) has it; `:` parts the names in `LISTEN_FDNAMES`.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii() && !byte.is_ascii_control() && byte != b':';
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(allowed)
}

fn parse_line(line: &str) -> Option<Said> {
    match line.split_once('=')? {
        ("READY", "1") => Some(Said::Ready),
        ("STOPPING", "1") => Some(Said::Stopping),
        ("WATCHDOG", "1") => Some(Said::Alive),
        ("EXTEND_TIMEOUT_USEC", value) => Some(Said::Extend(value.parse::<u64>().ok()? / 1000)),
        ("MAINPID", value) => Some(Said::MainPid(value.parse().ok()?)),
        ("AIOS_RESTART", "no") => Some(Said::Final),
        ("AIOS_PHASE", "5") => Some(Said::Phase5),
        ("STATUS", text) => Some(Said::Status(safe(text, 200))),
        ("AIOS_FAILURE", text) => Some(Said::Failure(safe(text, 400))),
        _ => None,
    }
}

/// At most so many characters, none of which controls a terminal.
fn safe(text: &str, length: usize) -> String {
    let safe = text.chars().filter(|c| !c.is_control());
    safe.take(length).collect()
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
        check("MAINPID=17\nMAINPID=-1", vec![Said::MainPid(17)]);
        let failure = Said::Failure("no disk".to_owned());
        check("AIOS_FAILURE=no \u{1b}disk", vec![failure]);
        check("AIOS_RESTART=no\nAIOS_RESTART=yes", vec![Said::Final]);
        check("FDNAME=a b\nFDSTORE=1", vec![Said::Store("a b".to_owned())]);
        check(
            "FDSTOREREMOVE=1\nFDNAME=a:b",
            vec![Said::Forget("stored".to_owned())],
        );
        assert_eq!(parse(&[0xff, b'=', 0]), vec![]);
    }

    #[test]
    fn the_kernel_names_the_sender() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let listener = listen(&path).unwrap();
        assert!(receive(&listener).unwrap().is_none());
        let sender = UnixDatagram::unbound().unwrap();
        sender.send_to(b"READY=1\nMAINPID=x", &path).unwrap();
        let message = receive(&listener).unwrap().unwrap();
        assert_eq!(message.sender, i32::try_from(std::process::id()).unwrap());
        assert_eq!(message.said, vec![Said::Ready]);
        assert!(message.descriptors.is_empty());
    }
}
