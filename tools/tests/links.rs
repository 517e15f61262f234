//! Files with several names, with holes, and of other kinds than file, folder and link: what a tool
//! changes and undo gives back.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use common::mounted::{MOUNTED, lasts, on_each_file_system};

use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Command;

use common::Machine;
use rustix::fs::XattrFlags;
use serde_json::json;

fn meta(path: impl AsRef<Path>) -> std::fs::Metadata {
    path.as_ref().symlink_metadata().unwrap()
}

/// What is allocated for a file, in bytes.
fn allocated(path: impl AsRef<Path>) -> u64 {
    meta(path).blocks() * 512
}

fn sparse(path: &Path, size: u64) {
    std::fs::File::create(path).unwrap().set_len(size).unwrap();
}

/// Writing by one name would change what other names are, for which the caller holds nothing; and a
/// new file in its place would split them. So it is refused, and says what else can be done.
#[test]
fn a_file_with_several_names_is_not_written_to() {
    on_each_file_system(
        "a_file_with_several_names_is_not_written_to",
        |machine, root| {
            let (one, other) = (root.join("h1"), root.join("h2"));
            std::fs::write(&one, "one\n").unwrap();
            std::fs::hard_link(&one, &other).unwrap();
            for tool in ["fs.write", "fs.append"] {
                let refused = machine.act(tool, json!({"path": one, "content": "two\n"}));
                let text = refused.unwrap_err().to_string();
                assert!(text.contains("has 2 names"), "{tool}: {text}");
            }
            assert_eq!(std::fs::read_to_string(&other).unwrap(), "one\n");
            assert_eq!(meta(&one).ino(), meta(&other).ino());
            std::fs::remove_file(&other).unwrap();
            let written = machine.act("fs.write", json!({"path": one, "content": "two\n"}));
            machine.undo(&written.unwrap()).unwrap();
            assert_eq!(std::fs::read_to_string(&one).unwrap(), "one\n");
        },
    );
}

#[test]
fn a_tree_that_was_deleted_comes_back_with_its_links_and_holes() {
    on_each_file_system(
        "a_tree_that_was_deleted_comes_back_with_its_links_and_holes",
        |machine, root| {
            let tree = root.join("del");
            std::fs::create_dir_all(tree.join("sub/deeper")).unwrap();
            std::fs::write(tree.join("a"), "x").unwrap();
            std::fs::hard_link(tree.join("a"), tree.join("sub/b")).unwrap();
            std::fs::hard_link(tree.join("a"), tree.join("sub/deeper/c")).unwrap();
            symlink("a", tree.join("link")).unwrap();
            std::fs::hard_link(tree.join("link"), tree.join("sub/link")).unwrap();
            sparse(&tree.join("sparse"), 300 << 20);
            std::fs::write(tree.join("filled"), vec![0; 1 << 20]).unwrap();
            let noted = rustix::fs::setxattr(tree.join("a"), "user.n", b"1", XattrFlags::empty());
            let before = meta(&tree);
            let changed = meta(tree.join("sub/deeper")).mtime();
            let deleted = machine.act("fs.delete", json!({"path": tree})).unwrap();
            assert!(!tree.exists());
            machine.undo(&deleted).unwrap();
            for name in ["a", "sub/b", "sub/deeper/c"] {
                let meta = meta(tree.join(name));
                assert_eq!(meta.nlink(), 3, "{name}");
                assert_eq!(meta.ino(), tree.join("a").metadata().unwrap().ino());
                if noted.is_ok() {
                    let mut note = [0; 4];
                    let read = rustix::fs::getxattr(tree.join(name), "user.n", &mut note[..]);
                    assert_eq!((read, note[0]), (Ok(1), b'1'));
                }
            }
            assert_eq!(
                meta(tree.join("link")).ino(),
                meta(tree.join("sub/link")).ino()
            );
            assert_eq!(meta(tree.join("sparse")).len(), 300 << 20);
            assert!(allocated(tree.join("sparse")) < 1 << 20);
            assert_eq!(std::fs::read(tree.join("filled")).unwrap(), [0; 1 << 20]);
            let after = meta(&tree);
            assert_eq!(
                (before.mtime(), before.mode()),
                (after.mtime(), after.mode())
            );
            assert_eq!(meta(tree.join("sub/deeper")).mtime(), changed);
            std::fs::remove_dir_all(&tree).unwrap();
        },
    );
}

/// Across file systems a name cannot stay the name of a file that stays behind.
#[test]
fn a_name_is_not_split_from_others_outside_of_what_is_deleted() {
    on_each_file_system(
        "a_name_is_not_split_from_others_outside_of_what_is_deleted",
        |machine, root| {
            let (tree, outside) = (root.join("tree"), root.join("outside"));
            std::fs::create_dir(&tree).unwrap();
            std::fs::write(tree.join("a"), "x").unwrap();
            std::fs::hard_link(tree.join("a"), &outside).unwrap();
            match machine.act("fs.delete", json!({"path": tree})) {
                Ok(deleted) => drop(machine.undo(&deleted).unwrap()),
                Err(error) => assert!(error.to_string().contains("1 more name"), "{error}"),
            }
            assert_eq!(meta(tree.join("a")).ino(), meta(&outside).ino());
        },
    );
}

#[test]
fn holes_stay_holes_when_a_file_is_copied_appended_to_or_brought_back() {
    on_each_file_system(
        "holes_stay_holes_when_a_file_is_copied_appended_to_or_brought_back",
        |machine, root| {
            let (file, copy) = (root.join("sparse"), root.join("copy"));
            sparse(&file, 32 << 20);
            let small = |path: &Path| assert!(allocated(path) < 1 << 20, "{}", allocated(path));
            let copied = machine.act("fs.copy", json!({"source": file, "destination": copy}));
            copied.unwrap();
            small(&copy);
            let appended = machine.act("fs.append", json!({"path": file, "content": "end"}));
            small(&file);
            assert_eq!(meta(&file).len(), (32 << 20) + 4);
            machine.undo(&appended.unwrap()).unwrap();
            small(&file);
            assert_eq!(meta(&file).len(), 32 << 20);
        },
    );
}

#[test]
fn a_folder_with_sockets_and_fifos_is_deleted_and_comes_back() {
    on_each_file_system(
        "a_folder_with_sockets_and_fifos_is_deleted_and_comes_back",
        |machine, root| {
            let tree = root.join("sock");
            std::fs::create_dir(&tree).unwrap();
            let listener = UnixListener::bind(tree.join("app.sock")).unwrap();
            let fifo = Command::new("mkfifo").arg(tree.join("fifo")).status();
            assert!(fifo.unwrap().success());
            let inode = meta(tree.join("app.sock")).ino();
            let deleted = machine.act("fs.delete", json!({"path": tree})).unwrap();
            assert!(!tree.exists());
            let undone = machine.undo(&deleted).unwrap();
            let kind = rustix::fs::FileType::from_raw_mode(meta(tree.join("app.sock")).mode());
            assert_eq!(kind, rustix::fs::FileType::Socket);
            let same = meta(tree.join("app.sock")).ino() == inode;
            let heard = UnixStream::connect(tree.join("app.sock")).is_ok();
            assert_eq!(heard, same, "{undone}");
            // Told before it is undone, when it will not be the same socket.
            assert_eq!(
                deleted.summary.contains("1 socket"),
                !same,
                "{}",
                deleted.summary
            );
            drop(listener);
        },
    );
}

/// A device node needs a right that the daemon has not, so only a rename can move one.
#[test]
fn a_device_node_is_moved_by_renaming_or_not_at_all() {
    on_each_file_system(
        "a_device_node_is_moved_by_renaming_or_not_at_all",
        |machine, root| {
            let tree = root.join("dev");
            std::fs::create_dir(&tree).unwrap();
            let made = Command::new("mknod")
                .arg(tree.join("null"))
                .args(["c", "1", "3"])
                .status();
            if !made.unwrap().success() {
                return; // only root makes device nodes
            }
            match machine.act("fs.delete", json!({"path": tree})) {
                Ok(deleted) => drop(machine.undo(&deleted).unwrap()),
                Err(error) => assert!(error.to_string().contains("character device"), "{error}"),
            }
            assert!(tree.join("null").exists());
        },
    );
}

/// On another mount than the state's it is renamed on its own, not copied.
#[test]
fn deleting_needs_no_space_on_the_disk_of_the_state() {
    on_each_file_system(
        "deleting_needs_no_space_on_the_disk_of_the_state",
        |machine, root| {
            if std::env::var_os(MOUNTED).is_some() && lasts(root) {
                delete_on_a_mount_of_its_own(machine, root);
            }
        },
    );
}

fn delete_on_a_mount_of_its_own(machine: &Machine, root: &Path) {
    let file = root.join("folder/large");
    std::fs::create_dir(root.join("folder")).unwrap();
    std::fs::write(&file, vec![1; 1 << 20]).unwrap();
    let inode = meta(&file).ino();
    let deleted = machine.act("fs.delete", json!({"path": file})).unwrap();
    let kept = root.join(".aios-quarantine").join(&deleted.execution_id);
    assert_eq!(meta(&kept).ino(), inode, "it was copied");
    let quarantine = meta(root.join(".aios-quarantine"));
    assert_eq!(quarantine.mode() & 0o7777, 0o700);

    // What it takes is told, because deleting made no room.
    let usage = machine.act("fs.disk_usage", json!({"path": root})).unwrap();
    assert!(usage.output["deleted"].as_u64().unwrap() >= 1 << 20);
    assert!(usage.output["below"].as_u64().unwrap() >= 1 << 20);
    assert!(usage.summary.contains("undo"), "{}", usage.summary);

    // No tool shows it, reads it or changes it.
    let listed = machine.act("fs.list", json!({"path": root})).unwrap();
    assert!(!listed.summary.contains("quarantine"), "{}", listed.summary);
    let found = machine.act("fs.search", json!({"path": root, "pattern": "*"}));
    let found = found.unwrap().output.to_string();
    assert!(
        found.contains("folder") && !found.contains("quarantine"),
        "{found}"
    );
    for (tool, arguments) in [
        ("fs.read", json!({"path": kept})),
        ("fs.list", json!({"path": root.join(".aios-quarantine")})),
        ("fs.write", json!({"path": kept, "content": ""})),
        ("fs.delete", json!({"path": root.join(".aios-quarantine")})),
        (
            "fs.disk_usage",
            json!({"path": root.join(".aios-quarantine")}),
        ),
    ] {
        let refused = machine.act(tool, arguments).unwrap_err();
        assert!(
            refused.to_string().contains("quarantine"),
            "{tool}: {refused}"
        );
    }
    machine.undo(&deleted).unwrap();
    assert_eq!(meta(&file).ino(), inode);
    let usage = machine.act("fs.disk_usage", json!({"path": root})).unwrap();
    assert_eq!(usage.output["deleted"], 0, "{}", usage.summary);

    // What is deleted by somebody else's quarantine does not go there.
    std::fs::remove_dir(root.join(".aios-quarantine")).unwrap();
    symlink("/tmp", root.join(".aios-quarantine")).unwrap();
    let deleted = machine.act("fs.delete", json!({"path": file})).unwrap();
    machine.undo(&deleted).unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), vec![1; 1 << 20]);
}

/// What an overlay shows of its lower layer cannot be renamed when it is a folder, so it is copied.
#[test]
fn what_is_in_the_lower_layer_of_an_overlay_is_deleted_and_comes_back() {
    on_each_file_system(
        "what_is_in_the_lower_layer_of_an_overlay_is_deleted_and_comes_back",
        |machine, root| {
            if !root.join("lower").exists() {
                return; // no overlay
            }
            for path in [root.join("lower"), root.join("lower/sub/b")] {
                let deleted = machine.act("fs.delete", json!({"path": path})).unwrap();
                assert!(!path.exists());
                let quarantine = root.join(".aios-quarantine");
                assert!(quarantine.join(&deleted.execution_id).exists());
                machine.undo(&deleted).unwrap();
                assert_eq!(
                    std::fs::read_to_string(root.join("lower/a")).unwrap(),
                    "a\n"
                );
                assert_eq!(
                    std::fs::read_to_string(root.join("lower/sub/b")).unwrap(),
                    "b\n"
                );
            }
        },
    );
}

#[test]
fn what_does_not_fit_elsewhere_is_not_begun_to_be_moved() {
    on_each_file_system(
        "what_does_not_fit_elsewhere_is_not_begun_to_be_moved",
        |machine, root| {
            if lasts(root) {
                return; // only the tmpfs is small
            }
            let large = machine.path("large");
            std::fs::write(&large, vec![1; 64 << 20]).unwrap();
            let arguments = json!({"source": large, "destination": root.join("large")});
            let refused = machine.act("fs.move", arguments).unwrap_err().to_string();
            assert!(refused.contains("nothing was changed"), "{refused}");
            assert_eq!(meta(&large).len(), 64 << 20);
            assert_eq!(root.read_dir().unwrap().count(), 0);
        },
    );
}
