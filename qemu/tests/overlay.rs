//! A container whose folder is on an overlay file system, as inside Docker, is refused with a
//! reason and a way out, before anything is made for it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test panics when a promise is broken"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

use aios_qemu::{Artefacts, Machine, Options, Way};

/// Names the folder to the second run of this test, which is in a mount namespace of its own.
const FOLDER: &str = "AIOS_TEST_OVERLAY";

#[test]
fn a_container_on_an_overlay_file_system_is_refused_with_a_way_out() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return is_refused(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // The upper layer is on a tmpfs: this test may itself be run inside Docker.
    let script = "mount -t tmpfs tmpfs \"$1\" && mkdir \"$1/upper\" \"$1/work\" \"$1/merged\" && \
                  mount -t overlay -o lowerdir=/etc,upperdir=\"$1/upper\",workdir=\"$1/work\" \
                        overlay \"$1/merged\" && exec \"$2\" --exact --nocapture \"$3\"";
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .arg("a_container_on_an_overlay_file_system_is_refused_with_a_way_out")
        .env(FOLDER, folder.path().join("merged"))
        .output()
        .expect("unshare (util-linux) starts");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn is_refused(folder: &Path) {
    let instance = folder.join("instance");
    let options = Options::new(Way::Container, &instance).unwrap();
    let Err(refused) = Machine::start(&nothing_built(), &options) else {
        panic!("a container was started on an overlay");
    };
    let told = format!("{refused:#}");
    for word in [
        instance.to_str().unwrap(),
        "overlay file system",
        "TMPDIR",
        "target/aios/instances",
    ] {
        assert!(told.contains(word), "no {word:?} in: {told}");
    }
    let made: Vec<_> = std::fs::read_dir(&instance).unwrap().collect();
    assert!(made.is_empty(), "{made:?}");
}

/// The refusal comes before anything that was built is used.
fn nothing_built() -> Artefacts {
    let nowhere = PathBuf::from("/nowhere");
    Artefacts {
        kernel: nowhere.clone(),
        command_line: String::new(),
        root: nowhere.clone(),
        rootfs: nowhere.clone(),
        data: nowhere.clone(),
        disk: nowhere.clone(),
        aiosctl: nowhere,
    }
}
