//! The places of a port whose callers are all strangers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aios_daemon::rate::Told;
use aios_port::accept::Known;
use aios_port::{Doorkeeper, Limits, Rank, Standing};
use anyhow::Context as _;
use rustls::ServerConfig;
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::own::Own;

/// All together are half of the daemon's descriptors (`files_max` of its manifest): the others are for
/// the files that it writes.
pub const LIMITS: Limits = Limits {
    silent: 384,
    silent_of_source: 320,
    handshakes: 64,
    handshakes_of_source: 48,
    connections: 32,
    kept_for_operators: 0, // nobody is known
    kept_for_admins: 0,
    connections_of_holder: 16,
};

/// The longest life of a connection: `aiosctl` looks at the fingerprint, asks, and installs.
const LIFE: Duration = Duration::from_secs(120);

/// Lets everybody in, by source address.
#[derive(Clone, Debug, Default)]
pub struct Strangers {
    told: Arc<Told>,
}

impl Doorkeeper for Strangers {
    type Peer = SocketAddr;

    fn known(
        &self,
        _: Option<&CertificateDer<'_>>,
        address: SocketAddr,
    ) -> Result<Known<SocketAddr>, String> {
        Ok(Known {
            peer: address,
            standing: Standing {
                holder: aios_port::admission::network(address.ip()).to_string(),
                rank: Rank::Viewer,
            },
            ends: Some(Box::pin(tokio::time::sleep(LIFE))),
        })
    }

    fn refused(&self, address: SocketAddr, why: &str) {
        self.told.refused(&format!("{address}: {why}"));
    }
}

/// TLS with the node's own certificate, for clients without one.
///
/// # Errors
/// When certificate and key are none, or do not fit together.
pub fn acceptor(own: &Own) -> anyhow::Result<TlsAcceptor> {
    let certificate = CertificateDer::from_pem_slice(own.certificate.as_bytes())
        .context("the node's own certificate cannot be read")?;
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())
        .context("the node's own key cannot be read")?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_leave_half_of_the_descriptors_to_the_daemon() {
        let manifest = include_str!("../../image/etc/aios/services/maintenance.toml");
        let manifest: toml::Table = manifest.parse().unwrap();
        let files = manifest["limits"]["files_max"].as_integer().unwrap();
        let most = i64::try_from(LIMITS.silent + LIMITS.handshakes + LIMITS.connections).unwrap();
        assert!(most <= files / 2, "{most} of {files}");
    }
}
