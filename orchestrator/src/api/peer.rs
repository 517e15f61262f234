//! Who is on the other end of a TLS connection: by its certificate, nothing else.

use std::net::SocketAddr;

use tonic::{Request, Status};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::roles::Role;

/// An operator, by the client certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The certificate's subject: `CN=alice, OU=operator`.
    pub subject: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    /// From its one organizational unit; `None` when that is not a role.
    pub role: Option<Role>,
    /// From where.
    pub address: SocketAddr,
}

impl Peer {
    /// The peer whose (verified) certificate this is.
    pub fn new(certificate: &[u8], address: SocketAddr) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let subject = certificate.subject();
        let mut units = subject.iter_organizational_unit();
        let role = match (units.next(), units.next()) {
            (Some(unit), None) => unit.as_str().ok().and_then(Role::parse),
            _ => None,
        };
        Some(Self {
            subject: subject.to_string(),
            serial: certificate.raw_serial_as_string().replace(':', ""),
            role,
            address,
        })
    }

    /// Who made the request.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` when it did not come over the management port.
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let peer = request.extensions().get::<Self>().cloned();
        peer.ok_or_else(|| Status::unauthenticated("the connection has no client certificate"))
    }

    /// How it is named on record.
    pub fn name(&self) -> String {
        format!("{} serial {}", self.subject, self.serial)
    }
}
