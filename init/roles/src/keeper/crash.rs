//! What a crash left in pstore becomes files in the log folder, and a sentence.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aios_files::durable;

use aios_service::{conditions, places, running};

const PSTORE: &str = "/sys/fs/pstore";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// Crash files kept, the newest: 16 of 64 KiB are a megabyte.
const KEPT: usize = 16;
/// The most that is taken of one record.
const RECORD_MAX: u64 = 256 * 1024;
const PREFIX: &str = "crash-";

/// Moves the records and publishes how the last run ended, if not well.
pub(super) fn collect() -> io::Result<()> {
    let this_boot = fs::read_to_string(BOOT_ID)?;
    let former = fs::read_to_string(running::MARK);
    if former.as_ref().is_ok_and(|boot| *boot == this_boot) {
        return Ok(()); // done before, by a keeper that ended
    }
    let unclean = former.is_ok();
    let moved = move_records(Path::new(PSTORE), &places::log_dir());
    let records = moved.as_deref().unwrap_or_default();
    if let Some(reason) = reason(records, unclean, was_watchdog()) {
        super::tell(2, &format!("last crash: {reason}"));
        conditions::publish_last_crash(&reason)?;
    }
    durable::replace(Path::new(running::MARK), this_boot.as_bytes())?;
    moved.map(drop)
}

/// A record that was moved: where it is now, and what it says.
struct Record {
    path: PathBuf,
    text: String,
}

impl Record {
    /// The kernel writes these when it crashes; the console's end it keeps always.
    fn is_crash(&self) -> bool {
        self.path.to_string_lossy().contains("-dmesg-")
    }
}

fn move_records(from: &Path, to: &Path) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut names: Vec<_> = match fs::read_dir(from) {
        Ok(entries) => entries.flatten().map(|entry| entry.file_name()).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(records),
        Err(error) => return Err(error),
    };
    names.sort();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    for name in names {
        let mut bytes = Vec::new();
        fs::File::open(from.join(&name))?
            .take(RECORD_MAX)
            .read_to_end(&mut bytes)?;
        // Ten digits: names sort by time.
        let file = format!("{PREFIX}{:010}-{}", now.as_secs(), name.to_string_lossy());
        let path = to.join(file);
        durable::replace(&path, &bytes)?;
        // Only now: it is durable where it is now. This frees its place.
        fs::remove_file(from.join(&name))?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        records.push(Record { path, text });
    }
    forget_oldest(to)?;
    Ok(records)
}

fn forget_oldest(folder: &Path) -> io::Result<()> {
    let mut all: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(PREFIX)
        })
        .collect();
    all.sort();
    let surplus = all.len().saturating_sub(KEPT);
    all.iter().take(surplus).try_for_each(fs::remove_file)
}

/// Did the watchdog reset the machine? `WDIOF_CARDRESET` of linux/watchdog.h.
fn was_watchdog() -> bool {
    const CARD_RESET: u32 = 0x20;
    let status = |path: PathBuf| {
        fs::read_to_string(path.join("bootstatus"))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let entries = fs::read_dir("/sys/class/watchdog").into_iter().flatten();
    entries
        .flatten()
        .filter_map(|entry| status(entry.path()))
        .any(|status: u32| status & CARD_RESET != 0)
}

/// How the last run ended, if it was not orderly.
fn reason(records: &[Record], unclean: bool, watchdog: bool) -> Option<String> {
    let said = |record: &Record| {
        let words = [
            "Kernel panic - not syncing",
            "PID 1 panicked",
            "PID 1 crashed",
        ];
        let mut lines = record.text.lines();
        let line = lines.find(|line| words.iter().any(|word| line.contains(word)))?;
        let start = words.iter().filter_map(|word| line.find(word)).min()?;
        Some(format!("{} ({})", &line[start..], record.path.display()))
    };
    // The kernel's own record says most; the console's end is the next best.
    let (crashes, others): (Vec<_>, Vec<_>) = records.iter().partition(|record| record.is_crash());
    let told = crashes
        .iter()
        .chain(&others)
        .find_map(|record| said(record));
    match (told, crashes.first()) {
        (Some(told), _) => Some(told),
        (None, Some(crash)) => Some(format!("the kernel crashed ({})", crash.path.display())),
        (None, None) if watchdog => Some("the watchdog reset a machine that hung".to_owned()),
        (None, None) if unclean => {
            Some("no crash record, but no shutdown either: a power cut or a reset".to_owned())
        }
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_moved_and_only_the_newest_are_kept() {
        let (pstore, log) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for number in 0..20 {
            fs::write(log.path().join(format!("{PREFIX}{number:010}-old")), "x").unwrap();
        }
        fs::write(log.path().join("orchestrator.log"), "x").unwrap();
        fs::write(pstore.path().join("dmesg-ramoops-0"), "words").unwrap();
        let records = move_records(pstore.path(), log.path()).unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!(fs::read_to_string(&records[0].path).unwrap(), "words");
        assert_eq!(fs::read_dir(pstore.path()).unwrap().count(), 0);
        assert_eq!(fs::read_dir(log.path()).unwrap().count(), KEPT + 1);
        assert!(
            move_records(Path::new("/no/such"), log.path())
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_best_explanation_of_the_last_end_is_given() {
        let record = |name: &str, text: &str| Record {
            path: PathBuf::from(format!("/log/crash-1-{name}")),
            text: text.to_owned(),
        };
        let panic = record(
            "dmesg-erst-1",
            "Panic#1\n<0>[ 3.0] Kernel panic - not syncing: NMI\n",
        );
        let oops = record("dmesg-ramoops-0", "Oops#1\n");
        let console = record(
            "console-ramoops-0",
            "[ 9.0] aios-init: PID 1 crashed (SIGBUS), rebooting\n",
        );
        let quiet = || record("console-ramoops-0", "[ 9.0] aios: rebooting\n");
        let check = |records: &[Record], unclean, watchdog, expected: Option<&str>| {
            let reason = reason(records, unclean, watchdog);
            match expected {
                None => assert_eq!(reason, None),
                Some(part) => assert!(
                    reason.clone().unwrap_or_default().contains(part),
                    "{reason:?}"
                ),
            }
        };
        check(&[quiet()], false, false, None);
        check(&[quiet()], true, false, Some("a power cut"));
        check(&[quiet()], true, true, Some("the watchdog"));
        check(&[console], true, false, Some("PID 1 crashed (SIGBUS)"));
        check(&[quiet(), oops], true, false, Some("the kernel crashed"));
        check(
            &[quiet(), panic],
            true,
            true,
            Some("Kernel panic - not syncing: NMI"),
        );
    }
}
