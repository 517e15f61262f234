//! `aios-config`, the daemon on `config.sock`: shows, checks, tries and changes the configuration.
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

#![forbid(unsafe_code)]

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

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::config_server::ConfigServer;
use aios_daemon::configuration;
use aios_daemon::serve::{self, Door};
use aios_daemon::{Callers, Places, socket};

pub use access::ACCESS;
use applier::Applier;
use services::InitServices;
use store::Store;

/// Without requests, work and trial for so long, it leaves.
const IDLE: Duration = Duration::from_secs(60);

/// How often it is looked whether it may leave.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// When it leaves, so long for the answers that are on their way.
const ANSWERS: Duration = Duration::from_millis(300);

/// `aios-config`: shows, checks and changes the node's configuration. Started when it is needed;
/// leaves when nobody has asked for a while.
pub fn main() -> ExitCode {
    aios_daemon::run::run(run())
}

/// Runs until SIGTERM, or until nobody needs it.
///
/// # Errors
/// When it cannot listen.
async fn run() -> anyhow::Result<()> {
    let places = Places::of_this_process();
    let store = Store::new(&places.etc.join(configuration::FILE));
    store.remember();
    let services = InitServices::new(&places.run, places.state.clone())?;
    // A folder of PID 1's: in that of the sockets any daemon could put up a note.
    let note = places.run.join("init/config-trial.toml");
    let applier = Applier::new(store, note, Arc::new(services));
    applier.recover();
    let terminated = serve::terminated()?;
    let callers = Callers::by_kernel();
    let door = Door::open(&places.socket("config"), &callers, &[&ACCESS])?
        .for_daemons()?
        .takes(&ACCESS, (), "ValidateConfig", socket::MESSAGE_MAX)
        .takes(&ACCESS, (), "ApplyConfig", socket::MESSAGE_MAX)
        .grace(ANSWERS);
    let service = service::Service::new(applier.clone(), callers);
    let service = ConfigServer::new(service).max_decoding_message_size(socket::MESSAGE_MAX);
    serve::ready();
    let end = async {
        tokio::select! {
            () = unused(&applier) => {
                tracing::info!("nobody needs it; it is started again when somebody does");
            }
            () = terminated => applier.leave().await,
        }
    };
    let services = door.server().add_service(service);
    door.serve(services, end).await?;
    Ok(())
}

/// Ready when nobody has needed it for [`IDLE`].
async fn unused(applier: &Applier) {
    while !applier.ends(IDLE) {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
