//! The operator's public key infrastructure: a certificate authority, node
//! certificates (serverAuth) and operator certificates (clientAuth).
//!
//! Everything is ECDSA P-256. Validity starts an hour early, because a machine's
//! clock may be behind when it first boots. Folder layout, mode 0700, keys 0600:
//!
//! ```text
//! ca.crt ca.key ca.crl issued.jsonl  nodes/NAME/node.toml  operators/NAME.crt operators/NAME.key
//! ```

pub mod authority;
pub mod issued;
pub mod node;
pub mod operator;
pub mod revoked;
pub mod show;

pub use authority::Authority;

use rcgen::{CertificateParams, DistinguishedName, DnType};
use time::{Duration, OffsetDateTime};

use crate::error::Failure;

/// The name in every node's certificate by which clients verify it, whatever
/// the address that they reach it at.
pub const NODE_SERVER_NAME: &str = "aios-node";

/// How far a certificate's validity starts in the past: clocks differ.
const BACKDATE: Duration = Duration::hours(1);

/// No certificate is made for longer, in days (about 100 years).
const DAYS_MAX: u32 = 36_500;

/// A certificate and the key that only its owner may have.
pub struct Credentials {
    /// PEM.
    pub certificate: String,
    /// PKCS#8 PEM.
    pub key: String,
}

/// Parameters that all our certificates share: subject, validity, key identifiers.
fn parameters(common_name: &str, days: u32) -> Result<CertificateParams, Failure> {
    if !(1..=DAYS_MAX).contains(&days) {
        return Err(Failure::usage(format!(
            "a certificate cannot be valid for {days} days (1 to {DAYS_MAX} can be)"
        )));
    }
    let mut parameters = CertificateParams::default();
    let mut subject = DistinguishedName::new();
    subject.push(DnType::OrganizationName, "aiOS");
    subject.push(DnType::CommonName, common_name);
    parameters.distinguished_name = subject;
    let now = OffsetDateTime::now_utc();
    parameters.not_before = now - BACKDATE;
    parameters.not_after = now + Duration::days(days.into());
    parameters.use_authority_key_identifier_extension = true;
    Ok(parameters)
}

/// A name that is safe as a file name and as a common name: letters, digits,
/// `-`, `_`, `.`, `@`, at most 63, not starting with a dot or a dash.
fn check_name(what: &str, name: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if (1..=63).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with(['.', '-'])
    {
        return Ok(());
    }
    Err(
        Failure::usage(format!("{name:?} cannot be the name of {what}")).hint(
            "use 1 to 63 letters, digits, '-', '_', '.' or '@', starting with a letter or digit",
        ),
    )
}

fn crypto(error: rcgen::Error) -> Failure {
    Failure::failed(format!("cannot make the certificate: {error}"))
}

#[cfg(test)]
mod tests;
