//! PID 1's conversations with its own roles: packets over socket pairs.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use aios_service::wire::PACKET_MAX;

/// Both ends of a new conversation: PID 1's, which never blocks, and the role's.
///
/// # Errors
/// When descriptors run out.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::SeqPacket,
        None,
        flags,
    )?)
}

/// What a packet read found.
pub enum Received {
    /// A packet.
    Packet(Vec<u8>),
    /// Nothing now.
    Nothing,
    /// The other end is gone.
    Closed,
}

/// The next packet.
pub fn receive(link: &OwnedFd) -> Received {
    let mut buffer = [0; PACKET_MAX];
    match recv(link.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
        Ok(0) => Received::Closed,
        Ok(length) => Received::Packet(buffer.get(..length).unwrap_or_default().to_vec()),
        Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => Received::Nothing,
        Err(_) => Received::Closed,
    }
}

/// Sends a packet.
///
/// # Errors
/// When the other end is gone or reads nothing.
pub fn reply(link: &OwnedFd, packet: &[u8]) -> io::Result<()> {
    send(
        link.as_raw_fd(),
        packet,
        MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
    )?;
    Ok(())
}

/// Hands a descriptor over, with a name.
///
/// # Errors
/// When the other end is gone or reads nothing.
pub fn hand_over(link: &OwnedFd, name: &str, descriptor: BorrowedFd<'_>) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor];
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("a descriptor does not fit a message"));
    }
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(
        link.as_fd(),
        &[IoSlice::new(name.as_bytes())],
        &mut control,
        flags,
    )?;
    Ok(())
}
