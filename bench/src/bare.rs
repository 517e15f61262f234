//! What the disk allows: a bare loop that waits for it as often as durable calls do.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::{Result, anyhow};

/// Bytes of a record in the journal, about as an intent with its content.
const RECORD: usize = 2048;
/// Bytes of a loop's own journal.
const JOURNAL: usize = 1024 * 1024;

/// Rounds per second of so many loops at once in a folder. A round is what `fs.write` waits for: a
/// record in a file of fixed size, a small file with its folder, and a second record. Nothing is
/// checked, kept for undo or signed, and no loop shares a sync with another.
///
/// # Errors
/// What the disk says.
pub fn rounds_per_second(folder: &Path, loops: usize, rounds: usize) -> Result<f64> {
    for number in 0..loops {
        let journal = File::create(folder.join(format!("{number}.journal")))?;
        (&journal).write_all(&vec![0; JOURNAL])?;
        journal.sync_all()?;
    }
    let start = Instant::now();
    thread::scope(|scope| {
        let running: Vec<_> = (0..loops)
            .map(|number| scope.spawn(move || run(folder, number, rounds)))
            .collect();
        running.into_iter().try_for_each(|running| {
            let ended = running.join().map_err(|_| anyhow!("a loop crashed"))?;
            Ok::<_, anyhow::Error>(ended?)
        })
    })?;
    Ok((loops * rounds) as f64 / start.elapsed().as_secs_f64())
}

fn run(folder: &Path, number: usize, rounds: usize) -> io::Result<()> {
    let path = folder.join(format!("{number}.journal"));
    let journal = OpenOptions::new().write(true).open(path)?;
    let mut at = 0;
    let mut record = || {
        journal.write_all_at(&[1; RECORD], at)?;
        at = (at + RECORD as u64) % JOURNAL as u64;
        journal.sync_data()
    };
    let (temporary, file) = (
        folder.join(format!("{number}.new")),
        folder.join(number.to_string()),
    );
    for round in 0..rounds {
        record()?;
        let mut content = File::create(&temporary)?;
        content.write_all(round.to_string().as_bytes())?;
        content.sync_all()?;
        std::fs::rename(&temporary, &file)?;
        File::open(folder)?.sync_all()?;
        record()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_loop_does_all_its_rounds() {
        let folder = tempfile::tempdir().unwrap();
        assert!(rounds_per_second(folder.path(), 2, 3).unwrap() > 0.0);
        for number in ["0", "1"] {
            let last = std::fs::read_to_string(folder.path().join(number)).unwrap();
            assert_eq!(last, "2");
        }
    }
}
