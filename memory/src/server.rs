//! The daemon's life: open, listen, say so, serve, stop.

use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aios_proto::identity::{self, Principal};
use aios_proto::socket;
use aios_proto::v1::memory_server::MemoryServer;
use aios_proto::v1::{Event, EventLevel};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::{Request, Status};

use crate::config::Config;
use crate::embedder::Embedder;
use crate::error::{Error, chain};
use crate::longterm::Longterm;
use crate::recall::Recall;
use crate::service::{Service, now_ms};
use crate::working::Working;

/// After SIGTERM, calls at hand may take so long; the supervisor allows 2 s.
const FINISH_WITHIN: Duration = Duration::from_millis(1500);

/// Says who calls; tests play roles by another one.
pub type Resolve = fn(&Request<()>) -> Result<Principal, Status>;

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The databases cannot be opened.
    #[error("cannot open the databases")]
    Open(#[from] Error),
    /// Its socket cannot be bound, or signals cannot be received.
    #[error("cannot listen on {path}")]
    Listen {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Serving failed.
    #[error("cannot serve")]
    Serve(#[from] tonic::transport::Error),
    /// A database was damaged while it was in use.
    #[error("a database is damaged; it is moved aside at the next start")]
    Damaged,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot be started, or a database turns out to be damaged.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let listen = |source| ServeError::Listen {
        path: config.socket.clone(),
        source,
    };
    let mut terminate = signal(SignalKind::terminate()).map_err(listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listen)?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    serve_until(&config, identity::caller, stop).await
}

/// Serves until `stop`, taking callers for whom `resolve` says they are.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    config: &Config,
    resolve: Resolve,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let damaged = Arc::new(Notify::new());
    let (service, recall) = open(config, &damaged).await?;
    let incoming = socket::listen(&config.socket).map_err(|source| ServeError::Listen {
        path: config.socket.clone(),
        source,
    })?;
    let intercept = move |mut request: Request<()>| {
        let caller = resolve(&request)?;
        request.extensions_mut().insert(caller);
        Ok(request)
    };
    let service = MemoryServer::new(service).max_decoding_message_size(socket::MESSAGE_MAX);
    let stopping = Notify::new();
    let server = Server::builder()
        .add_service(InterceptedService::new(service, intercept))
        .serve_with_incoming_shutdown(incoming, stopping.notified());
    if let Err(error) = sd_notify::notify(false, &[sd_notify::NotifyState::Ready]) {
        tracing::warn!("cannot tell the supervisor that memory is ready: {error}");
    }
    tracing::info!("ready on {}", config.socket.display());
    tokio::pin!(server);
    tokio::select! {
        outcome = &mut server => return Ok(outcome?),
        () = damaged.notified() => return Err(ServeError::Damaged),
        () = recall.embed_in_background() => {}
        () = stop => {}
    }
    stopping.notify_one();
    // Idle connections of others need not be waited for.
    let _ = tokio::time::timeout(FINISH_WITHIN, server).await;
    tracing::info!("stopped");
    Ok(())
}

async fn open(
    config: &Config,
    damaged: &Arc<Notify>,
) -> Result<(Service, Arc<Recall>), ServeError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.folder)
        .map_err(Error::io("make", &config.folder))?;
    let path = |name| config.folder.join(name);
    let (working, working_damage) = Working::open(&path("working.db"), Arc::clone(damaged))?;
    let (longterm, longterm_damage) = Longterm::open(&path("longterm.db"), Arc::clone(damaged))?;
    let embedder = Embedder::new(&config.runtime_socket)?;
    let recall = Arc::new(Recall::new(longterm, embedder).await?);
    let service = Service::new(working, Arc::clone(&recall)).await?;
    for (aside, what) in working_damage.into_iter().chain(longterm_damage) {
        let text = format!(
            "a database was damaged ({what}) and moved to {}",
            aside.display()
        );
        tracing::error!("{text}");
        if let Err(error) = service.record(damage_event(text)).await {
            tracing::error!("cannot record it: {}", chain(&error));
        }
    }
    Ok((service, recall))
}

fn damage_event(text: String) -> Event {
    Event {
        time_ms: now_ms(),
        source: "memory".to_owned(),
        level: EventLevel::Error.into(),
        kind: "memory.database_damaged".to_owned(),
        text,
        goal_id: String::new(),
    }
}
