//! A daemon at its socket: it listens, admits the callers that its tables name, says READY, serves, and ends.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower::layer::util::{Identity, Stack};

use crate::access::{Access, Callers, Known};
use crate::budget::{Budget, Larger};
use crate::guests::Guests;
use crate::identity::{AIOS_GID, Principal};
use crate::incoming::Incoming;
use crate::{limits, socket};

/// How long calls under way may take to end after SIGTERM. PID 1 kills a daemon after its
/// `stop_timeout_ms`, which is 2 s or more.
pub const GRACE: Duration = Duration::from_millis(1500);

/// The package of the contracts.
const PACKAGE: &str = "aios.v1";

/// Why a daemon cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Its socket cannot be bound, or not be opened to those who may connect.
    #[error("cannot listen on {path}")]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signal(#[source] io::Error),
    /// The connection loop failed.
    #[error("serving failed")]
    Serve(#[from] tonic::transport::Error),
    /// The connection loop ended although nobody asked for that.
    #[error("serving ended")]
    Ended,
}

/// The services behind a door, within the limits of their callers.
pub type Services = Router<Stack<Budget, Identity>>;

/// A listening socket.
#[derive(Debug)]
pub struct Door {
    incoming: Incoming,
    guests: Guests,
    larger: HashMap<String, Larger>,
    path: PathBuf,
    grace: Duration,
}

impl Door {
    /// Listens on this socket, which the group `aios` may connect to, with the listener of the
    /// former process if PID 1 kept it. Whoever is in none of these tables, the access tables of the
    /// services behind the door, is turned away when it connects ([`limits`]).
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn open(
        path: &Path,
        callers: &Callers,
        tables: &[&'static dyn Known],
    ) -> Result<Self, ServeError> {
        let refused = |source| ServeError::Listen {
            path: path.to_owned(),
            source,
        };
        let listener = socket::listener(path).map_err(refused)?;
        let guests = Guests::new(callers.clone(), tables);
        Ok(Self {
            incoming: Incoming::new(listener, guests.clone()),
            guests,
            larger: HashMap::new(),
            path: path.to_owned(),
            grace: GRACE,
        })
    }

    /// Lets this method of the table's service take messages of up to so many bytes, instead of
    /// [`limits::SMALL`], from those who have the right. What others send is refused by its first five
    /// bytes, before the service refuses them.
    pub fn takes<R>(
        mut self,
        access: &'static Access<R>,
        right: R,
        method: &str,
        bytes: usize,
    ) -> Self
    where
        R: Copy + PartialEq + fmt::Debug + Send + Sync,
    {
        let path = format!("/{PACKAGE}.{}/{method}", access.service());
        let may = Arc::new(move |caller: &Principal| access.may(caller, right));
        self.larger.insert(path, Larger { bytes, may });
        self
    }

    /// A server for the services behind this door. It must be the one that [`Self::serve`] gets, and
    /// be asked for after [`Self::takes`].
    pub fn server(&self) -> Server<Stack<Budget, Identity>> {
        let budget = Budget::new(self.guests.clone(), self.larger.clone());
        Server::builder()
            .max_concurrent_streams(limits::STREAMS)
            .initial_connection_window_size(limits::CONNECTION_WINDOW)
            .initial_stream_window_size(limits::STREAM_WINDOW)
            .http2_max_header_list_size(limits::HEADERS)
            .layer(budget)
    }

    /// Opens the socket of a daemon that runs as root to aiOS's daemons: a socket of root's own group
    /// would be closed to them.
    ///
    /// # Errors
    /// When its group cannot be changed.
    pub fn for_daemons(self) -> Result<Self, ServeError> {
        let changed = std::os::unix::fs::chown(&self.path, None, Some(AIOS_GID));
        match changed {
            Ok(()) => Ok(self),
            Err(source) => Err(ServeError::Listen {
                path: self.path,
                source,
            }),
        }
    }

    /// Gives calls under way another time at the end than [`GRACE`].
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Serves these services until `end` is ready, whose value it returns. Nothing new is taken
    /// then, and calls under way have their time; who connects from now on waits at the socket,
    /// which PID 1 keeps, for the next process.
    ///
    /// # Errors
    /// When serving fails or ends before.
    pub async fn serve<T>(
        self,
        services: Services,
        end: impl Future<Output = T>,
    ) -> Result<T, ServeError> {
        tracing::info!("listens on {}", self.path.display());
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let until = async { drop(stopped.await) };
        let mut server = pin!(services.serve_with_incoming_shutdown(self.incoming, until));
        let mut end = pin!(end);
        let why = tokio::select! {
            ended = &mut server => {
                ended?;
                return Err(ServeError::Ended);
            }
            why = &mut end => why,
        };
        drop(stop);
        // Err: idle connections of others need not be waited for, nor calls that take longer.
        drop(tokio::time::timeout(self.grace, server).await);
        Ok(why)
    }
}

/// Says READY=1 to PID 1. Not to be able to is no error: the daemon was started by hand.
pub fn ready() {
    if let Err(error) = sd_notify::notify(false, &[NotifyState::Ready]) {
        tracing::warn!("cannot tell PID 1 READY: {error}");
    }
}

/// How the status text of a daemon begins that serves although something is wrong.
pub const DEGRADED: &str = "degraded: ";

/// Tells PID 1, and so operators, what is wrong although this daemon serves.
pub fn degraded(what: &str) {
    let status = format!("{DEGRADED}{what}");
    // Err: it was started by hand.
    drop(sd_notify::notify(false, &[NotifyState::Status(&status)]));
}

/// Ready at SIGTERM or SIGINT. They are caught from the call on, not only from the first await.
///
/// # Errors
/// When signals cannot be received.
pub fn terminated() -> Result<impl Future<Output = ()> + Send, ServeError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServeError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServeError::Signal)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
