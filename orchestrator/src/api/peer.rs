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
    /// The name of the authority that signed it, DER.
    pub issuer: Vec<u8>,
    /// From its one organizational unit; `None` when that is not a role.
    pub role: Option<Role>,
    /// From where.
    pub address: SocketAddr,
    /// The last second in which its certificate is valid, Unix time.
    pub not_after: i64,
}

impl Peer {
    /// The peer whose (verified) certificate this is.
    ///
    /// # Errors
    /// When it cannot be read, or was not made for clients: its authority must have said so, as it also
    /// makes those of nodes.
    pub fn new(certificate: &[u8], address: SocketAddr) -> Result<Self, String> {
        let (_, certificate) = X509Certificate::from_der(certificate)
            .map_err(|_| "its certificate cannot be read".to_owned())?;
        let usage = certificate.extended_key_usage().ok().flatten();
        if !usage.is_some_and(|usage| usage.value.client_auth) {
            return Err("its certificate is not for clients (clientAuth)".to_owned());
        }
        let subject = certificate.subject();
        let mut units = subject.iter_organizational_unit();
        let role = match (units.next(), units.next()) {
            (Some(unit), None) => unit.as_str().ok().and_then(Role::parse),
            _ => None,
        };
        Ok(Self {
            subject: subject.to_string(),
            serial: certificate.raw_serial_as_string().replace(':', ""),
            issuer: certificate.issuer().as_raw().to_owned(),
            role,
            address,
            not_after: certificate.validity().not_after.timestamp(),
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

    /// # Errors
    /// `UNAUTHENTICATED` when its certificate is over; the connection may be older than that.
    pub fn check_validity(&self, now: i64) -> Result<(), Status> {
        if now <= self.not_after {
            return Ok(());
        }
        Err(Status::unauthenticated(format!(
            "the certificate of {} is over",
            self.subject
        )))
    }

    /// How it is named on record.
    pub fn name(&self) -> String {
        format!("{} serial {}", self.subject, self.serial)
    }

    /// The serial number in what [`Self::name`] tells.
    pub fn serial_in(name: &str) -> Option<&str> {
        name.rsplit_once(" serial ").map(|(_, serial)| serial)
    }
}
