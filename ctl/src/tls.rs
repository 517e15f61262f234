//! TLS to an appliance: our certificate, and a node that is known by its own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::http::Uri;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::Context;
use crate::error::Failure;
use crate::{files, pki};

/// How to speak with the appliance of this context.
///
/// # Errors
/// When a file of the context cannot be read, or the key does not belong to the certificate.
pub fn configuration(context: &Context) -> Result<ClientConfig, Failure> {
    let pem = |path| files::read(path).map(String::into_bytes);
    let (ca, own, key) = (
        pem(&context.ca)?,
        pem(&context.certificate)?,
        pem(&context.key)?,
    );
    let unusable =
        |error: &dyn std::error::Error| crate::diagnose::unusable_credentials(context, error);
    let ca = CertificateDer::from_pem_slice(&ca).map_err(|error| unusable(&error))?;
    let own = CertificateDer::from_pem_slice(&own).map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|error| unusable(&error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let node = Node::of(ca).map_err(|error| unusable(&*error))?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(&error))?
        .dangerous() // rustls' word for a verifier of one's own: this one asks for more
        .with_custom_certificate_verifier(Arc::new(node))
        .with_client_auth_cert(vec![own], key)
        .map_err(|error| unusable(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(config)
}

/// What connects: TCP and TLS to the address of a URI, whatever its scheme.
pub async fn dial(uri: Uri, config: Arc<ClientConfig>) -> io::Result<TlsStream<TcpStream>> {
    let address = uri.authority().map(ToString::to_string).unwrap_or_default();
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from(pki::NODE_SERVER_NAME).map_err(io::Error::other)?;
    TlsConnector::from(config).connect(name, stream).await
}

/// A connector for tonic, to which this is a plain connection: its endpoint is [`plain`].
pub fn connector(
    config: ClientConfig,
) -> impl tower::Service<Uri, Response = Stream, Error = io::Error, Future = Dialling> + Send + 'static
{
    let config = Arc::new(config);
    tower::service_fn(move |uri: Uri| -> Dialling {
        let stream = dial(uri, Arc::clone(&config));
        Box::pin(async move { stream.await.map(hyper_util::rt::TokioIo::new) })
    })
}

type Stream = hyper_util::rt::TokioIo<TlsStream<TcpStream>>;
type Dialling = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

/// The endpoint without TLS, which is the connector's.
pub fn plain(endpoint: &str) -> String {
    endpoint.replacen("https://", "http://", 1)
}

/// Trusts nodes of one authority: it must have made the certificate for servers (serverAuth). It also
/// makes those of operators, and a certificate that does not say what it is for could be anybody's.
#[derive(Debug)]
pub struct Node(Arc<WebPkiServerVerifier>);

impl Node {
    /// Of this authority.
    ///
    /// # Errors
    /// When it is none.
    pub fn of(authority: CertificateDer<'_>) -> Result<Self, Box<dyn std::error::Error>> {
        let mut roots = RootCertStore::empty();
        roots.add(authority.into_owned())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        Ok(Self(signed.build()?))
    }
}

impl ServerCertVerifier for Node {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self
            .0
            .verify_server_cert(certificate, between, name, ocsp, now)?;
        let (_, read) = X509Certificate::from_der(certificate)
            .map_err(|_| Error::from(CertificateError::BadEncoding))?;
        let usage = read.extended_key_usage().ok().flatten();
        match usage.is_some_and(|usage| usage.value.server_auth) {
            true => Ok(verified),
            false => Err(CertificateError::InvalidPurpose.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
