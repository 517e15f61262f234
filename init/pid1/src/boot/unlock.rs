//! A data partition that is more than a file system to mount: the role `unlock` makes
//! or opens it, in a process of its own, before anything else runs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aios_disk::sources;
use aios_disk::unlock::volume::{self, Kind, MAPPED};
use aios_disk::unlock::{asking, reason};

/// Making a file system on the largest disks takes a minute or two. A person is waited for without
/// end: no watchdog runs yet, and those that firmware started are fed by the kernel.
const PATIENCE_MS: u64 = 600_000;
const POLL_MS: u64 = 5;

/// Makes or opens what is on the device, if that is needed. Where the file system is.
///
/// # Errors
/// It cannot be had, and why; nothing was lost.
pub fn ready(device: &Path) -> Result<PathBuf, String> {
    let needed = match volume::look(device) {
        // A new node: costs nothing where nobody can say how its disk is to be. With USB it is once
        // in the disk's life waited for a stick (`provision/usb.rs`), and then no more at this boot.
        Ok(Kind::Pristine) => sources::may_configure(),
        Ok(Kind::Begun(_) | Kind::Encrypted) => true,
        // What cannot be read cannot be mounted either, and mount says why.
        Ok(Kind::Plain) | Err(_) => false,
    };
    if needed {
        run("open", device)?;
    }
    let mapped = Path::new(MAPPED);
    Ok(match mapped.exists() {
        true => mapped.to_owned(),
        false => device.to_owned(),
    })
}

/// A factory reset was asked for on the mounted disk: makes it anew if it is to be encrypted.
///
/// # Errors
/// Why not. The disk may still be mounted.
pub fn reset(device: &Path) -> Result<(), String> {
    run("reset", device)
}

fn run(verb: &str, device: &Path) -> Result<(), String> {
    let failed = |error| format!("cannot open the data disk: {error}");
    let mut child = Command::new("/proc/self/exe")
        .args(["unlock", verb])
        .arg(device)
        .stdin(Stdio::null())
        .spawn()
        .map_err(failed)?;
    let mut waited = 0;
    while waited < PATIENCE_MS {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return match status.success() {
                true => Ok(()),
                false => Err(why(&status.to_string())),
            };
        }
        aios_service::time::pause(POLL_MS);
        waited = match asking().exists() {
            true => 0,
            false => waited + POLL_MS,
        };
    }
    // Err: it has ended just now.
    let _ = child.kill();
    let _ = child.wait();
    let limit = PATIENCE_MS / 1000;
    Err(format!("the data disk was not opened within {limit} s"))
}

/// The last line of what it said, or its status.
fn why(status: &str) -> String {
    let said = std::fs::read_to_string(reason()).unwrap_or_default();
    match said.trim() {
        "" => format!("unlock: {status}"),
        said => said.to_owned(),
    }
}
