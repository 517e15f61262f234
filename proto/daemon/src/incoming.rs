//! Connections to a Unix socket: accepted, and closed at once when [`Guests`] has no place for
//! whoever made them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::transport::server::{Connected, UdsConnectInfo};

use crate::guests::{Guests, Place};
use crate::rate::Told;

/// After a failed accept (no descriptor is left, above all) so long for some to be closed. The
/// connection still waits in the kernel: without a pause the next accept fails at once, for ever.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The connections of guests, as a stream. Nothing is accepted while nobody asks for the next.
#[derive(Debug)]
pub struct Incoming {
    listener: UnixListener,
    guests: Guests,
    told: Told,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Incoming {
    /// Connections to this socket, of these guests.
    pub fn new(listener: UnixListener, guests: Guests) -> Self {
        Self {
            listener,
            guests,
            told: Told::default(),
            pause: None,
        }
    }

    /// The connection with its place; `None` closes it.
    fn guest(&self, stream: UnixStream) -> Option<Connection> {
        let uid = stream.peer_cred().ok().map(|credentials| credentials.uid());
        match self.guests.admit(uid) {
            Ok(place) => Some(Connection {
                stream,
                _place: place,
            }),
            Err(refused) => {
                self.told.refused(&refused);
                None
            }
        }
    }
}

impl Stream for Incoming {
    type Item = io::Result<Connection>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(self.listener.poll_accept(context)) {
                Ok((stream, _)) => {
                    if let Some(connection) = self.guest(stream) {
                        return Poll::Ready(Some(Ok(connection)));
                    }
                }
                Err(error) => {
                    self.told
                        .refused(&format!("cannot accept a connection: {error}"));
                    self.pause = Some(Box::pin(tokio::time::sleep(ACCEPT_PAUSE)));
                }
            }
        }
    }
}

/// A guest's connection.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    _place: Place,
}

impl Connected for Connection {
    type ConnectInfo = UdsConnectInfo;

    fn connect_info(&self) -> UdsConnectInfo {
        self.stream.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
