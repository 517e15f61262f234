//! Verification of a big ledger.

use std::sync::Arc;
use std::time::Instant;

use aios_ledger::{Entry, Expected, Ledger, verify};
use anyhow::{Result, ensure};

use crate::figure::Figure;

const ENTRIES: u64 = 1_000_000;

/// Makes a ledger of a million entries and verifies it from its files.
pub fn measure() -> Result<Vec<Figure>> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("ledger");
    let ledger = Arc::new(Ledger::open(&log, &folder.path().join("key"))?);
    for number in 0..ENTRIES {
        ledger.append_soon(&entry(number))?;
    }
    ledger.sync()?;
    drop(ledger);
    let start = Instant::now();
    let report = verify(&log, &Expected::default());
    let seconds = start.elapsed().as_secs_f64();
    ensure!(
        report.intact && report.entries >= ENTRIES,
        "{}",
        report.detail
    );
    Ok(vec![Figure::new(
        "verify a ledger of 1,000,000 entries",
        seconds,
        "s",
    )])
}

fn entry(number: u64) -> Entry {
    Entry {
        kind: "completion".to_owned(),
        actor: "agent:storage".to_owned(),
        tool: "fs.write".to_owned(),
        call_id: format!("bench/{number}"),
        outcome: "succeeded".to_owned(),
        ..Entry::default()
    }
}
