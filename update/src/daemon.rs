//! `aios-update`: started when it is asked for; ends when nobody has called for a minute.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aios_proto::identity::{AIOS_GID, peer};
use aios_proto::socket;
use aios_proto::v1::update_server::UpdateServer;
use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;

use crate::install::{Site, own_release};
use crate::place::Machine;
use crate::service::{Activity, Service};
use crate::{disk, keys};

/// So long without a call, and it ends; whoever wants it again has it started.
const IDLE: Duration = Duration::from_secs(60);

/// How often to look whether it is idle.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where a bundle is kept while it is verified.
const STAGING: &str = "/var/lib/aios/update";

/// The release of the running root: Unix time of the last commit in it.
const OWN_RELEASE: &str = "/usr/lib/aios/build-time";

/// Serves until SIGTERM.
///
/// # Errors
/// When it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let service = Service::new(Machine::this().place().map(site), Arc::new(peer));
    let path = socket::of("update");
    let listener = socket::listen(&path).with_context(|| path.display().to_string())?;
    // A socket of root's own group would be closed to the orchestrator.
    std::os::unix::fs::chown(&path, None, Some(AIOS_GID))
        .with_context(|| path.display().to_string())?;
    let activity = service.activity();
    let server = UpdateServer::new(service).max_decoding_message_size(socket::MESSAGE_MAX);
    let mut terminate = signal(SignalKind::terminate())?;
    drop(sd_notify::notify(false, &[sd_notify::NotifyState::Ready])); // Err: started by hand.
    tokio::select! {
        ended = Server::builder().add_service(server).serve_with_incoming(listener) => ended?,
        () = idle(&activity) => tracing::info!("nobody has called for a minute"),
        _ = terminate.recv() => {}
    }
    std::process::exit(0) // an update under way is left as by a power cut
}

fn site(place: crate::place::Place) -> Site {
    let site = Site {
        place,
        staging: PathBuf::from(STAGING),
        trusted: PathBuf::from(keys::TRUSTED),
        own: (
            own_release(OWN_RELEASE.as_ref()),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
        free: disk::free,
    };
    site.clear();
    site
}

async fn idle(activity: &Activity) {
    while activity.idle() < IDLE {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
