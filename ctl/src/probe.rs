//! Why TLS with an appliance fails, when the HTTP/2 layer above kept it to itself.
//!
//! A server of TLS 1.3 judges the client's certificate after the client's part
//! of the handshake; the alert then comes in place of the first bytes. So the
//! probe connects, shakes hands, and waits for the server's first byte.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use tokio::io::AsyncReadExt as _;
use tonic::codegen::http::Uri;

use crate::config::Context;
use crate::tls;

/// How long the server may take to say its first word.
const TIMEOUT: Duration = Duration::from_secs(3);

/// The error that TLS ends with; `None` when it works, or when nothing can be learned.
pub async fn tls_error(context: &Context) -> Option<io::Error> {
    let config = tls::configuration(context).ok()?;
    let uri = context.endpoint.parse().ok()?;
    tokio::time::timeout(TIMEOUT, shake_hands(uri, config))
        .await
        .ok()?
        .err()
}

async fn shake_hands(uri: Uri, config: ClientConfig) -> io::Result<()> {
    let mut stream = tls::dial(uri, Arc::new(config)).await?;
    stream.read_u8().await.map(drop)
}
