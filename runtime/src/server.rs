//! The server's life: bind, load, READY, serve, end.

use std::future::Future;
use std::time::Instant;

use aios_contracts::v1::runtime_server::RuntimeServer;
use aios_daemon::Callers;
use aios_daemon::serve::{Door, ServeError, ready, terminated};
use aios_daemon::socket::MESSAGE_MAX;

use crate::Config;
use crate::registry::Registry;
use crate::service::{ACCESS, Runtime};

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start.
pub async fn run(config: Config) -> Result<(), ServeError> {
    serve(config, terminated()?).await
}

/// Serves until `stop` is done; then calls in flight have a moment to end.
///
/// # Errors
/// When it cannot start.
pub async fn serve(config: Config, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    let began = Instant::now();
    let door = Door::open(&config.socket, &Callers::by_kernel(), &[&ACCESS])?
        .takes(&ACCESS, (), "Generate", MESSAGE_MAX)
        .takes(&ACCESS, (), "Embed", MESSAGE_MAX)
        .takes(&ACCESS, (), "Encode", MESSAGE_MAX);
    let registry = Registry::start(config);
    let service = RuntimeServer::new(Runtime::new(registry.clone()))
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    let announce = tokio::spawn(async move {
        match registry.ready().await {
            Ok(()) => {
                ready();
                tracing::info!(after_ms = began.elapsed().as_millis(), "ready");
            }
            Err(reason) => tracing::error!("not ready: {reason}"),
        }
    });
    let services = door.server().add_service(service);
    let result = door.serve(services, stop).await;
    announce.abort();
    result
}
