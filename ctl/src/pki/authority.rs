//! The certificate authority: made once, kept in its folder.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _,
};
use sha2::{Digest as _, Sha256};

use super::{Credentials, crypto, parameters};
use crate::error::Failure;
use crate::files;

/// How long the authority is valid, in days: 20 years, as replacing it means
/// to provision every node again.
const AUTHORITY_DAYS: u32 = 7_300;

/// An authority that can sign.
pub struct Authority {
    folder: PathBuf,
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Makes a new authority in the folder.
    ///
    /// # Errors
    /// When there is one already: it is never replaced, since all nodes trust it.
    pub fn create(folder: &Path) -> Result<Self, Failure> {
        let [certificate_path, key_path] = paths(folder);
        for path in [&certificate_path, &key_path] {
            if path.exists() {
                return Err(
                    Failure::usage(format!("{} is there already", path.display())).hint(
                        "an authority is not replaced: nodes and operators depend on it; \
                     use it, or choose another folder with --dir",
                    ),
                );
            }
        }
        let key = KeyPair::generate().map_err(crypto)?;
        let certificate = authority_parameters(&key)?
            .self_signed(&key)
            .map_err(crypto)?
            .pem();
        files::write_private(&key_path, key.serialize_pem().as_bytes())?;
        files::write_private(&certificate_path, certificate.as_bytes())?;
        Self::open(folder)
    }

    /// Opens the authority of a folder.
    ///
    /// # Errors
    /// When there is none, or its files are damaged.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let [certificate_path, key_path] = paths(folder);
        if !key_path.exists() {
            let what = format!("there is no certificate authority in {}", folder.display());
            return Err(Failure::usage(what)
                .hint("make one with `aiosctl pki init`, or name its folder with --dir"));
        }
        let certificate = files::read(&certificate_path)?;
        // The parser's reason could quote the key: it is not passed on.
        let key = KeyPair::from_pem(&files::read(&key_path)?)
            .map_err(|_| damaged(&key_path, "private key"))?;
        let issuer = Issuer::from_ca_cert_pem(&certificate, key)
            .map_err(|_| damaged(&certificate_path, "CA certificate"))?;
        Ok(Self {
            folder: folder.to_owned(),
            certificate,
            issuer,
        })
    }

    /// Its certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Where its certificate is.
    pub fn certificate_path(&self) -> PathBuf {
        let [certificate, _] = paths(&self.folder);
        certificate
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its name and key, to sign with.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Makes a key and signs its certificate.
    pub(super) fn issue(&self, parameters: &CertificateParams) -> Result<Credentials, Failure> {
        let key = KeyPair::generate().map_err(crypto)?;
        let certificate = parameters.signed_by(&key, &self.issuer).map_err(crypto)?;
        Ok(Credentials {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

fn authority_parameters(key: &KeyPair) -> Result<CertificateParams, Failure> {
    // A name of its own tells authorities apart: "unknown issuer", not "bad signature".
    let digest = Sha256::digest(key.subject_public_key_info());
    let name: String = digest[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut parameters = parameters(&format!("aiOS CA {name}"), AUTHORITY_DAYS)?;
    parameters
        .distinguished_name
        .push(DnType::OrganizationalUnitName, "authority");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(parameters)
}

fn paths(folder: &Path) -> [PathBuf; 2] {
    [folder.join("ca.crt"), folder.join("ca.key")]
}

fn damaged(path: &Path, what: &str) -> Failure {
    Failure::usage(format!("{} is not a {what} in PEM", path.display()))
        .hint("restore it from a backup")
}
