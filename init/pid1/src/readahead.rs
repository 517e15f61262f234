//! The `readahead` role: has the kernel read the models while the boot waits for disks and has a
//! processor to spare.
//!
//! They are most of what a boot reads, they are read whole, and each of their blocks is verified;
//! nobody asks for them before the services run. squashfs reads block by block: whoever needs
//! something else meanwhile waits for one block.

use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use rustix::fs::{Advice, fadvise};

use aios_service::installer;

/// What is read.
const FOLDER: &str = "/usr/lib/aios/models";

/// Bytes per request: a block of the root's squashfs (`xtask/src/rootfs.rs`). One that is asked
/// for in pieces is read as often.
const STEP: u64 = 256 << 10;

/// Starts it beside the boot; PID 1 reaps it like any orphan.
///
/// # Errors
/// No process can be started; the boot is slower.
pub fn begin() -> io::Result<()> {
    let mut reader = Command::new("/proc/self/exe");
    reader.arg("readahead").stdin(Stdio::null()).spawn()?;
    Ok(())
}

/// Reads ahead, as well as it can: who needs a file opens it again, and says what is wrong.
pub fn run() -> ExitCode {
    let command_line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if installer::is_asked(&command_line) {
        return ExitCode::SUCCESS; // it starts no models, and its medium may be slow
    }
    let Ok(files) = std::fs::read_dir(FOLDER) else {
        return ExitCode::FAILURE;
    };
    for file in files.flatten() {
        // Err: its reader will say so.
        let _ = read(&file.path());
    }
    ExitCode::SUCCESS
}

fn read(path: &Path) -> io::Result<()> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    for at in (0..size).step_by(STEP as usize) {
        fadvise(&file, at, NonZeroU64::new(STEP), Advice::WillNeed)?;
    }
    Ok(())
}
