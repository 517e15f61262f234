//! Connections: accepted, shaken hands with, and given to the server. Whoever is not let in is
//! logged and put on record.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::peer::Peer;
use crate::record::{Kind, Recorder};

/// Connections at once, those that are shaking hands included.
const CONNECTIONS_MAX: usize = 256;

/// How long a handshake may take; an emulated machine needs a second.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// After a failed accept (too many open files): let some close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A connection of a known client.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: Peer,
    _permit: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

/// The connections of known clients, as a stream.
pub fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    recorder: Recorder,
) -> ReceiverStream<io::Result<Connection>> {
    let (ready, connections) = mpsc::channel(16);
    tokio::spawn(accept_all(listener, acceptor, recorder, ready));
    ReceiverStream::new(connections)
}

async fn accept_all(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    recorder: Recorder,
    ready: mpsc::Sender<io::Result<Connection>>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = ready.closed() => return, // the server has ended
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            let reason = format!("there are {CONNECTIONS_MAX} connections already");
            recorder.refusal(Kind::ClientRefused, &address.to_string(), &reason);
            continue;
        };
        let (acceptor, recorder, ready) = (acceptor.clone(), recorder.clone(), ready.clone());
        tokio::spawn(async move {
            match handshake(stream, address, &acceptor, permit).await {
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(reason) => recorder.refusal(Kind::ClientRefused, &address.to_string(), &reason),
            }
        });
    }
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    permit: OwnedSemaphorePermit,
) -> Result<Connection, String> {
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    let stream = tokio::time::timeout(HANDSHAKE, acceptor.accept(stream))
        .await
        .map_err(|_| format!("no handshake within {} seconds", HANDSHAKE.as_secs()))?
        .map_err(|error| format!("handshake failed: {error}"))?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let peer = certificates
        .first()
        .and_then(|first| Peer::new(first, address));
    Ok(Connection {
        peer: peer.ok_or("its certificate cannot be read")?,
        stream,
        _permit: permit,
    })
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

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
