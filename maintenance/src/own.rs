//! The certificate that the node makes for itself. It outlives restarts, so that a fingerprint that
//! was copied from the console stays right.

use std::path::Path;

use aios_daemon::durable;
use anyhow::Context as _;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sha2::{Digest as _, Sha256};

/// The name that `aiosctl` asks a node for.
const NODE_SERVER_NAME: &str = "aios-node";

/// Certificate and key, PEM.
pub struct Own {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
    der: CertificateDer<'static>,
}

impl Own {
    /// `SHA256:` and 64 hexadecimal digits, of the certificate.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.der);
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("SHA256:{digits}")
    }
}

/// The certificate in this folder, made when there is no whole one.
///
/// # Errors
/// When it cannot be made or kept.
pub fn certificate(folder: &Path) -> anyhow::Result<Own> {
    let path = folder.join("own.pem");
    if let Ok(both) = std::fs::read_to_string(&path)
        && let Some(own) = understood(&both)
    {
        return Ok(own);
    }
    let mut params = CertificateParams::new(vec![NODE_SERVER_NAME.to_owned()])?;
    params
        .distinguished_name
        .push(DnType::CommonName, "aiOS in maintenance mode");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let both = params.self_signed(&key)?.pem() + &key.serialize_pem();
    std::fs::create_dir_all(folder)?;
    durable::replace(&path, both.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    understood(&both).context("the certificate that was just made cannot be read")
}

/// One file of both, so that they always belong together.
fn understood(both: &str) -> Option<Own> {
    let (certificate, key) = both.split_at_checked(both.find("-----BEGIN PRIVATE KEY")?)?;
    Some(Own {
        der: CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?,
        certificate: certificate.to_owned(),
        key: rcgen::KeyPair::from_pem(key).ok()?.serialize_pem(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_stays_until_the_file_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let first = certificate(folder.path()).unwrap().fingerprint();
        assert_eq!(first.len(), "SHA256:".len() + 64);
        assert_eq!(certificate(folder.path()).unwrap().fingerprint(), first);
        let path = folder.path().join("own.pem");
        let half = std::fs::read_to_string(&path).unwrap()[..100].to_owned();
        std::fs::write(&path, half).unwrap();
        assert_ne!(certificate(folder.path()).unwrap().fingerprint(), first);
    }
}
