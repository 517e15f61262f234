//! `aios-packages`: started when it is asked for; ends when nobody has called for a minute.

use std::time::Duration;

use aios_contracts::v1::packages_server::PackagesServer;
use aios_daemon::serve::{self, Door};
use aios_daemon::{Callers, Places};

use crate::service::{ACCESS, Service};
use crate::shadow::Site;

/// So long without a call, and it ends; whoever wants it again has it started.
const IDLE: Duration = Duration::from_secs(60);

/// A shadow that is older is of a call that died and was not tried again.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// Serves until SIGTERM.
///
/// # Errors
/// When it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let terminated = serve::terminated()?;
    let callers = Callers::by_kernel();
    let site = Site::of_this_machine();
    if let Err(error) = site.make_folders().and_then(|()| site.tidy(ABANDONED)) {
        tracing::warn!("old shadows cannot be thrown away: {error}");
    }
    let service = Service::new(site, callers.clone());
    let activity = service.activity();
    let socket = Places::of_this_process().socket("packages");
    let door = Door::open(&socket, &callers, &[&ACCESS])?
        .for_daemons()?
        .grace(Duration::ZERO);
    let server = PackagesServer::new(service);
    serve::ready();
    let end = async {
        tokio::select! {
            () = activity.unused(IDLE) => tracing::info!("nobody has called for a minute"),
            () = terminated => {}
        }
    };
    let services = door.server().add_service(server);
    door.serve(services, end).await?;
    std::process::exit(0) // what runs in a shadow ends with it, and nothing of it is real
}
