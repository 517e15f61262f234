//! Remembering and recalling by meaning.
//!
//! What is remembered while the runtime is away is kept without a vector and gets
//! it later, in the background. Until then it is not recalled.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aios_contracts::v1::{RecallRequest, Recollection, RememberRequest};
use uuid::Uuid;

use crate::embedder::Embedder;
use crate::error::Error;
use crate::index::{Index, Near};
use crate::limits;
use crate::longterm::{Longterm, Memory};

/// How often memories without a vector are looked for.
const BACKGROUND_EVERY: Duration = Duration::from_secs(10);

/// So many texts are embedded at once in the background: the runtime serves
/// others between.
const BATCH: u32 = 16;

/// How many memories are recalled when nothing is said, and at most.
const LIMITS: (u32, u32) = (5, 100);

/// Names the ids of memories: any fixed UUID does.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a1d_5f0e_2c37_4b7b_9f1e_6d20_41c5_a3b7);

/// The long-term memory with its index and its embedder.
pub struct Recall {
    longterm: Longterm,
    index: Arc<Mutex<Index>>,
    embedder: Embedder,
}

impl Recall {
    /// With the index made from the database.
    ///
    /// # Errors
    /// When the disk refuses.
    pub async fn new(longterm: Longterm, embedder: Embedder) -> Result<Self, Error> {
        let recall = Self {
            longterm,
            index: Arc::default(),
            embedder,
        };
        for (number, kind, vector) in recall.longterm.vectors().await? {
            if !recall.index().put(number, &kind, &vector) {
                recall.start_afresh().await?;
                break;
            }
        }
        Ok(recall)
    }

    /// Keeps a text, to be found by its meaning; returns its id.
    ///
    /// # Errors
    /// When it is malformed, too large, or the disk refuses.
    pub async fn remember(&self, request: RememberRequest, time_ms: i64) -> Result<String, Error> {
        limits::remember(&request)?;
        let id = id_of(&request);
        let embedded = self.embedder.embed(vec![request.text.clone()]).await;
        let vector = embedded.ok().and_then(|mut vectors| vectors.pop());
        let RememberRequest {
            kind,
            text,
            reference,
        } = request;
        let memory = Memory {
            id: id.clone(),
            kind: kind.clone(),
            text,
            reference,
            time_ms,
        };
        let (number, forgotten) = self.longterm.put(memory, vector.clone()).await?;
        self.index().forget_up_to(forgotten);
        if let Some(vector) = vector {
            self.put_into_index(number, &kind, &vector).await?;
        }
        Ok(id)
    }

    /// What was remembered that is nearest in meaning, the nearest first.
    ///
    /// # Errors
    /// `Unavailable` while the runtime is away.
    pub async fn recall(&self, request: RecallRequest) -> Result<Vec<Recollection>, Error> {
        limits::text(&request.query)?;
        let limit = limits::list(request.limit, LIMITS.0, LIMITS.1) as usize;
        let mut vectors = self.embedder.embed(vec![request.query]).await?;
        let query = vectors.pop().unwrap_or_default();
        let index = Arc::clone(&self.index);
        let search = move || lock(&index).nearest(&query, &request.kind, limit);
        let near = tokio::task::spawn_blocking(search)
            .await
            .map_err(|_| Error::Stopped)?;
        let numbers = near.iter().map(|near| near.number).collect();
        let memories = self.longterm.get(numbers).await?;
        Ok(memories
            .into_iter()
            .filter_map(|(number, memory)| {
                let near = near.iter().find(|near| near.number == number)?;
                Some(recollection(memory, *near))
            })
            .collect())
    }

    /// Embeds what waits for its vector, for ever.
    pub async fn embed_in_background(&self) {
        loop {
            match self.embed_some().await {
                Ok(0) | Err(Error::Unavailable(_)) => tokio::time::sleep(BACKGROUND_EVERY).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(
                        "cannot embed memories: {}",
                        aios_daemon::error::chain(&error)
                    );
                    tokio::time::sleep(BACKGROUND_EVERY).await;
                }
            }
        }
    }

    /// Embeds a batch of those that wait; returns how many.
    ///
    /// # Errors
    /// `Unavailable` while the runtime is away.
    pub async fn embed_some(&self) -> Result<usize, Error> {
        let waiting = self.longterm.to_embed(BATCH).await?;
        if waiting.is_empty() {
            return Ok(0);
        }
        let texts = waiting.iter().map(|(_, _, text)| text.clone()).collect();
        let vectors = self.embedder.embed(texts).await?;
        for ((number, kind, _), vector) in waiting.iter().zip(vectors) {
            self.longterm.set_vector(*number, vector.clone()).await?;
            self.put_into_index(*number, kind, &vector).await?;
        }
        Ok(waiting.len())
    }

    async fn put_into_index(&self, number: i64, kind: &str, vector: &[f32]) -> Result<(), Error> {
        let fits = self.index().put(number, kind, vector);
        match fits {
            true => Ok(()),
            false => self.start_afresh().await,
        }
    }

    /// Another model made vectors of another width: all are to be made again.
    async fn start_afresh(&self) -> Result<(), Error> {
        tracing::warn!("the embedding model changed: all memories are embedded again");
        self.index().clear();
        self.longterm.clear_vectors().await
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        lock(&self.index)
    }
}

fn lock(index: &Mutex<Index>) -> MutexGuard<'_, Index> {
    // A panic while it was held aborts nothing here: each change is made whole.
    index.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The same kind, text and reference are the same memory.
fn id_of(request: &RememberRequest) -> String {
    let RememberRequest {
        kind,
        text,
        reference,
    } = request;
    let name = format!("{}:{kind}{}:{reference}{text}", kind.len(), reference.len());
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

fn recollection(memory: Memory, near: Near) -> Recollection {
    let Memory {
        id,
        kind,
        text,
        reference,
        time_ms,
    } = memory;
    Recollection {
        id,
        kind,
        text,
        reference,
        similarity: near.similarity.into(),
        time_ms,
    }
}
