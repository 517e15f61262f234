//! Tests that run on mounts of their own, in a process with its own mount namespace.

use std::path::{Path, PathBuf};
use std::process::Command;

use aios_tools::registry::Registry;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::Machine;

const BIND: &str = "mount --bind \"$at\" \"$at\"";
const TMPFS: &str = "mount -t tmpfs -o size=48m tmpfs \"$at\"";
/// With something in its lower layer. Over another overlay, as in a container, there may be none.
const OVERLAY: &str = "mkdir \"$at/l\" \"$at/u\" \"$at/w\" \"$at/l/lower\" \"$at/l/lower/sub\" \
     && echo a > \"$at/l/lower/a\" && echo b > \"$at/l/lower/sub/b\" \
     && mount -t overlay -o lowerdir=\"$at/l\",upperdir=\"$at/u\",workdir=\"$at/w\" overlay \"$at\"";

/// Is what lies there still there after a reboot?
pub fn lasts(folder: &Path) -> bool {
    rustix::fs::statfs(folder).unwrap().f_type != 0x0102_1994 // tmpfs
}

/// Set in a process that has a mount namespace of its own: the folder that a mount is at.
pub const MOUNTED: &str = "AIOS_TEST_MOUNTED";

/// Runs the test of this name on a machine, in a folder on the file system of its state, then in
/// processes of their own on another mount and on one that is lost at a reboot (where this user may
/// mount).
pub fn on_each_file_system(name: &str, check: fn(&Machine, &Path)) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let machine = Machine::new(Registry::complete());
    if let Some(mounted) = std::env::var_os(MOUNTED) {
        return check(&machine, Path::new(&mounted));
    }
    check(&machine, &PathBuf::from(machine.path("")));
    for (mount, may_lack) in [(BIND, false), (TMPFS, false), (OVERLAY, true)] {
        let folder = TempDir::new().unwrap();
        let script = format!(
            "set -e; at=\"$AIOS_TEST_MOUNTED\"; {{ {mount}; }} || exit 77; exec \"$0\" --exact {name} --nocapture"
        );
        let inside = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .arg(std::env::current_exe().unwrap())
            .env(MOUNTED, folder.path())
            .status();
        match inside.map(|status| status.code()) {
            Ok(Some(0)) => {}
            Ok(Some(1 | 77)) if may_lack || !rustix::process::geteuid().is_root() => {
                println!("not tried: {mount}");
            }
            Err(error) => println!("not tried: unshare: {error}"),
            other => panic!("{mount}: {other:?}"),
        }
    }
}

/// Runs a check in a process of its own, where these folders are empty and no other process is seen:
/// nothing that it does there reaches this machine. Not without root, where it says so.
pub fn with_own_folders(name: &str, folders: &[&str], check: impl FnOnce()) {
    if std::env::var_os(MOUNTED).is_some() {
        return check();
    }
    if !aios_testkit::needs::root() || !aios_testkit::needs::programs(&["unshare"]) {
        return;
    }
    let mounts: Vec<String> = folders
        .iter()
        .map(|folder| format!("mount -t tmpfs -o mode=755 tmpfs {folder}"))
        .collect();
    let script = format!(
        "set -e; {}; exec \"$0\" --exact {name} --nocapture",
        mounts.join("; ")
    );
    let status = Command::new("unshare")
        .args([
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--mount-proc",
        ])
        .args(["sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(MOUNTED, "1")
        .status()
        .unwrap();
    assert!(status.success(), "{name}: {status}");
}
