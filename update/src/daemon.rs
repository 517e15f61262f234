//! `aios-update`: started when it is asked for; ends when nobody has called for a minute.

use std::path::PathBuf;
use std::time::Duration;

use aios_contracts::v1::update_server::UpdateServer;
use aios_daemon::serve::{self, Door};
use aios_daemon::socket::MESSAGE_MAX;
use aios_daemon::{Callers, Places};

use crate::install::{Site, own_release};
use crate::place::Machine;
use crate::service::{ACCESS, Service};
use crate::{disk, keys};

/// So long without a call, and it ends; whoever wants it again has it started.
const IDLE: Duration = Duration::from_secs(60);

/// Where a bundle is kept while it is verified.
const STAGING: &str = "/var/lib/aios/update";

/// The release of the running root: Unix time of the last commit in it.
const OWN_RELEASE: &str = "/usr/lib/aios/build-time";

/// Serves until SIGTERM.
///
/// # Errors
/// When it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let terminated = serve::terminated()?;
    let callers = Callers::by_kernel();
    let service = Service::new(Machine::this().place().map(site), callers.clone());
    let activity = service.activity();
    let socket = Places::of_this_process().socket("update");
    let door = Door::open(&socket, &callers, &[&ACCESS])?
        .for_daemons()?
        .takes(&ACCESS, (), "Install", MESSAGE_MAX)
        .grace(Duration::ZERO);
    let server = UpdateServer::new(service).max_decoding_message_size(MESSAGE_MAX);
    serve::ready();
    let end = async {
        tokio::select! {
            () = activity.unused(IDLE) => tracing::info!("nobody has called for a minute"),
            () = terminated => {}
        }
    };
    let services = door.server().add_service(server);
    door.serve(services, end).await?;
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
