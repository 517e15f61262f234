//! Maintenance mode: a node without certificates takes its `node.toml` over the network, once.
//!
//! 1. **A node that has its certificates never enters it**, and it ends when the node got them: the
//!    port goes to the management API, without a restart of the machine.
//! 2. The node proves itself with a certificate of its own making, kept on the data partition. Its
//!    fingerprint is on the console: **who reads that knows with whom he speaks**. Who may provision
//!    is whoever can connect; that is why it works once, and why a node can be given its `node.toml`
//!    by a stick instead.
//! 3. It serves two calls and nothing else: slowly ([`aios_daemon::rate`]), in small messages, unprivileged. What
//!    is offered is checked whole ([`check`]) before `aios-provision` installs it.

pub mod check;
pub mod init;
pub mod own;
mod port;
pub mod service;
mod tries;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aios_config::{Management, reader};
use aios_contracts::v1::maintenance_server::MaintenanceServer;
use aios_daemon::Places;
use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tonic::transport::Server;

use init::Init;
pub use port::LIMITS;
use service::{Installer, Maintenance};

/// `aios-maintenance`: the daemon of a node that nobody can manage yet.
pub fn main() -> ExitCode {
    aios_daemon::run::run(until_terminated())
}

async fn until_terminated() -> anyhow::Result<()> {
    let place = Place::of_this_node();
    let installer = Init::new(&place)?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = run(&place, Arc::new(installer)) => ended,
        _ = terminate.recv() => Ok(()),
    }
}

/// The largest request, in bytes: a `node.toml` and a `config.toml`.
const REQUEST_MAX: usize = 512 * 1024;

/// How long one request may take; installing takes a second in an emulated machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(45);

/// Requests of one connection that are worked on at once.
const STREAMS_MAX: u32 = 4;

/// Bytes that are received for one connection before anybody reads them.
const WINDOW: u32 = 64 * 1024;

/// Headers of one request, in bytes.
const HEADERS_MAX: u32 = 8 * 1024;

/// The answer leaves before the port is given up.
const ANSWER: Duration = Duration::from_millis(300);
/// How often to look whether the node has its certificate, if nobody says so.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So long after that, who asked for it has hung up.
const HUNG_UP: Duration = Duration::from_secs(10);

/// For the console's status page: the fingerprint, in `/run/aios`. The folder is this daemon's own.
pub const FINGERPRINT: &str = "maintenance/fingerprint";

/// Where things are.
#[derive(Clone, Debug)]
pub struct Place {
    /// `/etc/aios`.
    pub etc: PathBuf,
    /// `/var/lib/aios/maintenance`.
    pub state: PathBuf,
    /// `/run/aios`.
    pub run: PathBuf,
    /// The port that the management API will have.
    pub listen: SocketAddr,
}

impl Place {
    /// Of the node that this runs on.
    pub fn of_this_node() -> Self {
        let places = Places::of_this_process();
        // A configuration that is wrong must not keep a node from being provisioned.
        let config = places.config::<reader::Maintenance>();
        Self {
            listen: config.table::<Management>().listen,
            state: places.state.join("maintenance"),
            run: places.run,
            etc: places.etc,
        }
    }

    /// Has the node its certificates?
    pub fn is_provisioned(&self) -> bool {
        let pki = self.etc.join("pki");
        ["ca.crt", "node.crt", "node.key"]
            .iter()
            .all(|name| pki.join(name).exists())
    }
}

/// Serves until the node is provisioned.
///
/// # Errors
/// When it cannot listen, or has no place for its certificate.
pub async fn run(place: &Place, installer: Arc<dyn Installer>) -> anyhow::Result<()> {
    if place.is_provisioned() {
        tracing::info!("this node is provisioned: there is nothing to do");
        return Ok(());
    }
    let own = own::certificate(&place.state)?;
    let fingerprint = own.fingerprint();
    let listener = TcpListener::bind(place.listen)
        .await
        .with_context(|| format!("cannot listen on {}", place.listen))?;
    let acceptor = port::acceptor(&own)?;
    let incoming = aios_port::accept(listener, acceptor, port::LIMITS, port::Strangers::default());
    let shown = place.run.join(FINGERPRINT);
    // Err: the line below is on the console all the same.
    drop(std::fs::write(&shown, format!("{fingerprint}\n")));
    say(&fingerprint, place.listen);
    let (done, mut provisioned) = tokio::sync::watch::channel(false);
    let service = Maintenance::new(place.clone(), fingerprint, installer, done);
    let server = Server::builder()
        .timeout(REQUEST_TIMEOUT)
        .max_concurrent_streams(STREAMS_MAX)
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .http2_max_header_list_size(HEADERS_MAX)
        .add_service(MaintenanceServer::new(service).max_decoding_message_size(REQUEST_MAX))
        .serve_with_incoming(incoming);
    // Err: nobody waits for it (started by hand).
    drop(sd_notify::notify(false, &[sd_notify::NotifyState::Ready]));
    tokio::select! {
        ended = server => ended?,
        () = answered(&mut provisioned, place) => {}
    }
    drop(std::fs::remove_file(&shown));
    Ok(())
}

/// Ready once the node is provisioned and the answer has left, or nobody waits for it any more.
async fn answered(provisioned: &mut tokio::sync::watch::Receiver<bool>, place: &Place) {
    let hung_up = async {
        while !place.is_provisioned() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        tokio::time::sleep(HUNG_UP).await;
    };
    tokio::select! {
        told = provisioned.wait_for(|done| *done) => drop(told),
        () = hung_up => tracing::warn!("provisioned; who asked for it has gone"),
    }
    tokio::time::sleep(ANSWER).await;
}

/// For who sits before the console.
#[allow(clippy::print_stdout, reason = "its output is the console")]
fn say(fingerprint: &str, listen: SocketAddr) {
    println!("aios: maintenance mode: fingerprint {fingerprint}");
    println!(
        "aios: on the operator's machine: aiosctl config apply --fingerprint {fingerprint} \
         --endpoint ADDRESS:{} node.toml",
        listen.port()
    );
}
