//! Reading a certificate: what it says, and whether it can be used now.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

use crate::error::Failure;

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Common name.
    pub name: String,
    /// Organizational unit: an operator's role.
    pub role: String,
    /// Who signed it.
    pub issuer: String,
    /// Hexadecimal.
    pub serial: String,
    /// Unix time, seconds.
    pub not_before: i64,
    /// Unix time, seconds.
    pub not_after: i64,
    /// May it sign others?
    pub authority: bool,
    /// `serverAuth`, `clientAuth`.
    pub usages: Vec<String>,
    /// Names and addresses it is valid for.
    pub names: Vec<String>,
    /// SHA-256 of the certificate, hexadecimal.
    pub fingerprint: String,
}

/// Reads the first certificate of a PEM text. Keys beside it are not looked at.
///
/// # Errors
/// When there is no certificate in it.
pub fn read(pem: &str) -> Result<Summary, Failure> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|_| Failure::usage("there is no certificate in PEM form"))?;
    let (_, certificate) = X509Certificate::from_der(&der)
        .map_err(|error| Failure::usage(format!("the certificate is damaged: {error}")))?;
    Ok(Summary {
        name: first(certificate.subject().iter_common_name()),
        role: first(certificate.subject().iter_organizational_unit()),
        issuer: common_name(certificate.issuer()),
        serial: certificate.raw_serial_as_string().replace(':', ""),
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
        authority: certificate.is_ca(),
        usages: usages(&certificate),
        names: names(&certificate),
        fingerprint: hex(&Sha256::digest(&der)),
    })
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn first<'a>(
    mut values: impl Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
) -> String {
    values
        .next()
        .and_then(|value| value.as_str().ok())
        .unwrap_or_default()
        .to_owned()
}

fn common_name(name: &X509Name<'_>) -> String {
    first(name.iter_common_name())
}

fn usages(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.extended_key_usage() else {
        return Vec::new();
    };
    let known = [
        (extension.value.server_auth, "serverAuth"),
        (extension.value.client_auth, "clientAuth"),
    ];
    known
        .iter()
        .filter(|(there, _)| *there)
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    extension
        .value
        .general_names
        .iter()
        .map(|name| match name {
            GeneralName::DNSName(name) => (*name).to_owned(),
            GeneralName::IPAddress(bytes) => address(bytes),
            other => other.to_string(),
        })
        .collect()
}

fn address(bytes: &[u8]) -> String {
    use std::net::IpAddr;
    let ip = <[u8; 4]>::try_from(bytes)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from));
    ip.map_or_else(|_| hex(bytes), |ip| ip.to_string())
}
