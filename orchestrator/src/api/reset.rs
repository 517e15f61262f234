//! Factory reset: the mark that PID 1 looks for before anything uses the data disk
//! (`init/pid1/src/boot/reset.rs`).

use std::fs::File;
use std::io;
use std::path::Path;

use tonic::Status;

/// The name of the mark in the orchestrator's state folder.
const MARK: &str = "factory-reset";

/// Leaves the mark, durably; the next boot erases everything.
///
/// # Errors
/// When this is not that node, or the mark cannot be written.
pub(super) fn prepare(state: &Path, node: &str) -> Result<(), Status> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if node != name.trim() {
        return Err(Status::invalid_argument(format!(
            "this node is {:?}, not {node:?}; nothing was erased",
            name.trim()
        )));
    }
    if is_in_memory(state) {
        return Err(Status::failed_precondition(
            "the data disk is missing, so nothing on it can be erased: see `aiosctl degraded`",
        ));
    }
    leave(state).map_err(|error| {
        Status::internal(format!(
            "cannot write {}: {error}; nothing was erased",
            state.join(MARK).display()
        ))
    })
}

/// Is this folder gone with the power? Then it is not on the data disk.
fn is_in_memory(folder: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994; // linux/magic.h
    rustix::fs::statfs(folder).is_ok_and(|found| found.f_type == TMPFS)
}

fn leave(state: &Path) -> io::Result<()> {
    File::create(state.join(MARK))?.sync_all()?;
    File::open(state)?.sync_all()
}
