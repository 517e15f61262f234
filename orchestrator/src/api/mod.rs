//! The management API on port 9090: mutual TLS, roles, and the service itself.

pub mod gate;
pub mod incoming;
pub mod listen;
pub mod peer;
mod reset;
pub mod revoked;
pub mod roles;
pub mod service;
pub mod status;
pub mod tls;
pub mod turns;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use aios_contracts::v1::ServiceRequest;
use aios_contracts::v1::management_server::ManagementServer;
use tonic::transport::Server;

use crate::record::Recorder;
use service::Management;

/// The largest request, in bytes: a goal or the content of one file to write.
const REQUEST_MAX: usize = 1024 * 1024;

/// The largest answer, in bytes.
const ANSWER_MAX: usize = aios_daemon::socket::MESSAGE_MAX;

/// Requests of one connection that are worked on at once.
const STREAMS_MAX: u32 = 64;

/// Headers of one request, in bytes.
const HEADERS_MAX: u32 = 16 * 1024;

/// A client that is silent this long is asked whether it is there, and then has [`ALIVE`].
const SILENT: Duration = Duration::from_secs(30);

/// How long a silent client may take to answer.
const ALIVE: Duration = Duration::from_secs(15);

/// A connection that is so old takes no new requests; those under way have [`LAST_ANSWERS`] to end.
const LONGEST_LIFE: Duration = Duration::from_secs(8 * 60 * 60);

/// See [`LONGEST_LIFE`]: an update on a slow line fits.
const LAST_ANSWERS: Duration = Duration::from_secs(60 * 60);

/// Bytes that are received for one request before anybody reads them.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Bytes that are received for one connection before anybody reads them.
const CONNECTION_WINDOW: u32 = 256 * 1024;

/// Between two looks for certificates that are not there yet, and for a port that is taken.
const RETRY: Duration = Duration::from_secs(1);

/// The service that a node without certificates needs.
const MAINTENANCE: &str = "maintenance";

/// How long it may take to start, in an emulated machine.
const MAINTENANCE_START: Duration = Duration::from_secs(30);

/// Where to listen, with which certificates.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Address and port.
    pub listen: SocketAddr,
    /// The folder with `ca.crt`, `node.crt` and `node.key`.
    pub pki: PathBuf,
}

impl Endpoint {
    /// Was this node never provisioned?
    fn has_no_certificate(&self) -> bool {
        !self.pki.join("node.crt").exists()
    }
}

/// Has init start maintenance mode, which takes the port until the node is provisioned.
async fn maintain(management: &Management) {
    let request = ServiceRequest {
        name: MAINTENANCE.to_owned(),
    };
    let mut init = management.clients.init.clone();
    match tokio::time::timeout(MAINTENANCE_START, init.start_service(request)).await {
        Ok(Ok(_)) => {}
        Ok(Err(status)) => tracing::warn!("no maintenance mode: {}", status.message()),
        Err(_) => tracing::warn!("maintenance mode does not start"),
    }
}

/// Serves the API for ever. Without certificates, or while the port is taken, there is no API:
/// that is logged, and tried again every few seconds. `bound` is told the address.
pub async fn serve(
    endpoint: Endpoint,
    management: Management,
    recorder: Recorder,
    bound: tokio::sync::watch::Sender<Option<SocketAddr>>,
) {
    let mut said = String::new();
    loop {
        match serve_once(&endpoint, management.clone(), recorder.clone(), &bound).await {
            Ok(()) => tracing::error!("the management API ended; it is started again"),
            Err(error) => {
                if endpoint.has_no_certificate() {
                    maintain(&management).await;
                }
                let text = format!("{error:#}");
                if text != said {
                    tracing::error!("there is no management API: {text}");
                    said = text;
                }
            }
        }
        bound.send_replace(None);
        tokio::time::sleep(RETRY).await;
    }
}

async fn serve_once(
    endpoint: &Endpoint,
    management: Management,
    recorder: Recorder,
    bound: &tokio::sync::watch::Sender<Option<SocketAddr>>,
) -> anyhow::Result<()> {
    let revoked = management.revoked.clone();
    revoked.load()?;
    let acceptor = tls::acceptor(&endpoint.pki, revoked.clone())?;
    let last = management.state.join("listen");
    let (listener, why) = listen::open(endpoint.listen, &last)?;
    let address = listener.local_addr()?;
    match &why {
        None => tracing::info!("management API on {address}"),
        Some(why) => tracing::error!("management API on {address}: {why}"),
    }
    let is_elsewhere = why.is_some();
    management.elsewhere.set(why);
    bound.send_replace(Some(address));
    let operators = incoming::Operators::new(recorder.clone(), revoked.clone());
    let incoming = aios_port::accept(listener, acceptor, incoming::LIMITS, operators);
    let service = ManagementServer::new(management)
        .max_decoding_message_size(REQUEST_MAX)
        .max_encoding_message_size(ANSWER_MAX);
    let server = Server::builder()
        .max_concurrent_streams(STREAMS_MAX)
        .concurrency_limit_per_connection(STREAMS_MAX as usize)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_header_list_size(HEADERS_MAX)
        .max_connection_age(LONGEST_LIFE)
        .max_connection_age_grace(LAST_ANSWERS)
        .http2_keepalive_interval(Some(SILENT))
        .http2_keepalive_timeout(Some(ALIVE))
        .layer(gate::GateLayer::new(recorder, revoked))
        .add_service(service)
        .serve_with_incoming(incoming);
    tokio::select! {
        ended = server => ended?,
        () = listen::until_there(endpoint.listen), if is_elsewhere => {
            tracing::info!("{} is there now: the management API moves", endpoint.listen);
        }
    }
    Ok(())
}
