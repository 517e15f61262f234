//! Connections: accepted, shaken hands with, and given to the server.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::admission::{Admission, Id, Limits, Standing};
use crate::busy::Busy;

/// How long a peer may take for the first message of a handshake. Clients send it at once.
pub const SILENCE: Duration = Duration::from_secs(5);

/// How long a handshake may take; an emulated machine needs a second.
pub const HANDSHAKE: Duration = Duration::from_secs(10);

/// After a failed accept (too many open files): let some close.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Knows peers by their certificates, and hears who was refused.
pub trait Doorkeeper: Clone + Send + Sync + 'static {
    /// What the server is told of a peer.
    type Peer: Clone + Send + Sync + 'static;

    /// Who this is.
    ///
    /// # Errors
    /// Why the peer is not let in.
    fn known(
        &self,
        certificate: Option<&CertificateDer<'_>>,
        address: SocketAddr,
    ) -> Result<Known<Self::Peer>, String>;

    /// Somebody was refused, or went for another. There may be many of them.
    fn refused(&self, address: SocketAddr, why: &str);
}

/// A peer that is let in if there is a place.
pub struct Known<P> {
    /// What the server is told.
    pub peer: P,
    /// Whose places it takes.
    pub standing: Standing,
    /// The connection ends when this is ready, whatever is under way.
    pub ends: Option<Ending>,
}

/// What a connection ends with.
pub type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What the server is told of a connection.
#[derive(Clone, Debug)]
pub struct Visit<P> {
    /// Who is on the other end.
    pub peer: P,
    /// Whether the connection is at work. Only a quiet one is closed for another.
    pub busy: Busy,
}

/// The connections of a port, and what closes them.
#[derive(Debug)]
struct House {
    admission: Admission,
    open: HashMap<Id, (oneshot::Sender<()>, Busy)>,
}

type Shared = Arc<Mutex<House>>;

fn lock(house: &Shared) -> MutexGuard<'_, House> {
    house.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection's place, which is free again when this is dropped.
struct Place {
    id: Id,
    busy: Busy,
    house: Shared,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut house = lock(&self.house);
        house.admission.leaves(self.id);
        house.open.remove(&self.id);
    }
}

impl Place {
    /// The next one who connects gets a place, and is told when somebody else gets it.
    fn of_newcomer(house: &Shared, address: SocketAddr) -> (Self, oneshot::Receiver<()>) {
        let (close, closed) = oneshot::channel();
        let busy = Busy::default();
        let mut inside = lock(house);
        let (id, goes) = inside.admission.arrives(address.ip());
        if let Some(goes) = goes {
            inside.open.remove(&goes); // dropped: it is closed
        }
        inside.open.insert(id, (close, busy.clone()));
        drop(inside);
        let place = Self {
            id,
            busy,
            house: Arc::clone(house),
        };
        (place, closed)
    }

    /// The handshake begins.
    fn speaks(&self) -> Result<(), String> {
        let House { admission, open } = &mut *lock(&self.house);
        if let Some(goes) = admission.speaks(self.id)? {
            open.remove(&goes);
        }
        Ok(())
    }

    /// After the handshake.
    fn enter(&self, standing: Standing) -> Result<(), String> {
        let House { admission, open } = &mut *lock(&self.house);
        let is_busy = |id| open.get(&id).is_some_and(|(_, busy)| busy.is_busy());
        if let Some(goes) = admission.enters(self.id, standing, is_busy)? {
            open.remove(&goes);
        }
        Ok(())
    }
}

/// The connections of peers that are let in, as a stream.
pub fn accept<D: Doorkeeper>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limits: Limits,
    doorkeeper: D,
) -> ReceiverStream<io::Result<Connection<D::Peer>>> {
    let (ready, connections) = mpsc::channel(16);
    tokio::spawn(accept_all(listener, acceptor, limits, doorkeeper, ready));
    ReceiverStream::new(connections)
}

async fn accept_all<D: Doorkeeper>(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    limits: Limits,
    doorkeeper: D,
    ready: mpsc::Sender<io::Result<Connection<D::Peer>>>,
) {
    let house = Arc::new(Mutex::new(House {
        admission: Admission::new(limits),
        open: HashMap::new(),
    }));
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
        let (place, closed) = Place::of_newcomer(&house, address);
        let (acceptor, doorkeeper, ready) = (acceptor.clone(), doorkeeper.clone(), ready.clone());
        tokio::spawn(async move {
            match welcome(stream, address, &acceptor, &doorkeeper, place, closed).await {
                Ok(connection) => drop(ready.send(Ok(connection)).await),
                Err(why) => doorkeeper.refused(address, &why),
            }
        });
    }
}

async fn welcome<D: Doorkeeper>(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: &TlsAcceptor,
    doorkeeper: &D,
    place: Place,
    mut closed: oneshot::Receiver<()>,
) -> Result<Connection<D::Peer>, String> {
    // Err: it has gone.
    drop(stream.set_nodelay(true));
    let stream = tokio::select! {
        biased;
        _ = &mut closed => return Err("others came after it".to_owned()),
        stream = handshake(stream, acceptor, &place) => stream?,
    };
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let known = doorkeeper.known(certificates.first(), address)?;
    place.enter(known.standing)?;
    Ok(Connection {
        stream,
        closed,
        ends: known.ends,
        visit: Visit {
            peer: known.peer,
            busy: place.busy.clone(),
        },
        _place: place,
    })
}

async fn handshake(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    place: &Place,
) -> Result<TlsStream<TcpStream>, String> {
    // Whoever is sent away gets a reset: neither this kernel nor a firewall's table of connections
    // then keeps anything of them.
    lingering(&stream, Some(Duration::ZERO));
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream);
    let hello = match tokio::time::timeout(SILENCE, hello).await {
        Ok(hello) => hello.map_err(|error| format!("handshake failed: {error}"))?,
        Err(_) => return Err(format!("silent for {} seconds", SILENCE.as_secs())),
    };
    place.speaks()?;
    let accepted = hello.into_stream(Arc::clone(acceptor.config()));
    let accepted = tokio::time::timeout(HANDSHAKE, accepted.into_fallible()).await;
    match accepted {
        Ok(Ok(stream)) => {
            lingering(stream.get_ref().0, None);
            Ok(stream)
        }
        Ok(Err((error, mut stream))) => {
            // Not reset: the alert that says why should arrive.
            lingering(&stream, None);
            drop(stream.shutdown().await);
            Err(format!("handshake failed: {error}"))
        }
        Err(_) => Err(format!(
            "no handshake within {} seconds",
            HANDSHAKE.as_secs()
        )),
    }
}

fn lingering(stream: &TcpStream, time: Option<Duration>) {
    if let Err(error) = rustix::net::sockopt::set_socket_linger(stream, time) {
        tracing::debug!("a connection has gone: {error}");
    }
}

/// A connection of a known peer.
pub struct Connection<P> {
    stream: TlsStream<TcpStream>,
    /// Ready when somebody else has got the place.
    closed: oneshot::Receiver<()>,
    ends: Option<Ending>,
    visit: Visit<P>,
    _place: Place,
}

impl<P: Clone + Send + Sync + 'static> Connected for Connection<P> {
    type ConnectInfo = Visit<P>;

    fn connect_info(&self) -> Visit<P> {
        self.visit.clone()
    }
}

impl<P: Unpin> AsyncRead for Connection<P> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ends =
            |why: &str| Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, why)));
        if Pin::new(&mut self.closed).poll(context).is_ready() {
            return ends("closed for another");
        }
        let ending = self.ends.as_mut();
        if ending.is_some_and(|ending| ending.as_mut().poll(context).is_ready()) {
            return ends("its time is over");
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<P: Unpin> AsyncWrite for Connection<P> {
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
