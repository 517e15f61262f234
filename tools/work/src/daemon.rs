//! `aios-work`: started when it is asked for; ends when nobody has called for a minute.

use std::time::Duration;

use aios_contracts::v1::work_server::WorkServer;
use aios_daemon::serve::{self, Door};
use aios_daemon::{Callers, Places, socket};

use crate::sandbox::Site;
use crate::service::{ACCESS, Service};

/// So long without a call, and it ends; whoever wants it again has it started.
const IDLE: Duration = Duration::from_secs(60);

/// Serves until SIGTERM.
///
/// # Errors
/// When it cannot start.
pub async fn run() -> anyhow::Result<()> {
    let terminated = serve::terminated()?;
    let callers = Callers::by_kernel();
    let site = Site::of_this_machine();
    // What is there was left by a daemon that was killed: its callers are gone.
    if let Err(error) = site.tidy() {
        tracing::warn!("old shadows cannot be thrown away: {error}");
    }
    let service = Service::new(site, callers.clone());
    let activity = service.activity();
    let socket = Places::of_this_process().socket("work");
    let door = Door::open(&socket, &callers, &[&ACCESS])?
        .for_daemons()?
        .grace(Duration::ZERO);
    let server = WorkServer::new(service)
        .max_decoding_message_size(socket::MESSAGE_MAX)
        .max_encoding_message_size(socket::MESSAGE_MAX);
    serve::ready();
    let end = async {
        tokio::select! {
            () = activity.unused(IDLE) => tracing::info!("nobody has called for a minute"),
            () = terminated => {}
        }
    };
    let services = door.server().add_service(server);
    door.serve(services, end).await?;
    std::process::exit(0) // what runs in a sandbox ends with it
}
