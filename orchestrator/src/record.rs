//! What goes on record in the ledger besides tool calls: goals, refused clients, and orders of
//! operators ([`Kind`]).
//!
//! Goals and refusals are recorded in the background, and a flood of refusals cannot fill the ledger.
//! An order is recorded before it is carried out, or it is not carried out. Three orders are recorded in
//! the background instead, so that a broken ledger keeps nobody from them: power, factory reset, and
//! those to `aios-tools`, which keeps the ledger.

mod kind;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aios_contracts::v1::RecordRequest;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_daemon::rate::Rate;
use aios_daemon::retry;
use tokio::sync::mpsc;
use tonic::Status;
use tonic::transport::Channel;

pub use kind::Kind;

/// Records that wait while `aios-tools` is away; more are dropped and logged.
const WAITING_MAX: usize = 256;

/// Refusals that may go on record at once.
const BURST: u32 = 20;

/// After the burst, one refusal in this time: about 17,000 a day at most.
const PERIOD: Duration = Duration::from_secs(5);

/// How long one record is tried for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long one attempt at a record may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// The longest text of a record, in characters: it may come from outside.
const TEXT_MAX: usize = 300;

/// The last character of a text that was longer.
const CUT: char = '…';

/// Takes records and puts them into the ledger, one after the other.
#[derive(Clone, Debug)]
pub struct Recorder {
    tools: ToolsClient<Channel>,
    queue: mpsc::Sender<RecordRequest>,
    bucket: Arc<Mutex<Rate>>,
}

impl Recorder {
    /// A recorder that writes through `tools`. Must be called within a tokio runtime.
    pub fn start(tools: ToolsClient<Channel>) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        tokio::spawn(write(tools.clone(), waiting));
        Self {
            tools,
            queue,
            bucket: Arc::new(Mutex::new(Rate::full(BURST, PERIOD, Instant::now()))),
        }
    }

    /// Puts on record what somebody did.
    pub fn note(&self, kind: Kind, subject: &str, detail: &str, goal_id: &str) {
        let request = RecordRequest {
            kind: kind.text().to_owned(),
            subject: shortened(subject),
            detail: shortened(detail),
            goal_id: goal_id.to_owned(),
        };
        if let Err(error) = self.queue.try_send(request) {
            tracing::error!("not on record: {kind} {subject:?} {detail:?}: {error}");
        }
    }

    /// Puts an order on record before it is carried out.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it cannot be recorded (in time): the order must not be carried out.
    pub async fn order(&self, kind: Kind, subject: &str, detail: &str) -> Result<(), Status> {
        let request = RecordRequest {
            kind: kind.text().to_owned(),
            subject: shortened(subject),
            detail: shortened(detail),
            goal_id: String::new(),
        };
        let mut tools = self.tools.clone();
        let why = match tokio::time::timeout(ATTEMPT, tools.record(request)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(status)) => status.message().to_owned(),
            Err(_) => "aios-tools does not answer".to_owned(),
        };
        Err(Status::unavailable(format!(
            "nothing was done: the order cannot be put on record: {why}"
        )))
    }

    /// Puts on record that somebody was refused, unless there are too many of them:
    /// those are counted, and the next record says how many there were.
    pub fn refusal(&self, kind: Kind, subject: &str, detail: &str) {
        let taken = self
            .bucket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(Instant::now());
        match taken {
            Some(0) => {
                tracing::warn!("{kind}: {subject:?}: {detail:?}");
                self.note(kind, subject, detail, "");
            }
            Some(skipped) => {
                // In front, where a long detail cannot push it over the edge.
                let detail = format!("({skipped} more before it) {detail}");
                tracing::warn!("{kind}: {subject:?}: {detail:?}");
                self.note(kind, subject, &detail, "");
            }
            None => {}
        }
    }
}

/// The text, or its beginning and [`CUT`].
fn shortened(text: &str) -> String {
    if text.chars().count() <= TEXT_MAX {
        return text.to_owned();
    }
    let beginning = text.chars().take(TEXT_MAX - 1);
    beginning.chain([CUT]).collect()
}

async fn write(tools: ToolsClient<Channel>, mut waiting: mpsc::Receiver<RecordRequest>) {
    while let Some(request) = waiting.recv().await {
        let written = retry::persistently(PATIENCE, || {
            let mut tools = tools.clone();
            let request = request.clone();
            async move {
                let attempt = tokio::time::timeout(ATTEMPT, tools.record(request));
                attempt
                    .await
                    .unwrap_or_else(|_| Err(Status::unavailable("no answer")))
            }
        });
        if let Err(status) = written.await {
            tracing::error!("not on record: {request:?}: {}", status.message());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_cut_says_so() {
        let longest = "ä".repeat(TEXT_MAX);
        assert_eq!(shortened(&longest), longest);
        let cut = shortened(&format!("{longest}x"));
        assert_eq!(cut, format!("{}…", "ä".repeat(TEXT_MAX - 1)));
    }
}
