//! Giving back the room that executions keep for undo.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use aios_ledger::Entry;

use super::Pipeline;
use super::audit::{cut, now_ms};
use crate::procfs::mounts;
use crate::reclaim::{self, Kept};
use crate::store::{Outcome, Reclaimed};
use aios_tool::error::ToolError;
use aios_tool::file::name;
use aios_tool::format;

/// How long a reclaim waits for a call or an undo of the same execution to end.
const BUSY_LIMIT: Duration = Duration::from_secs(2);

/// A request to give room back.
#[derive(Clone, Debug, Default)]
pub struct Reclaim {
    /// Who asks, for the record.
    pub actor: String,
    /// The operator's subject, or empty.
    pub on_behalf_of: String,
    /// Why, for people.
    pub reason: String,
    /// What ended longer ago than this is dropped.
    pub older_than: Duration,
    /// Only says what would be dropped.
    pub dry_run: bool,
}

/// What is, or would be, dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The oldest first.
    pub executions: Vec<DroppedExecution>,
    /// What did not go as it should.
    pub remarks: Vec<String>,
}

/// An execution that cannot be undone then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DroppedExecution {
    /// Its id.
    pub id: String,
    /// Its tool.
    pub tool: String,
    /// The goal that it was for.
    pub goal_id: String,
    /// When it ended, or was undone; Unix milliseconds.
    pub ended_ms: i64,
    /// What it keeps, in bytes on the disk.
    pub bytes: u64,
}

impl Dropped {
    /// All bytes.
    pub fn bytes(&self) -> u64 {
        self.executions.iter().map(|one| one.bytes).sum()
    }
}

impl Pipeline {
    /// Drops what executions keep for undo that ended long enough ago, and notes with each of them
    /// that it can no longer be undone. On record before anything is dropped.
    ///
    /// # Errors
    /// When another one is under way, or the record cannot be made.
    pub fn reclaim(&self, request: &Reclaim) -> Result<Dropped, ToolError> {
        let Ok(_one_at_a_time) = self.reclaiming.try_lock() else {
            return Err(ToolError::Precondition(
                "room is being reclaimed already; wait until that has ended".into(),
            ));
        };
        let now = now_ms();
        let age = i64::try_from(request.older_than.as_millis()).unwrap_or(i64::MAX);
        let until = now.saturating_sub(age);
        self.store.empty(); // what is in the journal alone would come back after a power cut
        let mut kept = reclaim::kept(
            &self.surroundings.state_dir,
            &mount_points(),
            self.surroundings.owner.0,
        );
        let mut dropped = Dropped::default();
        for (id, kept) in &kept {
            match self.store.ended(id) {
                Some((ended_ms, outcome)) if ended_ms <= until => {
                    dropped.executions.push(DroppedExecution {
                        id: id.clone(),
                        tool: outcome.call.tool,
                        goal_id: outcome.call.goal_id,
                        ended_ms,
                        bytes: kept.bytes,
                    });
                }
                _ => {} // too young, or under way
            }
        }
        dropped.executions.sort_by_key(|one| one.ended_ms);
        if request.dry_run || dropped.executions.is_empty() {
            return Ok(dropped);
        }
        self.append(&record(request, &dropped))?;
        let by = match request.on_behalf_of.as_str() {
            "" => request.actor.clone(),
            operator => cut(operator, 256),
        };
        self.drop_all(&mut dropped, &mut kept, &Reclaimed { by, at_ms: now });
        Ok(dropped)
    }

    /// Notes it with each execution, makes that durable, and removes what they keep. An execution that
    /// cannot be noted for want of room is removed first.
    fn drop_all(
        &self,
        dropped: &mut Dropped,
        kept: &mut BTreeMap<String, Kept>,
        reclaimed: &Reclaimed,
    ) {
        let mut remarks = Vec::new();
        let mut noted = Vec::new();
        let mut remove = |id: &str, remarks: &mut Vec<String>| {
            let kept = kept.remove(id).unwrap_or_default();
            if let Err(error) = reclaim::remove(&kept) {
                remarks.push(format!("{id}: not all of it was removed: {error}"));
            }
        };
        dropped.executions.retain(|one| {
            let keys = vec![format!("call:{}", one.id)];
            let Some(_held) = self.locks.take(keys, BUSY_LIMIT) else {
                remarks.push(format!("{} is in use and was left as it is", one.id));
                return false;
            };
            if self.note_reclaimed(&one.id, reclaimed).is_ok() {
                noted.push(one.id.clone());
                return true;
            }
            remove(&one.id, &mut remarks);
            if let Err(error) = self.note_reclaimed(&one.id, reclaimed) {
                remarks.push(format!(
                    "{}: that it was reclaimed is not noted: {error}",
                    one.id
                ));
            }
            true
        });
        if let Err(error) = self.store.sync() {
            remarks.push(format!("what was noted is not durable: {error}"));
        }
        for id in noted {
            remove(&id, &mut remarks);
        }
        dropped.remarks = remarks;
    }

    fn note_reclaimed(&self, id: &str, reclaimed: &Reclaimed) -> Result<(), ToolError> {
        match self.store.outcome(id)? {
            Some(outcome) if outcome.reclaimed.is_none() => self.store.replace(&Outcome {
                steps: Vec::new(),
                reclaimed: Some(reclaimed.clone()),
                ..outcome
            }),
            _ => Ok(()), // it was noted before its content could be removed
        }
    }
}

fn record(request: &Reclaim, dropped: &Dropped) -> Entry {
    Entry {
        time_ms: now_ms(),
        kind: "record".to_owned(),
        actor: request.actor.clone(),
        on_behalf_of: cut(&request.on_behalf_of, 1024),
        tool: "storage.reclaim".to_owned(),
        reason: cut(&request.reason, 4096),
        outcome: format!(
            "drops what {} executions keep for undo that ended more than {} h ago: {}",
            dropped.executions.len(),
            request.older_than.as_secs() / 3600,
            format::bytes(dropped.bytes()),
        ),
        ..Entry::default()
    }
}

/// Where file systems are mounted that may have a quarantine of their own.
fn mount_points() -> Vec<PathBuf> {
    let volumes = mounts::volumes().unwrap_or_else(|error| {
        tracing::warn!("only the quarantine of the state is looked at: {error}");
        Vec::new()
    });
    volumes.iter().map(|one| name::decode(&one.path)).collect()
}
