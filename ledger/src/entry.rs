//! One entry of the log: who did what, why, by which right, and how it ended.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The largest entry, in bytes of its JSON. Entries hold digests, not contents;
/// the limit keeps a hostile reason or actor from filling the disk at once.
pub const ENTRY_MAX: usize = 64 * 1024;

/// An entry, with the fields of the proto's `AuditEntry`. Empty fields are left
/// out on disk. The index is the entry's place in the tree and not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Leaf index in the tree; filled when read, ignored when appended.
    #[serde(skip)]
    pub index: u64,
    /// Unix time, milliseconds.
    pub time_ms: i64,
    /// `intent`, `completion`, `refusal`, `undo`, `record`.
    pub kind: String,
    /// Who, by the kernel's word.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub actor: String,
    /// The operator's subject, as told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub on_behalf_of: String,
    /// The tool's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// Names this run of the tool.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub execution_id: String,
    /// Names the intended effect; the same after a retry.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub call_id: String,
    /// The goal it was done for.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub goal_id: String,
    /// The goal's task.
    #[serde(skip_serializing_if = "is_zero")]
    pub task_index: u32,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The policy's decision.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub decision: String,
    /// SHA-256 of the arguments, hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub input_sha256: String,
    /// SHA-256 of the output, hex.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub output_sha256: String,
    /// `succeeded`, `failed: …`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub outcome: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Entry {
    /// The leaf's bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, Error> {
        let bytes = serde_json::to_vec(self).map_err(|error| Error::damaged(error.to_string()))?;
        if bytes.len() > ENTRY_MAX {
            return Err(Error::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The entry at this place, from the leaf's bytes.
    pub(crate) fn decode(index: u64, bytes: &[u8]) -> Result<Self, Error> {
        let entry: Self = serde_json::from_slice(bytes)
            .map_err(|error| Error::damaged(format!("entry {index} is not an entry: {error}")))?;
        Ok(Self { index, ..entry })
    }
}
