//! Vectors of texts, from the model runtime.

use std::path::Path;
use std::time::Duration;

use aios_contracts::v1::EmbedRequest;
use aios_contracts::v1::runtime_client::RuntimeClient;
use aios_daemon::socket;
use tonic::transport::Channel;

use crate::error::Error;
use crate::index::normalised;

/// How long a caller waits for vectors. A text takes some milliseconds; on an
/// emulated machine a hundred times that.
const DEADLINE: Duration = Duration::from_secs(3);

/// The model runtime, as far as it is needed here.
#[derive(Clone, Debug)]
pub struct Embedder {
    client: RuntimeClient<Channel>,
}

impl Embedder {
    /// Of the runtime at this socket; it is connected to when it is needed.
    ///
    /// # Errors
    /// When the path cannot be a socket's.
    pub fn new(runtime_socket: &Path) -> Result<Self, tonic::transport::Error> {
        let channel = socket::channel(runtime_socket)?;
        Ok(Self {
            client: RuntimeClient::new(channel),
        })
    }

    /// One normalised vector per text.
    ///
    /// # Errors
    /// `Unavailable`, saying why.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, Error> {
        let count = texts.len();
        let request = EmbedRequest {
            model: String::new(),
            texts,
        };
        let away = |why: String| {
            Error::Unavailable(format!("the model runtime gives no embeddings now: {why}"))
        };
        let answer = tokio::time::timeout(DEADLINE, self.client.clone().embed(request))
            .await
            .map_err(|_| away(format!("no answer within {DEADLINE:?}")))?
            .map_err(|status| away(status.message().to_owned()))?;
        let embeddings = answer.into_inner().embeddings;
        if embeddings.len() != count {
            return Err(away(format!(
                "{count} texts got {} vectors",
                embeddings.len()
            )));
        }
        let vectors = embeddings
            .into_iter()
            .map(|embedding| normalised(embedding.values));
        vectors
            .collect::<Option<_>>()
            .ok_or_else(|| away("a vector has no direction".to_owned()))
    }
}
