//! Why TLS with an appliance fails, when the HTTP/2 layer above kept it to itself.
//!
//! A server of TLS 1.3 judges the client's certificate after the client's part
//! of the handshake; the alert then comes in place of the first bytes. So the
//! probe connects, shakes hands, and waits for the server's first byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::Context;
use crate::{files, pki};

/// How long the server may take to say its first word.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The error that TLS ends with; `None` when it works, or when nothing can be learned.
pub async fn tls_error(context: &Context) -> Option<io::Error> {
    let config = configuration(context)?;
    let uri: tonic::codegen::http::Uri = context.endpoint.parse().ok()?;
    let address = uri.authority()?.as_str().to_owned();
    tokio::time::timeout(TIMEOUT, shake_hands(&address, config))
        .await
        .ok()?
        .err()
}

async fn shake_hands(address: &str, config: ClientConfig) -> io::Result<()> {
    let connection = TcpStream::connect(address).await?;
    let name = ServerName::try_from(pki::NODE_SERVER_NAME).map_err(io::Error::other)?;
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect(name, connection).await?;
    stream.read_u8().await.map(drop)
}

fn configuration(context: &Context) -> Option<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let ca = files::read(&context.ca).ok()?;
    roots
        .add(CertificateDer::from_pem_slice(ca.as_bytes()).ok()?)
        .ok()?;
    let certificate = files::read(&context.certificate).ok()?;
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).ok()?;
    let key = files::read(&context.key).ok()?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).ok()?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .with_root_certificates(roots)
        .with_client_auth_cert(vec![certificate], key)
        .ok()?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    Some(config)
}
