//! The places of the management API, and who gets them: whoever has a certificate for clients of the
//! node's authority. Whoever is not let in is logged and put on record.

use std::net::SocketAddr;
use std::time::Duration;

use aios_files::clock::now_ms;
use aios_port::accept::Known;
use aios_port::{Doorkeeper, Limits, Rank, Standing};
use rustls_pki_types::CertificateDer;

use super::peer::Peer;
use super::revoked::Revoked;
use super::roles::Role;
use crate::record::{Kind, Recorder};

/// Who gets how much of the port. All together are far below the daemon's descriptors.
pub const LIMITS: Limits = Limits {
    silent: 1024,
    silent_of_source: 512, // several operators may come from one address
    handshakes: 256,
    handshakes_of_source: 128,
    connections: 256,
    kept_for_operators: 96, // viewers have 128
    kept_for_admins: 32,
    connections_of_holder: 8, // `aiosctl` needs one for each command
};

/// Knows operators by their certificates.
#[derive(Clone, Debug)]
pub struct Operators {
    recorder: Recorder,
    revoked: Revoked,
}

impl Operators {
    /// Records refusals here.
    pub fn new(recorder: Recorder, revoked: Revoked) -> Self {
        Self { recorder, revoked }
    }
}

impl Operators {
    /// Ready when the peer's certificate is over, or was taken back.
    async fn ends(self, peer: Peer, left: Duration) {
        tokio::select! {
            () = tokio::time::sleep(left) => {}
            () = self.revoked.ends(&peer) => {
                let text = "closed: its certificate is revoked";
                self.recorder.refusal(Kind::ClientRefused, &peer.name(), text);
            }
        }
    }
}

impl Doorkeeper for Operators {
    type Peer = Peer;

    fn known(
        &self,
        certificate: Option<&CertificateDer<'_>>,
        address: SocketAddr,
    ) -> Result<Known<Peer>, String> {
        let certificate = certificate.ok_or("it has no certificate")?;
        let peer = Peer::new(certificate, address)?;
        let now = now_ms() / 1000;
        peer.check_validity(now)
            .map_err(|over| over.message().to_owned())?;
        // Its last second is its own.
        let left = Duration::from_secs(u64::try_from(peer.not_after + 1 - now).unwrap_or(0));
        Ok(Known {
            standing: Standing {
                holder: peer.serial.clone(),
                rank: match peer.role {
                    Some(Role::Admin) => Rank::Admin,
                    Some(Role::Operator) => Rank::Operator,
                    Some(Role::Viewer) | None => Rank::Viewer,
                },
            },
            ends: Some(Box::pin(self.clone().ends(peer.clone(), left))),
            peer,
        })
    }

    fn refused(&self, address: SocketAddr, why: &str) {
        self.recorder
            .refusal(Kind::ClientRefused, &address.to_string(), why);
    }
}
