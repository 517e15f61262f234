//! The daemon on `config.sock`.
//!
//! 1. **The file is exactly the old or exactly the new one at any instant** ([`store`]), and a change
//!    is on the disk before a service hears of it.
//! 2. **A trial that nobody confirms goes back** ([`back`]): when its time is over, when this daemon is
//!    stopped, when it is killed and the time is over meanwhile (init starts it again), and at any start
//!    of the machine (PID 1 does that, before services read the file).
//! 3. Only what a change concerns is restarted ([`services`]), a moment after the answer: the
//!    answer may have to pass through what is restarted. What services are still owed is noted ([`owed`]):
//!    after a kill the next process tells them, and who did not get the answer may ask again.
//! 4. **Every order is on record**: the orchestrator records those of operators; those of the console
//!    and of root are kept on the disk before they have an effect, until `aios-tools` has taken them
//!    into the ledger. What cannot be kept is refused. That a trial went back is kept in the same way,
//!    but the way back is open in any case: then only the log says it.

mod access;
mod applier;
mod back;
mod here;
mod note;
mod order;
mod owed;
mod service;
mod services;
mod store;
mod trial;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use aios_proto::identity::AIOS_GID;
use aios_proto::socket;
use aios_proto::v1::config_server::ConfigServer;
use anyhow::Context as _;
use tonic::transport::Server;

use applier::Applier;
use services::InitServices;
use store::Store;

/// Without requests, work and trial for so long, it leaves.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked whether it may leave.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When it leaves, so long for the answers that are on their way.
const ANSWERS: Duration = Duration::from_millis(300);

/// Runs until SIGTERM, or until nobody needs it.
///
/// # Errors
/// When it cannot listen.
pub async fn run() -> anyhow::Result<()> {
    let folder = |variable: &str, default: &str| {
        std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
    };
    let store = Store::new(&folder("AIOS_ETC_DIR", "/etc/aios").join("config.toml"));
    let state = folder("AIOS_STATE_DIR", "/var/lib/aios");
    let services = InitServices::new(&socket::run_dir(), state)?;
    // A folder of PID 1's: in that of the sockets any daemon could put up a note.
    let note = socket::run_dir().join("init/config-trial.toml");
    let applier = Applier::new(store, note, Arc::new(services));
    applier.recover();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    let path = socket::of("config");
    let incoming = socket::listen(&path).with_context(|| format!("{}", path.display()))?;
    // Made by root: the orchestrator is in the group.
    std::os::unix::fs::chown(&path, None, Some(AIOS_GID))
        .with_context(|| format!("cannot open {} to the group aios", path.display()))?;
    let service = service::Service::new(applier.clone(), access::by_peer_credentials());
    let (leave, leaving) = tokio::sync::oneshot::channel::<()>();
    let server = Server::builder()
        .add_service(ConfigServer::new(service).max_decoding_message_size(socket::MESSAGE_MAX))
        .serve_with_incoming_shutdown(incoming, async { drop(leaving.await) });
    let mut server = pin!(server);
    // Err: nobody waits for it (started by hand).
    drop(sd_notify::notify(false, &[sd_notify::NotifyState::Ready]));
    tokio::select! {
        ended = &mut server => return Ok(ended?),
        () = unused(&applier) => tracing::info!("nobody needs it; it is started again when somebody does"),
        _ = terminate.recv() => applier.leave().await,
    }
    drop(leave);
    // Who connects from now on waits at the socket, which PID 1 keeps, for the next process.
    drop(tokio::time::timeout(ANSWERS, server).await);
    Ok(())
}

/// Ready when nobody has needed it for [`IDLE`].
async fn unused(applier: &Applier) {
    while !applier.ends(IDLE) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
