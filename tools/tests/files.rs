//! The tools of files and texts that came later, through the pipeline: what they did is undone exactly.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]
#![allow(clippy::disallowed_methods)] // a test sleeps in a thread of its own

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use aios_tools::registry::Registry;
use common::Machine;
use rustix::fs::XattrFlags;
use serde_json::json;

/// Kind, mode, owner and content of all below a folder.
fn tree(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stat = path.symlink_metadata().unwrap();
        let mut note = [0; 64];
        let note = match rustix::fs::lgetxattr(&path, "user.note", &mut note[..]) {
            Ok(size) => format!("{:?}", &note[..size]),
            Err(_) => String::new(),
        };
        let content = match stat.is_file() {
            true => std::fs::read(&path).unwrap(),
            false => Vec::new(),
        };
        let line = format!(
            "{:o} {}:{} {note} {content:?}",
            stat.mode(),
            stat.uid(),
            stat.gid()
        );
        found.insert(path.to_str().unwrap().to_owned(), line);
        if stat.is_dir() {
            found.extend(tree(&path));
        }
    }
    found
}

fn made(machine: &Machine) {
    let (folder, file) = (machine.path("site/inner"), machine.path("site/inner/run"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(&file, "one\ntwo\n").unwrap();
    std::fs::write(machine.path("site/b"), "{{x}}").unwrap();
    std::os::unix::fs::symlink("b", machine.path("site/link")).unwrap();
    let mode = std::fs::Permissions::from_mode(0o4711);
    std::fs::set_permissions(&file, mode).unwrap();
    let _ = rustix::fs::setxattr(&file, "user.note", b"kept", XattrFlags::empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_owners_and_contents_come_back() {
    let machine = Machine::new(Registry::complete());
    made(&machine);
    let site = machine.path("site");
    let file = machine.path("site/inner/run");
    let before = tree(Path::new(&site));
    let check = |tool: &str, arguments: serde_json::Value| {
        tokio::task::block_in_place(|| {
            let done = machine.act(tool, arguments).unwrap();
            assert!(done.reversible, "{tool}");
            assert_ne!(tree(Path::new(&site)), before, "{tool}: {}", done.summary);
            let undone = machine.undo(&done).unwrap();
            assert_eq!(tree(Path::new(&site)), before, "{tool}: {undone}");
        });
    };
    check(
        "fs.chmod",
        json!({"path": site, "mode": "0700", "below": true}),
    );
    check("fs.chmod", json!({"path": file, "mode": "0600"}));
    if rustix::process::geteuid().is_root() {
        check(
            "fs.chown",
            json!({"path": site, "owner": "4711", "below": true}),
        );
        check("fs.chown", json!({"path": file, "group": "daemon"}));
    }
    check("fs.edit", json!({"path": file, "old": "two", "new": "2"}));
    check(
        "text.patch",
        json!({"path": file, "patch": "@@ -1,2 +1,2 @@\n one\n-two\n+2\n"}),
    );
    let template = json!({"template": machine.path("site/b"), "values": {"x": "y"}, "path": file});
    check("text.template", template);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_waited_for_in_a_confined_thread() {
    let machine = Machine::new(Registry::complete());
    let (folder, file) = (machine.path(""), machine.path("x"));
    let made = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        std::fs::write(file, "").unwrap();
    });
    let watched = tokio::task::block_in_place(|| {
        machine.act("fs.watch", json!({"path": folder, "seconds": 20}))
    });
    made.join().unwrap();
    let summary = watched.unwrap().summary;
    assert!(summary.contains("/x is there now"), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mode_that_somebody_changed_since_is_not_taken_back() {
    let machine = Machine::new(Registry::complete());
    made(&machine);
    let site = machine.path("site");
    let done = tokio::task::block_in_place(|| {
        machine.act(
            "fs.chmod",
            json!({"path": site, "mode": "0700", "below": true}),
        )
    });
    let done = done.unwrap();
    let mode = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(machine.path("site/b"), mode).unwrap();
    let refused = tokio::task::block_in_place(|| machine.undo(&done)).unwrap_err();
    assert!(
        refused.to_string().contains("was changed since"),
        "{refused}"
    );
    let same = tokio::task::block_in_place(|| {
        machine.act(
            "fs.chmod",
            json!({"path": machine.path("site/b"), "mode": "0640"}),
        )
    });
    assert!(same.unwrap().summary.contains("had it already"));
}
