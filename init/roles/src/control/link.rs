//! Control's end of the conversation with PID 1: one question at a time.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::sync::Mutex;

use aios_service::wire::{PACKET_MAX, Reply, Request, decode_reply, encode_request};

/// PID 1 answers in microseconds; longer than this means that something is wrong.
const PATIENCE: Duration = Duration::from_secs(5);

/// The connection to PID 1.
pub struct Link {
    socket: Mutex<Numbered>,
}

struct Numbered {
    // A SOCK_SEQPACKET really: it sends and receives just as datagrams do.
    socket: UnixDatagram,
    tag: u32,
}

impl Link {
    /// Takes stdin, which PID 1 made a socket.
    ///
    /// # Errors
    /// When stdin is no socket: this process was not started by PID 1.
    pub fn from_stdin() -> io::Result<Self> {
        Self::new(io::stdin().as_fd().try_clone_to_owned()?)
    }

    /// Over this end of a `SOCK_SEQPACKET` pair.
    ///
    /// # Errors
    /// When it is no socket.
    pub fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::net::sockopt::socket_type(&socket)?;
        let socket = std::os::unix::net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        let numbered = Numbered {
            socket: UnixDatagram::from_std(socket)?,
            tag: 0,
        };
        Ok(Self {
            socket: Mutex::new(numbered),
        })
    }

    /// Asks PID 1.
    ///
    /// # Errors
    /// PID 1 is gone or does not answer.
    pub async fn ask(&self, request: &Request) -> io::Result<Reply> {
        let mut link = self.socket.lock().await;
        link.tag = link.tag.wrapping_add(1);
        let tag = link.tag;
        let conversation = async {
            link.socket.send(&encode_request(tag, request)).await?;
            link.answer_to(tag).await
        };
        tokio::time::timeout(PATIENCE, conversation)
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "PID 1 is silent")))
    }

    /// Ends when PID 1's end is closed.
    pub async fn closed(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if self.ask(&Request::At(u16::MAX)).await.is_err() {
                return;
            }
        }
    }
}

impl Numbered {
    async fn answer_to(&self, tag: u32) -> io::Result<Reply> {
        let mut buffer = vec![0; PACKET_MAX];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            match decode_reply(&buffer[..length]) {
                Some((answered, reply)) if answered == tag => return Ok(reply),
                // To a question whose asker went away.
                Some(_) => {}
                None => {
                    let text = "that is no answer of PID 1";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
            }
        }
    }
}
