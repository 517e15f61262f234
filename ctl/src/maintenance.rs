//! Provisioning a node over the network: its certificate is its own, so it is known by the
//! fingerprint that its console shows, and by nothing else. Without one there is no connection.

use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::ApplyNodeRequest;
use aios_contracts::v1::maintenance_client::MaintenanceClient;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use crate::cli::Global;
use crate::config::Store;
use crate::error::{Exit, Failure};
use crate::tls;

/// How a fingerprint begins.
const PREFIX: &str = "SHA256:";

/// How long connecting and being provisioned may take together.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The SHA-256 of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Reads `SHA256:` and 64 hexadecimal digits; colons and case do not matter.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::usage(format!("{text:?} is not a fingerprint"))
                .hint("copy it from the node's console: SHA256: and 64 hexadecimal digits")
        };
        let prefix = text.get(..PREFIX.len()).ok_or_else(wrong)?;
        if !prefix.eq_ignore_ascii_case(PREFIX) {
            return Err(wrong());
        }
        let digits: Vec<u8> = text[PREFIX.len()..]
            .bytes()
            .filter(|byte| *byte != b':')
            .map(|byte| {
                char::from(byte)
                    .to_digit(16)
                    .and_then(|digit| u8::try_from(digit).ok())
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        if digits.len() != 64 {
            return Err(wrong());
        }
        Ok(Self(std::array::from_fn(|at| {
            digits[2 * at] << 4 | digits[2 * at + 1]
        })))
    }

    /// Is it this certificate's? Looks at every byte, whatever the first ones are.
    fn is_of(&self, certificate: &CertificateDer<'_>) -> bool {
        let found = Sha256::digest(certificate);
        let pairs = self.0.iter().zip(found);
        pairs.fold(0, |differs, (ours, theirs)| differs | (ours ^ theirs)) == 0
    }
}

/// Trusts the one certificate of this fingerprint.
#[derive(Debug)]
struct Pinned {
    fingerprint: Fingerprint,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match self.fingerprint.is_of(certificate) {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::ApplicationVerificationFailure,
            )),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}

/// Provisions the node in maintenance mode at the chosen endpoint. Returns its name.
///
/// # Errors
/// When it is not the node of this fingerprint, cannot be reached, or refuses.
pub async fn provision(
    global: &Global,
    fingerprint: &str,
    node_toml: String,
    config_toml: String,
) -> Result<String, Failure> {
    let fingerprint = Fingerprint::parse(fingerprint)?;
    let endpoint = match &global.endpoint {
        Some(endpoint) => crate::config::endpoint(endpoint)?,
        None => {
            let store = Store::open(global.config.as_deref())?;
            store.context(global.context.as_deref())?.1.endpoint.clone()
        }
    };
    let limit = global.timeout.unwrap_or(TIMEOUT);
    let request = ApplyNodeRequest {
        node_toml,
        config_toml,
    };
    let applying = async {
        let channel = connect(&endpoint, fingerprint).await?;
        let mut client = MaintenanceClient::new(channel);
        match client.apply_node(request).await {
            Ok(answer) => Ok(answer.into_inner().name),
            Err(status) => Err(refused(&endpoint, &status)),
        }
    };
    match tokio::time::timeout(limit, applying).await {
        Ok(done) => done,
        Err(_) => Err(Failure::new(
            Exit::Timeout,
            format!("no answer from {endpoint} within {limit:?}"),
        )
        .hint("it may be provisioned all the same: look at its console, and try aiosctl status")),
    }
}

fn refused(endpoint: &str, status: &tonic::Status) -> Failure {
    let text = format!("{endpoint}: {}", status.message());
    match status.code() {
        Code::InvalidArgument => Failure::usage(text).hint("nothing was changed on the node"),
        Code::Unimplemented => Failure::failed(text)
            .hint("it is provisioned already: use aiosctl config apply without --fingerprint"),
        _ => Failure::failed(text),
    }
}

async fn connect(endpoint: &str, fingerprint: Fingerprint) -> Result<Channel, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let unusable = |error: &dyn std::fmt::Display| Failure::failed(format!("TLS: {error}"));
    let verifier = Pinned {
        fingerprint,
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous() // rustls' word for a verifier of one's own: this one pins
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let parsed = Endpoint::from_shared(tls::plain(endpoint)).map_err(|error| unusable(&error))?;
    let connected = parsed.connect_with_connector(tls::connector(config)).await;
    connected.map_err(|error| unreachable(endpoint, &error))
}

fn unreachable(endpoint: &str, error: &dyn std::error::Error) -> Failure {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = source.to_string();
        cause = source.source();
    }
    let failure = Failure::new(
        Exit::Connect,
        format!("cannot connect to {endpoint}: {text}"),
    );
    match text.contains("certificate") {
        true => failure.hint(
            "its certificate does not have this fingerprint: compare it with the node's console; \
             if that is right, somebody stands between you and the node",
        ),
        false => failure.hint("is the node in maintenance mode, and the address right?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_whole_or_refused() {
        let digits = "0123456789abcdef".repeat(4);
        let colons: Vec<&str> = (0..32).map(|at| &digits[2 * at..2 * at + 2]).collect();
        let expected = Fingerprint::parse(&format!("SHA256:{digits}")).unwrap();
        assert_eq!(expected.0[..3], [0x01, 0x23, 0x45]);
        for text in [
            format!("sha256:{}", digits.to_uppercase()),
            format!("SHA256:{}", colons.join(":")),
        ] {
            assert_eq!(Fingerprint::parse(&text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "SHA256:",
            "MD5:00",
            &digits,
            &format!("SHA256:{}", &digits[1..]),
            "SHA256:é",
        ] {
            assert!(Fingerprint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_other_bit_is_another_certificate() {
        let certificate = CertificateDer::from(vec![1, 2, 3]);
        let mut fingerprint = Fingerprint(Sha256::digest(&certificate).into());
        assert!(fingerprint.is_of(&certificate));
        fingerprint.0[31] ^= 1;
        assert!(!fingerprint.is_of(&certificate));
    }
}
