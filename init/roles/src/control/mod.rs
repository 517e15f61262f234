//! The `control` role: the gRPC service `Init` on `/run/aios/init.sock`.
//!
//! It holds no state that matters: PID 1 knows the services, the logger's files
//! hold the logs. So it can be killed at any time; PID 1 starts it again with a
//! new connection, and an order that PID 1 has taken is carried out without it.

mod access;
mod agents;
mod backwards;
mod enabled;
mod last;
mod link;
mod logs;
mod packaged;
mod service;
mod tail;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::init_server::InitServer;
use aios_daemon::Callers;
use aios_daemon::error::chain;
use aios_daemon::serve::{self, Door};

pub use access::{ACCESS, Deed};
pub use link::Link;
pub use service::InitService;

/// How long requests under way may take after SIGTERM. One of them is often the order to shut
/// down itself: PID 1 ends control with all others, and the answer has still to be written.
/// Longer would hold the shutdown up for streams that follow a log.
const GRACE: Duration = Duration::from_millis(300);

/// Serves until SIGTERM or until PID 1 closes the connection.
///
/// # Errors
/// No connection to PID 1, or the socket cannot be bound.
pub fn run() -> io::Result<()> {
    aios_daemon::logging::init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.spawn(aios_daemon::watchdog::feed());
    runtime.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let link = Arc::new(Link::from_stdin()?);
    let callers = Callers::by_kernel();
    let door = Door::open(&aios_daemon::socket::of("init"), &callers, &[&ACCESS])
        .map_err(|error| io::Error::other(chain(&error)))?;
    let door = door.grace(GRACE); // open streams (`logs -f`) are cut off then
    let boot = InitService::new(link.clone(), callers.clone());
    let service = InitService::new(link.clone(), callers);
    let server = InitServer::new(service)
        .max_decoding_message_size(aios_daemon::socket::MESSAGE_MAX)
        .max_encoding_message_size(aios_daemon::socket::MESSAGE_MAX);
    let terminated = serve::terminated().map_err(|error| io::Error::other(chain(&error)))?;
    let is_boot = !boot.is_core_there().await;
    serve::ready();
    if is_boot {
        tokio::spawn(async move { boot.start_enabled().await });
    }
    let end = async {
        tokio::select! {
            () = terminated => Ok(()),
            () = link.closed() => Err(io::Error::other("PID 1 closed the connection")),
        }
    };
    let services = door.server().add_service(server);
    let served = door.serve(services, end).await;
    served.map_err(|error| io::Error::other(chain(&error)))?
}
