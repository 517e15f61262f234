//! When the data file system is checked before it is mounted, and what follows.
//!
//! ext4's journal makes a power cut no reason for a check. One is made when the
//! superblock says that the kernel has met errors, or that it was not closed well:
//! `e2fsck -p`, which repairs what is safe to repair without asking, for five
//! minutes at most. **What needs a person is left as it is**: memory is used
//! instead, degraded, and nothing is ever formatted.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// A check of a terabyte takes about one; longer is a disk that fails.
const PATIENCE_MS: u64 = 300_000;
const POLL_MS: u64 = 10;
/// The superblock's place and length (linux/fs/ext4/ext4.h).
const SUPERBLOCK: (u64, usize) = (1024, 1024);
const MAGIC: u16 = 0xEF53;
const VALID: u16 = 1;
const ERRORS: u16 = 2;

/// Checks the file system on this device if it asks for it.
///
/// # Errors
/// It needs a person, and why; it must not be mounted.
pub fn before_mount(device: &Path, say: &mut dyn FnMut(String)) -> Result<(), String> {
    let mut superblock = [0; SUPERBLOCK.1];
    let read =
        File::open(device).and_then(|device| device.read_exact_at(&mut superblock, SUPERBLOCK.0));
    // What cannot be read cannot be mounted either, and mount says why.
    if read.is_err() || !wants_check(&superblock) {
        return Ok(());
    }
    say(format!(
        "checking the data file system on {}",
        device.display()
    ));
    let outcome = judge(run(device)?);
    match &outcome {
        Ok(()) => say("the data file system is in order again".to_owned()),
        Err(why) => say(why.clone()),
    }
    outcome.map_err(|why| {
        format!(
            "{why}; it was left as it is: repair it with e2fsck {}",
            device.display()
        )
    })
}

fn wants_check(superblock: &[u8]) -> bool {
    let field = |at: usize| {
        let bytes = superblock.get(at..at + 2);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u16::from_le_bytes)
    };
    let state = field(0x3A);
    field(0x38) == MAGIC && (state & VALID == 0 || state & ERRORS != 0)
}

/// e2fsck's status; none: it was killed.
fn run(device: &Path) -> Result<Option<i32>, String> {
    let failed = |error: std::io::Error| format!("e2fsck cannot be run: {error}");
    #[allow(
        clippy::disallowed_methods,
        reason = "before the loop, while PID 1 may wait"
    )]
    let mut check = Command::new("/sbin/e2fsck")
        .args(["-p", "-C", "0"])
        .arg(device)
        .stdin(Stdio::null())
        .spawn()
        .map_err(failed)?;
    for _ in 0..PATIENCE_MS / POLL_MS {
        if let Some(status) = check.try_wait().map_err(failed)? {
            return Ok(status.code());
        }
        aios_service::time::pause(POLL_MS);
    }
    // Err: it has ended just now.
    let _ = check.kill();
    let _ = check.wait();
    Ok(None)
}

/// e2fsck(8): 1 and 2 (a bit each) mean repaired; everything else needs a person.
fn judge(status: Option<i32>) -> Result<(), String> {
    match status {
        Some(0..=3) => Ok(()),
        Some(status) => Err(format!(
            "e2fsck cannot repair it by itself (status {status})"
        )),
        None => Err(format!(
            "e2fsck did not end within {} s",
            PATIENCE_MS / 1000
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_made_when_the_superblock_asks_for_it() {
        let check = |magic: u16, state: u16, expected| {
            let mut superblock = vec![0; SUPERBLOCK.1];
            superblock[0x38..0x3A].copy_from_slice(&magic.to_le_bytes());
            superblock[0x3A..0x3C].copy_from_slice(&state.to_le_bytes());
            assert_eq!(wants_check(&superblock), expected, "{magic:x} {state}");
        };
        check(MAGIC, VALID, false);
        check(MAGIC, VALID | ERRORS, true);
        check(MAGIC, 0, true);
        check(0, 0, false);
        assert!(!wants_check(&[]));
    }

    #[test]
    fn only_what_was_repaired_is_mounted() {
        for (status, good) in [
            (Some(0), true),
            (Some(1), true),
            (Some(3), true),
            (Some(4), false),
            (Some(8), false),
            (None, false),
        ] {
            assert_eq!(judge(status).is_ok(), good, "{status:?}");
        }
    }
}
