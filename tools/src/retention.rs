//! Drops by itself what executions keep for undo, once they are older than `[tools] undo_keep_days`.

use std::sync::Arc;
use std::time::Duration;

use crate::pipeline::{Pipeline, Reclaim};

/// Who asks, on record.
const POLICY: &str = "policy: [tools] undo_keep_days";

/// Seconds of a day.
const DAY_S: u64 = 86_400;

/// After the start, and between two times.
const EVERY: Duration = Duration::from_secs(3600);

/// The lowest priority (setpriority(2)).
const NICE: i32 = 19;

/// Looks once in a while, until the process ends.
pub async fn watch(pipeline: Arc<Pipeline>, keep_days: u32) {
    loop {
        tokio::time::sleep(EVERY).await;
        let pipeline = Arc::clone(&pipeline);
        let once = move || apply(&pipeline, keep_days);
        // A thread of its own: its priority is never raised again.
        if let Err(error) = std::thread::Builder::new()
            .name("retention".into())
            .spawn(once)
        {
            tracing::warn!("no thread to drop what is too old: {error}");
        }
    }
}

/// Drops what is too old, at the lowest priority.
pub fn apply(pipeline: &Pipeline, keep_days: u32) {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::warn!("what is too old is dropped at an ordinary priority: {error}");
    }
    let reclaim = Reclaim {
        actor: "tools".into(),
        on_behalf_of: POLICY.into(),
        reason: format!("it is older than {keep_days} days"),
        older_than: Duration::from_secs(u64::from(keep_days) * DAY_S),
        dry_run: false,
    };
    match pipeline.reclaim(&reclaim) {
        Ok(dropped) => {
            for remark in &dropped.remarks {
                tracing::warn!("{remark}");
            }
        }
        Err(error) => tracing::warn!("what is too old is not dropped: {error}"),
    }
}
