//! A second place that knows the ledger: how many entries it had, their root hash and who signed them, in
//! the orchestrator's folder, which `aios-tools` cannot write. An older copy of the ledger that is put in
//! its place, or a new one, is then noticed on the node itself and not only by operators who verified it.
//!
//! The note holds only what the ledger said is durable, so a power cut takes no entry of it away. What it
//! does not protect against: root, who can change both, and what was written since the last note.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::{AuditHead, AuditHeadRequest};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::record::{Kind, Recorder};

/// A check of the whole ledger against the note reads every byte of it: two seconds for a gigabyte.
const ANSWER: Duration = Duration::from_secs(300);

/// How long the last look, at the end, may take.
const LAST_LOOK: Duration = Duration::from_millis(250);

/// What is known of the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Entries.
    size: u64,
    /// Their Merkle tree hash, hexadecimal.
    root: String,
    /// Who signed, hexadecimal.
    public_key: String,
    /// Why the ledger is not the one that is known, until an admin takes it as known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    replaced: String,
}

/// What follows from a look at the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// The known one, perhaps with more entries: this note holds now.
    Known(Note),
    /// Another one, and why.
    Replaced(String),
    /// This process of `aios-tools` must still be asked whether its ledger begins with what is noted.
    ToBeChecked,
}

/// `head` is what the ledger says of itself; `is_checked`: this process of `aios-tools` was asked about the note.
fn judge(note: Option<&Note>, head: &AuditHead, is_checked: bool) -> Found {
    let now = Note {
        size: head.size,
        root: head.root_hash.clone(),
        public_key: head.public_key.clone(),
        replaced: String::new(),
    };
    let Some(note) = note else {
        return Found::Known(now);
    };
    if now.public_key != note.public_key {
        return Found::Replaced(format!(
            "it is signed by another key than before, and has {} entries; {} were known",
            now.size, note.size
        ));
    }
    if now.size < note.size {
        return Found::Replaced(format!(
            "it has {} entries; {} were known",
            now.size, note.size
        ));
    }
    if now.size == note.size && now.root != note.root {
        return Found::Replaced(format!(
            "its {} entries are not those that were known",
            now.size
        ));
    }
    if !head.differs.is_empty() {
        return Found::Replaced(head.differs.clone());
    }
    match is_checked {
        true => Found::Known(now),
        false => Found::ToBeChecked,
    }
}

/// Watches the ledger; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Witness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: PathBuf,
    tools: ToolsClient<Channel>,
    recorder: Recorder,
    note: watch::Sender<Option<Note>>,
    /// The process of `aios-tools` that was asked about the note. Held while the ledger is looked at.
    checked: Mutex<String>,
}

impl Witness {
    /// With the note that is kept in this file. One that cannot be read is as none: it is logged.
    pub fn open(file: PathBuf, tools: ToolsClient<Channel>, recorder: Recorder) -> Self {
        let kept = match std::fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Ok(text) => match toml::from_str(&text) {
                Ok(note) => Some(note),
                Err(error) => {
                    tracing::error!("{}: {error}", file.display());
                    None
                }
            },
            Err(error) => {
                tracing::error!("{}: {error}", file.display());
                None
            }
        };
        Self(Arc::new(Inner {
            file,
            tools,
            recorder,
            note: watch::Sender::new(kept),
            checked: Mutex::default(),
        }))
    }

    /// Why the ledger is not the one that was known, if it is not.
    pub fn replaced(&self) -> Option<String> {
        let note = self.0.note.borrow();
        let why = note.as_ref().map(|note| note.replaced.clone());
        why.filter(|why| !why.is_empty())
    }

    /// Looks again and again, for ever, with this time before each look.
    pub async fn watch(self, every: Duration) {
        let mut said = String::new();
        loop {
            tokio::time::sleep(every).await;
            if let Err(status) = self.look().await {
                // While aios-tools is away it has a line of its own in the status.
                let text = status.message().to_owned();
                if text != said {
                    tracing::warn!("the ledger is not looked at: {text}");
                    said = text;
                }
            }
        }
    }

    /// The last look, at an orderly end.
    pub async fn last_look(&self) {
        // Err: aios-tools has ended before. What it wrote since the last look is not noted.
        drop(tokio::time::timeout(LAST_LOOK, self.look()).await);
    }

    /// Looks at the ledger, and notes what it is.
    ///
    /// # Errors
    /// When `aios-tools` does not answer, or the note cannot be kept.
    pub async fn look(&self) -> Result<(), Status> {
        let mut checked = self.0.checked.lock().await;
        let note = self.0.note.borrow().clone();
        if note.as_ref().is_some_and(|note| !note.replaced.is_empty()) {
            return Ok(()); // until somebody takes it as known
        }
        let head = self.ask(None).await?;
        let is_checked = *checked == head.process;
        let mut found = judge(note.as_ref(), &head, is_checked);
        if found == Found::ToBeChecked {
            let head = self.ask(note.as_ref()).await?;
            found = judge(note.as_ref(), &head, true);
        }
        checked.clone_from(&head.process);
        match found {
            Found::Known(now) if Some(&now) == note.as_ref() => Ok(()),
            Found::Known(now) => self.keep(now).await,
            Found::Replaced(why) => {
                tracing::error!("the ledger was replaced: {why}");
                self.0
                    .recorder
                    .note(Kind::LedgerReplaced, "ledger", &why, "");
                let known = note.unwrap_or_default();
                self.keep(Note {
                    replaced: why,
                    ..known
                })
                .await
            }
            Found::ToBeChecked => Ok(()),
        }
    }

    /// Takes the ledger as it is now as the known one, once that is on record.
    ///
    /// # Errors
    /// `FAILED_PRECONDITION` when it is the known one; when it cannot be recorded or kept.
    pub async fn accept(&self, by: &str) -> Result<AuditHead, Status> {
        let _looking = self.0.checked.lock().await;
        let Some(why) = self.replaced() else {
            return Err(Status::failed_precondition(
                "the ledger is the one that was known: there is nothing to accept",
            ));
        };
        self.0
            .recorder
            .order(Kind::LedgerAccepted, by, &why)
            .await?;
        let head = self.ask(None).await?;
        self.keep(Note {
            size: head.size,
            root: head.root_hash.clone(),
            public_key: head.public_key.clone(),
            replaced: String::new(),
        })
        .await?;
        Ok(head)
    }

    /// What the ledger says of itself and, if a note is given, whether it begins with what that says.
    async fn ask(&self, note: Option<&Note>) -> Result<AuditHead, Status> {
        let request = match note {
            None => AuditHeadRequest::default(),
            Some(note) => AuditHeadRequest {
                known_size: note.size,
                known_root_hash: note.root.clone(),
            },
        };
        let mut tools = self.0.tools.clone();
        match tokio::time::timeout(ANSWER, tools.get_audit_head(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => Err(Status::new(
                Code::DeadlineExceeded,
                "aios-tools does not answer",
            )),
        }
    }

    async fn keep(&self, note: Note) -> Result<(), Status> {
        let wrong = |error: String| Status::internal(format!("the note on the ledger: {error}"));
        let text = toml::to_string(&note).map_err(|error| wrong(error.to_string()))?;
        self.0.note.send_replace(Some(note));
        let file = self.0.file.clone();
        let kept = tokio::task::spawn_blocking(move || {
            aios_files::durable::replace(&file, text.as_bytes())
        });
        kept.await
            .map_err(|error| wrong(error.to_string()))?
            .map_err(|error| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_the_known_one_only_if_it_goes_on_from_what_was_noted() {
        let note = Note {
            size: 10,
            root: "aa".into(),
            public_key: "key".into(),
            replaced: String::new(),
        };
        let head = |size: u64, root: &str, key: &str, differs: &str| AuditHead {
            size,
            root_hash: root.into(),
            public_key: key.into(),
            differs: differs.into(),
            process: "1".into(),
        };
        let check = |head: AuditHead, is_checked: bool, expected: &str| {
            let found = format!("{:?}", judge(Some(&note), &head, is_checked));
            assert!(found.contains(expected), "{head:?}: {found}");
        };
        check(head(10, "aa", "key", ""), true, "Known");
        check(head(12, "bb", "key", ""), true, "Known");
        check(head(12, "bb", "key", ""), false, "ToBeChecked");
        check(head(12, "bb", "key", "the first 10"), true, "Replaced");
        check(head(9, "cc", "key", ""), true, "9 entries; 10 were known");
        check(head(10, "cc", "key", ""), true, "not those that were known");
        check(head(12, "bb", "other", ""), true, "another key");
        let first = judge(None, &head(3, "dd", "key", ""), false);
        assert!(
            matches!(first, Found::Known(Note { size: 3, .. })),
            "{first:?}"
        );
    }
}
