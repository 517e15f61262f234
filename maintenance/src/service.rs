//! The two calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use aios_config::node::Node;
use aios_contracts::v1::maintenance_server::Maintenance as MaintenanceService;
use aios_contracts::v1::{ApplyNodeRequest, ApplyNodeResponse, Fingerprint, GetFingerprintRequest};
use aios_files::durable;
use aios_port::{Busy, Visit};
use rustls_pki_types::UnixTime;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::tries::Tries;
use crate::{Place, check};

/// What is offered to `aios-provision`, in our state folder (`init/disk/src/sources/mod.rs`).
pub const OFFERED_NODE: &str = "offered-node.toml";
/// See [`OFFERED_NODE`].
pub const OFFERED_CONFIG: &str = "offered-config.toml";
/// See [`OFFERED_NODE`]: the address of who offers it, for the audit log.
pub const OFFERED_BY: &str = "offered-by";

/// Installs what lies in the state folder; tests do it themselves.
#[tonic::async_trait]
pub trait Installer: Send + Sync {
    /// # Errors
    /// In words, that it was not done.
    async fn install(&self) -> Result<(), String>;
}

/// The service.
pub struct Maintenance {
    place: Place,
    fingerprint: String,
    installer: Arc<dyn Installer>,
    done: watch::Sender<bool>,
    tries: Mutex<Tries>,
    one_at_a_time: tokio::sync::Mutex<()>,
}

impl Maintenance {
    /// Tells `done` when the node is provisioned.
    pub fn new(
        place: Place,
        fingerprint: String,
        installer: Arc<dyn Installer>,
        done: watch::Sender<bool>,
    ) -> Self {
        Self {
            place,
            fingerprint,
            installer,
            done,
            tries: Mutex::default(),
            one_at_a_time: tokio::sync::Mutex::default(),
        }
    }

    /// Has this source a try left? Whoever has no address is nobody: all of them are one source.
    fn admit(&self, from: Option<SocketAddr>) -> Result<(), Status> {
        let source = from.map_or(IpAddr::from(Ipv4Addr::UNSPECIFIED), |from| from.ip());
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        match tries.take(source, Instant::now()) {
            true => Ok(()),
            false => Err(Status::resource_exhausted(
                "tried too often: once in 5 seconds",
            )),
        }
    }

    /// Puts what is offered where the installing role finds it, has it installed, and looks
    /// whether it was.
    async fn install(
        &self,
        request: &ApplyNodeRequest,
        node: &Node,
        from: Option<SocketAddr>,
    ) -> Result<(), String> {
        let state = &self.place.state;
        let put = |name: &str, text: &str| {
            durable::replace(&state.join(name), text.as_bytes())
                .map_err(|error| format!("{name}: {error}"))
        };
        match request.config_toml.is_empty() {
            true => drop(std::fs::remove_file(state.join(OFFERED_CONFIG))),
            false => put(OFFERED_CONFIG, &request.config_toml)?,
        }
        put(
            OFFERED_BY,
            &from.map(|from| from.to_string()).unwrap_or_default(),
        )?;
        put(OFFERED_NODE, &request.node_toml)?; // last: its being there says that all is
        self.installer.install().await?;
        let certificate = self.place.etc.join("pki/node.crt");
        let installed = std::fs::read_to_string(&certificate).unwrap_or_default();
        match installed == node.pki.certificate && self.place.is_provisioned() {
            true => Ok(()),
            false => Err("the node did not take it; its console says why".to_owned()),
        }
    }
}

#[tonic::async_trait]
impl MaintenanceService for Maintenance {
    async fn get_fingerprint(
        &self,
        _: Request<GetFingerprintRequest>,
    ) -> Result<Response<Fingerprint>, Status> {
        Ok(Response::new(Fingerprint {
            sha256: self.fingerprint.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }))
    }

    async fn apply_node(
        &self,
        request: Request<ApplyNodeRequest>,
    ) -> Result<Response<ApplyNodeResponse>, Status> {
        let visit = request.extensions().get::<Visit<SocketAddr>>().cloned();
        let (from, busy) = visit.map(|visit| (visit.peer, visit.busy)).unzip();
        self.admit(from)?;
        let _one_at_a_time = self.one_at_a_time.lock().await;
        if self.place.is_provisioned() {
            return Err(Status::failed_precondition(
                "this node has been provisioned; it takes no second node.toml",
            ));
        }
        // It is not closed for a stranger's connection while the node is being installed.
        let _at_work = busy.map(|busy: Busy| busy.begin());
        let request = request.into_inner();
        let node = check::node(&request.node_toml, UnixTime::now())
            .map_err(|why| Status::invalid_argument(format!("node.toml: {why}")))?;
        check::config(&request.config_toml).map_err(Status::invalid_argument)?;
        let name = node.node.name.clone();
        self.install(&request, &node, from)
            .await
            .map_err(|why| Status::unavailable(format!("not provisioned: {why}")))?;
        tracing::warn!("provisioned as {name} from {from:?}");
        self.done.send_replace(true);
        Ok(Response::new(ApplyNodeResponse { name }))
    }
}
