//! An emulated TPM 2.0, by swtpm.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::arguments;

/// Where it keeps its memory, in the instance's folder. Without it, the TPM is another one.
const MEMORY: &str = "tpm";

/// How long it may take to listen.
const LIMIT: Duration = Duration::from_secs(10);

/// Starts one that QEMU finds at its socket, and that ends when QEMU does.
///
/// # Errors
/// When swtpm cannot be started.
pub(crate) fn start(folder: &Path) -> Result<Child> {
    std::fs::create_dir_all(folder.join(MEMORY))?;
    let socket = folder.join(arguments::TPM);
    if socket.exists() {
        std::fs::remove_file(&socket)?; // of a run that was interrupted
    }
    let mut child = Command::new("swtpm")
        .args(["socket", "--tpm2", "--terminate"])
        .args(["--tpmstate", &format!("dir={MEMORY}")])
        .args(["--ctrl", &format!("type=unixio,path={}", arguments::TPM)])
        // Its socket is named relative to it: a socket's path must be short.
        .current_dir(folder)
        .stdin(Stdio::null())
        // Its end is QEMU's, not that of who interrupts a test.
        .process_group(0)
        .spawn()
        .context("cannot start swtpm; `cargo xtask test` installs it")?;
    let end = Instant::now() + LIMIT;
    while !socket.exists() {
        ensure!(child.try_wait()?.is_none(), "swtpm ended at once");
        ensure!(Instant::now() < end, "swtpm does not listen");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(child)
}
