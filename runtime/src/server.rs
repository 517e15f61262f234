//! The server's life: bind, load, READY, serve, end.

use std::future::Future;
use std::time::{Duration, Instant};

use aios_proto::v1::runtime_server::RuntimeServer;
use tokio::signal::unix::{SignalKind, signal};

use crate::Config;
use crate::registry::Registry;
use crate::service::Runtime;

/// How long calls in flight may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_millis(1500);

/// Why the server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// Its socket cannot be bound.
    #[error("cannot listen on {path}")]
    Listen {
        /// Where.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signal(#[source] std::io::Error),
    /// The connection loop ended.
    #[error("serving ended")]
    Serve(#[from] tonic::transport::Error),
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), ServerError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Signal)?;
    serve(config, async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
    .await
}

/// Serves until `stop` is done; then calls in flight have a moment to end.
///
/// # Errors
/// When it cannot start.
pub async fn serve(
    config: Config,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let began = Instant::now();
    let incoming =
        aios_proto::socket::listen(&config.socket).map_err(|source| ServerError::Listen {
            path: config.socket.clone(),
            source,
        })?;
    let registry = Registry::start(config);
    let service = RuntimeServer::new(Runtime::new(registry.clone()))
        .max_decoding_message_size(aios_proto::socket::MESSAGE_MAX)
        .max_encoding_message_size(aios_proto::socket::MESSAGE_MAX);
    let announce = tokio::spawn(async move {
        match registry.ready().await {
            Ok(()) => {
                let ready = [sd_notify::NotifyState::Ready];
                if let Err(error) = sd_notify::notify(false, &ready) {
                    tracing::error!("cannot tell the supervisor READY: {error}");
                }
                tracing::info!(after_ms = began.elapsed().as_millis(), "ready");
            }
            Err(reason) => tracing::error!("not ready: {reason}"),
        }
    });
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let serving = tonic::transport::Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(incoming, async move {
            stop.await;
            stopping.send_replace(true);
        });
    let late = async {
        drop(stopped.wait_for(|stopped| *stopped).await);
        tokio::time::sleep(DRAIN).await;
    };
    let result = tokio::select! {
        result = serving => result.map_err(ServerError::from),
        () = late => Ok(()),
    };
    announce.abort();
    result
}
