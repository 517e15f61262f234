//! What the journal holds.

use serde::{Deserialize, Serialize};

use super::execution::{Outcome, Pending};
use aios_ledger::Entry;
use aios_tool::undo::Kept;

/// A record of the journal: one step of an execution, and what the ledger says about it.
#[derive(Debug, Serialize, Deserialize)]
pub struct Record {
    /// What happened.
    pub step: Step,
    /// The entry that belongs to it. It is in the ledger too, or was going to be.
    pub entry: Entry,
    /// The ledger's size shortly before: its entries are not before it.
    pub ledger_len: u64,
    /// Contents that follow the record's JSON, in this order.
    kept: Vec<Contents>,
}

/// A step of an execution.
#[derive(Debug, Serialize, Deserialize)]
pub enum Step {
    /// It may have begun to act.
    Begun(Pending),
    /// It ended so, or was undone.
    Ended(Outcome),
    /// Nothing but the entry; what happened was too large for the journal and is on the disk.
    Noted,
    /// It was not begun after all: the ledger took no entry.
    Withdrawn(String),
}

#[derive(Debug, Serialize, Deserialize)]
struct Contents {
    path: std::path::PathBuf,
    bytes: usize,
}

/// The record's bytes: the length of its JSON (four bytes, little-endian), the JSON, the contents.
pub fn encode(
    step: Step,
    entry: Entry,
    ledger_len: u64,
    kept: &[Kept],
) -> serde_json::Result<Vec<u8>> {
    let contents = kept.iter().map(|kept| Contents {
        path: kept.path.clone(),
        bytes: kept.content.len(),
    });
    let record = Record {
        step,
        entry,
        ledger_len,
        kept: contents.collect(),
    };
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, &record)?;
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    for kept in kept {
        bytes.extend_from_slice(&kept.content);
    }
    Ok(bytes)
}

/// Reads a record.
///
/// # Errors
/// When it is not one that [`encode`] made.
pub fn decode(bytes: &[u8]) -> Result<(Record, Vec<Kept>), String> {
    let short = || "it is too short".to_owned();
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(short)?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (json, mut rest) = rest.split_at_checked(length).ok_or_else(short)?;
    let record: Record = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let mut kept = Vec::new();
    for Contents { path, bytes } in &record.kept {
        let (content, next) = rest.split_at_checked(*bytes).ok_or_else(short)?;
        rest = next;
        kept.push(Kept {
            path: path.clone(),
            content: content.to_vec(),
        });
    }
    Ok((record, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back_with_its_contents_and_half_of_it_does_not() {
        let kept = ["first", "", "third"].map(|text| Kept {
            path: format!("/undo/{text}").into(),
            content: text.into(),
        });
        let entry = Entry {
            kind: "intent".into(),
            ..Entry::default()
        };
        let step = Step::Withdrawn("id".into());
        let bytes = encode(step, entry.clone(), 7, &kept).unwrap();
        let (record, read) = decode(&bytes).unwrap();
        assert!(matches!(record.step, Step::Withdrawn(id) if id == "id"));
        assert_eq!((record.entry, record.ledger_len), (entry, 7));
        assert_eq!(read, kept);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
    }
}
