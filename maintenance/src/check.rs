//! Is what is offered whole? A node that took a certificate that does not fit its key, or of another
//! authority, could be reached by nobody, and would be out of maintenance mode too. Pure.

use std::sync::Arc;

use aios_config::node::{self, Node};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The name that operators' clients ask a node for.
const NODE_SERVER_NAME: &str = "aios-node";

/// The node of the text, when an operator could reach it.
///
/// # Errors
/// What is wrong, without secrets.
pub fn node(text: &str, now: UnixTime) -> Result<Node, String> {
    let node = node::parse(text)?;
    fits(&node, now)?;
    Ok(node)
}

fn fits(node: &Node, now: UnixTime) -> Result<(), String> {
    match verify(node, now)? {
        Ok(()) => Ok(()),
        // A machine whose clock was never set is before every certificate.
        Err(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => Ok(()),
        Err(error) => Err(format!(
            "pki.certificate: operators would not trust it: {error}"
        )),
    }
}

/// Is it a node of this authority, by the word of `authority` (the node's own `ca.crt`, PEM)? Both are
/// public, as is every node's certificate: who makes such a `node.toml` must hold the key of a certificate
/// for nodes that the authority has signed. Whether that is out of date does not matter here.
///
/// # Errors
/// Why it is not.
pub fn is_of(node: &Node, authority: &str, now: UnixTime) -> Result<(), String> {
    /// The node's certificate and each of its authority's may name another time.
    const TRIES_MAX: usize = 4;
    let own = certificates("the node's own authority", authority)?;
    if own.is_empty() || own != certificates("pki.ca", &node.pki.ca)? {
        return Err("its authority is not this node's".to_owned());
    }
    let mut at = now;
    for _ in 0..TRIES_MAX {
        // Times are looked at before signatures, so the signatures are looked at in a time when it was valid.
        at = match verify(node, at)? {
            Ok(()) => return Ok(()),
            Err(CertificateError::ExpiredContext { not_after, .. }) => not_after,
            Err(CertificateError::NotValidYetContext { not_before, .. }) => not_before,
            Err(error) => return Err(format!("pki.certificate: {error}")),
        };
    }
    Err("pki.certificate: was never valid".to_owned())
}

fn certificates(what: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| format!("{what}: is not a certificate"))
}

/// Does the key fit the certificate, and do operators who trust the authority trust that? What they find
/// wrong with the certificate.
///
/// # Errors
/// What is wrong with the rest.
fn verify(node: &Node, now: UnixTime) -> Result<Result<(), CertificateError>, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let chain = certificates("pki.certificate", &node.pki.certificate)?;
    let key = PrivateKeyDer::from_pem_slice(node.pki.key.as_bytes())
        .map_err(|_| "pki.key: is not a private key".to_owned())?;
    CertifiedKey::from_der(chain.clone(), key, &provider)
        .map_err(|error| format!("pki.certificate and pki.key do not fit together: {error}"))?;
    let mut roots = RootCertStore::empty();
    for authority in certificates("pki.ca", &node.pki.ca)? {
        roots
            .add(authority)
            .map_err(|error| format!("pki.ca: {error}"))?;
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| format!("pki.ca: {error}"))?;
    let name = ServerName::try_from(NODE_SERVER_NAME).map_err(|error| error.to_string())?;
    let (first, rest) = chain
        .split_first()
        .ok_or("pki.certificate: holds no certificate")?;
    for_servers(first)?;
    match verifier.verify_server_cert(first, rest, &name, &[], now) {
        Ok(_) => Ok(Ok(())),
        Err(Error::InvalidCertificate(error)) => Ok(Err(error)),
        Err(error) => Err(format!("pki.certificate: {error}")),
    }
}

/// # Errors
/// When the certificate does not say that it is for servers, as `aiosctl` demands.
fn for_servers(certificate: &CertificateDer<'_>) -> Result<(), String> {
    let (_, read) = X509Certificate::from_der(certificate)
        .map_err(|_| "pki.certificate: is not a certificate".to_owned())?;
    let usage = read.extended_key_usage().ok().flatten();
    match usage.is_some_and(|usage| usage.value.server_auth) {
        true => Ok(()),
        false => Err(
            "pki.certificate: operators would not trust it: it is not for servers (serverAuth)"
                .to_owned(),
        ),
    }
}

/// # Errors
/// All that is wrong with a `config.toml`; an empty one means that none is offered.
pub fn config(text: &str) -> Result<(), String> {
    let told = |problems: Vec<aios_config::Problem>| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("config.toml: {}", lines.join("\n"))
    };
    aios_config::parse(text).map(drop).map_err(told)
}
