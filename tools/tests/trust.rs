//! What a tool must not give away or let somebody use: privileges of files, secrets behind other
//! names, kept contents that somebody changed.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aios_tools::registry::Registry;
use common::Machine;
use rustix::fs::XattrFlags;
use serde_json::json;
use tokio::runtime::Runtime;

fn on_a_machine(check: fn(&Machine, &Path)) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let machine = Machine::new(Registry::complete());
    check(&machine, &PathBuf::from(machine.path("")));
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// cap_net_raw=ep, as the kernel stores it (struct vfs_cap_data, revision 2).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

#[test]
fn a_file_loses_its_privileges_with_its_content_and_gets_them_back_with_it() {
    on_a_machine(|machine, root| {
        let file = root.join("suid");
        let attribute = |path: &Path| {
            let mut value = [0; 32];
            rustix::fs::getxattr(path, "security.capability", &mut value[..]).ok()
        };
        for tool in ["fs.write", "fs.append"] {
            std::fs::write(&file, "#!/bin/sh\n").unwrap();
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o6755)).unwrap();
            let name = "security.capability";
            let set = rustix::fs::setxattr(&file, name, &CAPABILITY, XattrFlags::empty());
            let before = attribute(&file);
            assert_eq!(set.is_ok(), before.is_some());
            let done = machine
                .act(tool, json!({"path": file, "content": "x\n"}))
                .unwrap();
            assert_eq!((mode(&file), attribute(&file)), (0o755, None), "{tool}");
            assert!(done.summary.contains("privileges"), "{}", done.summary);
            machine.undo(&done).unwrap();
            assert_eq!((mode(&file), attribute(&file)), (0o6755, before), "{tool}");
        }
        let same = json!({"path": file, "content": "#!/bin/sh\n"});
        machine.act("fs.write", same).unwrap();
        assert_eq!(mode(&file), 0o6755, "nothing changed");
    });
}

/// A hard link to a key in a folder that may be read.
#[test]
fn a_secret_is_one_under_every_name() {
    on_a_machine(|machine, root| {
        let key = machine.folder.path().join("state/tools/ledger.key");
        let (link, tree) = (root.join("tree/hard"), root.join("tree"));
        std::fs::create_dir(&tree).unwrap();
        std::fs::hard_link(key, &link).unwrap();
        for (tool, arguments) in [
            ("fs.read", json!({"path": link})),
            ("text.diff", json!({"path": link, "other": link})),
            (
                "fs.copy",
                json!({"source": link, "destination": root.join("c")}),
            ),
            (
                "fs.copy",
                json!({"source": tree, "destination": root.join("c")}),
            ),
            ("fs.write", json!({"path": link, "content": "x"})),
        ] {
            let refused = machine.act(tool, arguments).unwrap_err().to_string();
            assert!(
                refused.contains("secret") || refused.contains("names"),
                "{tool}: {refused}"
            );
            assert!(!root.join("c").exists());
        }
        // Two names of anything else are no reason to refuse.
        std::fs::write(root.join("one"), "plain").unwrap();
        std::fs::hard_link(root.join("one"), root.join("two")).unwrap();
        machine
            .act("fs.read", json!({"path": root.join("two")}))
            .unwrap();
    });
}

#[test]
fn disk_usage_names_no_secret() {
    on_a_machine(|machine, _| {
        for path in ["/etc/aios/pki", "/etc/shadow"] {
            let refused = machine
                .act("fs.disk_usage", json!({"path": path}))
                .unwrap_err();
            assert!(refused.to_string().contains("holds secrets"), "{refused}");
        }
        let done = machine.act(
            "fs.disk_usage",
            json!({"path": machine.folder.path().join("state")}),
        );
        let text = done.unwrap().output.to_string();
        assert!(text.contains("state/ledger"), "{text}");
        assert!(!text.contains("state/tools"), "{text}");
    });
}

/// Whoever can write to the undo store does not decide what undo writes elsewhere.
#[test]
fn what_was_kept_and_then_changed_is_not_put_back() {
    on_a_machine(|machine, root| {
        let file = root.join("x");
        std::fs::write(&file, "before").unwrap();
        let done = machine
            .act("fs.write", json!({"path": file, "content": "after"}))
            .unwrap();
        let kept = machine
            .folder
            .path()
            .join("state/undo")
            .join(&done.execution_id)
            .join("0");
        assert_eq!(std::fs::read_to_string(&kept).unwrap(), "before");
        std::fs::write(&kept, "forged").unwrap();
        let refused = machine.undo(&done).unwrap_err().to_string();
        assert!(refused.contains("was changed"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        std::fs::write(&kept, "before").unwrap();
        machine.undo(&done).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
    });
}
