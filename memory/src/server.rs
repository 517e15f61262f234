//! The daemon's life: open, listen, say so, serve, stop.

use std::future::Future;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;

use aios_contracts::v1::memory_server::MemoryServer;
use aios_contracts::v1::{Event, EventLevel};
use aios_daemon::serve::{self, Door};
use aios_daemon::{Callers, socket};
use aios_files::clock::now_ms;
use tokio::sync::Notify;

use crate::access::{ACCESS, Method};
use crate::config::Config;
use crate::embedder::Embedder;
use crate::error::Error;
use crate::limits;
use crate::longterm::Longterm;
use crate::open;
use crate::recall::Recall;
use crate::service::Service;
use crate::working::Working;

/// Why the daemon ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The databases cannot be opened.
    #[error("cannot open the databases")]
    Open(#[from] Error),
    /// Its socket cannot be used.
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    /// The model runtime's socket has no path that can be written as a URI.
    #[error("cannot reach the model runtime")]
    Runtime(#[source] tonic::transport::Error),
    /// A database was damaged while it was in use.
    #[error("a database is damaged; it is moved aside at the next start")]
    Damaged,
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot be started, or a database turns out to be damaged.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    serve_until(&config, Callers::by_kernel(), serve::terminated()?).await
}

/// Serves until `stop`, taking callers for whom `callers` says they are.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    config: &Config,
    callers: Callers,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let damaged = Arc::new(Notify::new());
    let (service, recall) = open(config, callers.clone(), &damaged).await?;
    let door = Door::open(&config.socket, &callers, &[&ACCESS])?
        .takes(&ACCESS, Method::PutGoal, "PutGoal", socket::MESSAGE_MAX)
        .takes(
            &ACCESS,
            Method::Remember,
            "Remember",
            limits::REMEMBERED_MAX,
        )
        .takes(&ACCESS, Method::Recall, "Recall", limits::REMEMBERED_MAX);
    let service = MemoryServer::new(service).max_decoding_message_size(socket::MESSAGE_MAX);
    let services = door.server().add_service(service);
    serve::ready();
    if let Some(aside) = moved_aside(&config.folder) {
        serve::degraded(&aside);
    }
    let end = async {
        tokio::select! {
            () = damaged.notified() => Err(ServeError::Damaged),
            () = recall.embed_in_background() => Ok(()),
            () = stop => Ok(()),
        }
    };
    door.serve(services, end).await??;
    tracing::info!("stopped");
    Ok(())
}

async fn open(
    config: &Config,
    callers: Callers,
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
    let embedder = Embedder::new(&config.runtime_socket).map_err(ServeError::Runtime)?;
    let recall = Arc::new(Recall::new(longterm, embedder).await?);
    let service = Service::new(working, Arc::clone(&recall), callers).await?;
    for (aside, what) in working_damage.into_iter().chain(longterm_damage) {
        let text = format!(
            "a database was damaged ({what}) and moved to {}",
            aside.display()
        );
        tracing::error!("{text}");
        if let Err(error) = service.record(damage_event(text)).await {
            tracing::error!("cannot record it: {}", aios_daemon::error::chain(&error));
        }
    }
    Ok((service, recall))
}

/// The databases that were moved aside, now or earlier, and that nobody has taken away.
fn moved_aside(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.flatten();
    let mut found: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.contains(open::DAMAGED) && !name.ends_with("-wal"))
        .collect();
    found.sort();
    (!found.is_empty()).then(|| found.join(", "))
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
