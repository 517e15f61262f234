//! Takes into the ledger what others kept because they could not wait for this daemon
//! ([`aios_files::unrecorded`]).

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aios_files::unrecorded::{self, Happened};
use aios_ledger::{Entry, Ledger};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::MissedTickBehavior;

use crate::pipeline::{cut, now_ms};
use aios_tool::error::ToolError;

/// How often it is looked for; a folder that is mostly not there.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What is recorded later than this says when it happened.
const LATE_MS: i64 = 10_000;

/// An entry about what happened outside a tool call.
pub fn entry(actor: &str, kind: &str, subject: &str, detail: &str) -> Entry {
    Entry {
        time_ms: now_ms(),
        kind: "record".to_owned(),
        actor: cut(actor, 256),
        tool: cut(kind, 256),
        on_behalf_of: cut(subject, 1024),
        reason: cut(detail, 4096),
        ..Entry::default()
    }
}

/// Takes in what waits now, and what comes, until the ledger is gone.
pub async fn watch(ledger: Weak<Ledger>, state: std::path::PathBuf) {
    let state: Arc<Path> = state.into();
    let mut tick = tokio::time::interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failure = String::new();
    let recorded = Arc::new(Mutex::new(Recorded::new()));
    loop {
        tick.tick().await;
        let Some(ledger) = ledger.upgrade() else {
            return;
        };
        let (state, recorded) = (Arc::clone(&state), Arc::clone(&recorded));
        let taken = tokio::task::spawn_blocking(move || {
            let mut recorded = recorded.lock().unwrap_or_else(PoisonError::into_inner);
            take_in(&ledger, &state, &mut recorded)
        });
        let now = match taken.await {
            Ok(Ok(())) => String::new(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        if now != failure && !now.is_empty() {
            tracing::error!("what others kept for the ledger is not recorded yet: {now}");
        }
        failure = now;
    }
}

/// Files that are in the ledger and could not be removed.
type Recorded = HashSet<PathBuf>;

/// Each file goes when what it says is durable in the ledger. One that cannot be taken in holds
/// no other up; the first failure is told.
fn take_in(ledger: &Ledger, state: &Path, recorded: &mut Recorded) -> Result<(), ToolError> {
    let failed = |path: &Path, error: io::Error| {
        ToolError::Unavailable(format!("{}: {error}", path.display()))
    };
    let mut outcome = Ok(());
    for path in unrecorded::waiting(state).map_err(|error| failed(state, error))? {
        if !recorded.contains(&path) {
            let entry = match entry_of(&path) {
                Ok(entry) => entry,
                Err(error) => {
                    outcome = outcome.and(Err(failed(&path, error)));
                    continue;
                }
            };
            ledger
                .append(&entry)
                .map_err(|error| ToolError::Unavailable(error.to_string()))?;
            recorded.insert(path.clone());
        }
        match std::fs::remove_file(&path) {
            Ok(()) => drop(recorded.remove(&path)),
            Err(error) => outcome = outcome.and(Err(failed(&path, error))),
        }
    }
    outcome
}

fn entry_of(path: &Path) -> io::Result<Entry> {
    match unrecorded::read(path) {
        Ok(happened) => Ok(told(&happened)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let detail = format!("{name} cannot be understood: {error}");
            Ok(entry("tools", "unrecorded.damaged", "", &detail))
        }
        Err(error) => Err(error),
    }
}

fn told(happened: &Happened) -> Entry {
    let mut detail = happened.detail.clone();
    if now_ms().saturating_sub(happened.time_ms) > LATE_MS {
        let at = OffsetDateTime::from_unix_timestamp(happened.time_ms / 1000).ok();
        let at = at.and_then(|at| at.format(&Rfc3339).ok());
        let at = at.unwrap_or_else(|| happened.time_ms.to_string());
        detail = format!("at {at}: {detail}");
    }
    entry(&happened.actor, &happened.kind, &happened.subject, &detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_recorded_once_and_damage_is_too() {
        let state = tempfile::tempdir().unwrap();
        let state = state.path();
        let ledger = Ledger::open(&state.join("ledger"), &state.join("key")).unwrap();
        let mut recorded = Recorded::new();
        take_in(&ledger, state, &mut recorded).unwrap(); // there is no folder
        let early = Happened {
            time_ms: 1_000,
            ..Happened::now("init", "node.provisioned", "web-1", "from the network")
        };
        let now = Happened::now("config", "config.apply", "console", "abc: network is told");
        for happened in [&now, &early] {
            unrecorded::keep(state, happened).unwrap();
        }
        std::fs::write(state.join("unrecorded/9.toml"), "time_ms = \"").unwrap();
        // It is on record once, is in nobody's way, and cannot be removed.
        let stuck = state.join("unrecorded/0.toml");
        std::fs::create_dir(&stuck).unwrap();
        for _ in 0..2 {
            take_in(&ledger, state, &mut recorded).unwrap_err();
        }
        std::fs::remove_dir(&stuck).unwrap();
        let entries = ledger.entries(0..ledger.len()).unwrap();
        let texts: Vec<String> = entries
            .iter()
            .map(|entry| {
                let Entry {
                    actor,
                    tool,
                    on_behalf_of,
                    reason,
                    ..
                } = entry;
                format!("{actor} {tool} {on_behalf_of} {reason}")
            })
            .collect();
        assert_eq!(texts.len(), 4, "{texts:#?}");
        assert_eq!(
            texts[1..3],
            [
                "init node.provisioned web-1 at 1970-01-01T00:00:01Z: from the network",
                "config config.apply console abc: network is told",
            ]
        );
        for text in [&texts[0], &texts[3]] {
            assert!(text.starts_with("tools unrecorded.damaged"), "{text}");
        }
        assert!(unrecorded::waiting(state).unwrap().is_empty());
    }
}
