//! Accounts are made, changed and removed through the pipeline, and undo brings back exactly what was.
//! Each test has an `/etc` and a `/home` of its own, in a process with its own mounts (needs root).
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aios_tool::context::{Context, Surroundings};
use aios_tool::error::ToolError;
use aios_tool::preview::Preview;
use aios_tools::registry::Registry;
use common::Machine;
use common::mounted::with_own_folders;
use serde_json::{Value, json};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqbG4pAZbDOtMsM7LEcUTjMGBp2IlxiZmTcpn7D4Tzq ada@example.org";
const HASH: &str = "$y$j9T$averysecrethash";

/// Makes the tables of a small machine.
fn furnish() {
    let put = |path: &str, text: &str, mode| {
        std::fs::create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    put(
        "/etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\naios-tools:x:904:900:aiOS:/nonexistent:/usr/sbin/nologin\n\
         www-data:x:33:33:www:/var/www:/usr/sbin/nologin\nbob:x:1000:1000::/home/bob:/bin/bash\n",
        0o644,
    );
    put(
        "/etc/shadow",
        &format!("root:*:1::::::\nbob:{HASH}:1:0:99999:7:::\n"),
        0o640,
    );
    put(
        "/etc/group",
        "root:x:0:\nwww-data:x:33:\nshadow:x:42:\naios:x:900:\nbob:x:1000:\n",
        0o644,
    );
    put("/etc/gshadow", "www-data:*::\nbob:!::\n", 0o640);
    put("/etc/subuid", "bob:100000:65536\n", 0o644);
    put("/etc/shells", "/bin/sh\n/bin/bash\n", 0o644);
    put("/etc/skel/.profile", "# profile\n", 0o644);
    put("/home/bob/file", "bob's\n", 0o600);
    std::os::unix::fs::chown("/etc/shadow", Some(0), Some(42)).unwrap();
}

/// All that is in `/etc` and `/home`: mode, owner, and content or target.
fn all() -> BTreeMap<String, (u32, u32, u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec!["/etc".into(), "/home".into()];
    while let Some(path) = open.pop() {
        let path: std::path::PathBuf = path;
        let meta = path.symlink_metadata().unwrap();
        let content = if meta.is_dir() {
            open.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
            Vec::new()
        } else if meta.is_symlink() {
            path.read_link()
                .unwrap()
                .into_os_string()
                .into_encoded_bytes()
        } else {
            std::fs::read(&path).unwrap()
        };
        let state = (meta.mode(), meta.uid(), meta.gid(), content);
        found.insert(path.display().to_string(), state);
    }
    found
}

fn text(path: &str) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// What a call would do.
fn preview(machine: &Machine, tool: &str, order: Value) -> Result<Preview, ToolError> {
    let surroundings = Surroundings {
        run_dir: machine.folder.path().to_owned(),
        state_dir: machine.folder.path().to_owned(),
        owner: (0, 0),
        runtime: tokio::runtime::Handle::current(),
        parts: Vec::new(),
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let context = Context::new(Arc::new(surroundings), "e", deadline);
    let tool = Registry::complete().find(tool)?;
    tool.prepare(order, &context)?.call.preview(&context)
}

fn inside(name: &str, check: fn(&Machine)) {
    with_own_folders(name, &["/etc", "/home"], || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let _entered = runtime.enter();
        furnish();
        check(&Machine::new(Registry::complete()));
    });
}

#[test]
fn an_account_is_added_and_taken_back_to_the_byte() {
    inside(
        "an_account_is_added_and_taken_back_to_the_byte",
        |machine| {
            let before = all();
            let order = json!({"name": "ada", "full_name": "Ada Lovelace"});
            let done = machine.act("user.add", order).unwrap();
            assert!(
                text("/etc/passwd").ends_with("ada:x:1001:1001:Ada Lovelace:/home/ada:/bin/bash\n")
            );
            assert!(
                text("/etc/shadow").contains("\nada:!:"),
                "{}",
                text("/etc/shadow")
            );
            assert!(text("/etc/group").ends_with("ada:x:1001:\n"));
            assert!(text("/etc/subuid").ends_with("ada:165536:65536\n"));
            let home = Path::new("/home/ada").metadata().unwrap();
            assert_eq!(
                (home.mode() & 0o7777, home.uid(), home.gid()),
                (0o700, 1001, 1001)
            );
            let profile = Path::new("/home/ada/.profile").metadata().unwrap();
            assert_eq!((profile.uid(), profile.mode() & 0o777), (1001, 0o644));
            let shadow = Path::new("/etc/shadow").metadata().unwrap();
            assert_eq!((shadow.mode() & 0o777, shadow.gid()), (0o640, 42));
            machine.undo(&done).unwrap();
            assert_eq!(all(), before);
        },
    );
}

#[test]
fn what_is_shown_before_has_no_hash() {
    inside("what_is_shown_before_has_no_hash", |machine| {
        for (tool, order) in [
            ("user.add", json!({"name": "ada"})),
            ("user.remove", json!({"name": "bob"})),
        ] {
            let shown = serde_json::to_string(&preview(machine, tool, order).unwrap()).unwrap();
            assert!(
                shown.contains("/etc/shadow") && !shown.contains("$y$"),
                "{shown}"
            );
        }
        let listed = machine.act("user.list", json!({"of": "all"})).unwrap();
        let listed = listed.output.to_string();
        assert!(
            !listed.contains("$y$") && listed.contains("\"password\":\"set\""),
            "{listed}"
        );
    });
}

#[test]
fn an_account_is_removed_with_or_without_its_home() {
    inside(
        "an_account_is_removed_with_or_without_its_home",
        |machine| {
            symlink("/etc/shadow", "/home/bob/link").unwrap();
            let before = all();
            let kept = machine.act("user.remove", json!({"name": "bob"})).unwrap();
            assert!(!text("/etc/passwd").contains("bob") && !text("/etc/shadow").contains("bob"));
            assert!(Path::new("/home/bob/file").exists());
            machine.undo(&kept).unwrap();
            assert_eq!(all(), before);
            let order = json!({"name": "bob", "home": "delete"});
            let deleted = machine.act("user.remove", order).unwrap();
            assert!(!Path::new("/home/bob").exists() && Path::new("/etc/shadow").exists());
            machine.undo(&deleted).unwrap();
            assert_eq!(all(), before);
        },
    );
}

#[test]
fn who_comes_back_gets_the_home_that_was_kept() {
    inside("who_comes_back_gets_the_home_that_was_kept", |machine| {
        std::os::unix::fs::chown("/home/bob", Some(1000), Some(1000)).unwrap();
        machine.act("user.remove", json!({"name": "bob"})).unwrap();
        machine.act("user.add", json!({"name": "bob"})).unwrap();
        assert!(text("/etc/passwd").contains("bob:x:1000:1000:"));
        std::fs::create_dir("/home/eve").unwrap(); // root's
        let refused = machine.act("user.add", json!({"name": "eve"})).unwrap_err();
        assert!(
            refused.to_string().contains("/home/eve is there already"),
            "{refused}"
        );
    });
}

#[test]
fn accounts_and_groups_of_others_are_never_touched() {
    inside(
        "accounts_and_groups_of_others_are_never_touched",
        |machine| {
            let before = all();
            let orders: [(&str, Value, &str); 10] = [
                ("user.remove", json!({"name": "root"}), "is root"),
                (
                    "user.remove",
                    json!({"name": "aios-tools"}),
                    "an account of aiOS",
                ),
                ("user.remove", json!({"name": "www-data"}), "of the system"),
                ("user.add", json!({"name": "aios-tools"}), "already"),
                (
                    "user.add",
                    json!({"name": "ada", "shell": "/tmp/x"}),
                    "no shell",
                ),
                (
                    "user.group_add",
                    json!({"name": "bob", "group": "aios"}),
                    "opens the whole machine",
                ),
                (
                    "user.group_add",
                    json!({"name": "bob", "group": "shadow"}),
                    "opens the whole machine",
                ),
                (
                    "user.group_add",
                    json!({"name": "www-data", "group": "bob"}),
                    "of the system",
                ),
                (
                    "user.ssh_key_add",
                    json!({"name": "root", "key": KEY}),
                    "ssh.authorized_keys",
                ),
                (
                    "user.ssh_key_add",
                    json!({"name": "bob", "key": "ssh-ed25519 AAAA x"}),
                    "whole public key",
                ),
            ];
            for (tool, order, why) in orders {
                let refused = machine.act(tool, order.clone()).unwrap_err().to_string();
                assert!(refused.contains(why), "{tool} {order}: {refused}");
            }
            assert_eq!(all(), before);
        },
    );
}

#[test]
fn groups_and_keys_come_and_go() {
    inside("groups_and_keys_come_and_go", |machine| {
        std::os::unix::fs::chown("/home/bob", Some(1000), Some(1000)).unwrap();
        let before = all();
        let member = json!({"name": "bob", "group": "www-data"});
        let joined = machine.act("user.group_add", member.clone()).unwrap();
        assert!(text("/etc/group").contains("www-data:x:33:bob\n"));
        assert!(text("/etc/gshadow").contains("www-data:*::bob\n"));
        let left = machine.act("user.group_remove", member).unwrap();
        assert_eq!(all(), before);
        machine.undo(&left).unwrap();
        machine.undo(&joined).unwrap();
        assert_eq!(all(), before);

        let added = machine
            .act("user.ssh_key_add", json!({"name": "bob", "key": KEY}))
            .unwrap();
        let path = "/home/bob/.ssh/authorized_keys";
        assert_eq!(text(path), format!("{KEY}\n"));
        let meta = Path::new(path).metadata().unwrap();
        assert_eq!(
            (meta.mode() & 0o777, meta.uid(), meta.gid()),
            (0o600, 1000, 1000)
        );
        let shown = machine
            .act("user.ssh_keys", json!({"name": "bob"}))
            .unwrap();
        let order = json!({"name": "bob", "fingerprint": shown.output["keys"][0]["fingerprint"]});
        let removed = machine.act("user.ssh_key_remove", order.clone()).unwrap();
        assert_eq!(text(path), "");
        machine.act("user.ssh_key_remove", order).unwrap_err();
        machine.undo(&removed).unwrap();
        machine.undo(&added).unwrap();
        assert_eq!(all(), before);
    });
}

#[test]
fn a_link_in_a_home_leads_no_tool_elsewhere() {
    inside("a_link_in_a_home_leads_no_tool_elsewhere", |machine| {
        std::fs::create_dir("/home/bob/.ssh").unwrap();
        symlink("/etc/passwd", "/home/bob/.ssh/authorized_keys").unwrap();
        let before = all();
        machine
            .act("user.ssh_key_add", json!({"name": "bob", "key": KEY}))
            .unwrap_err();
        std::fs::remove_dir_all("/home/bob/.ssh").unwrap();
        symlink("/etc", "/home/bob/.ssh").unwrap();
        machine
            .act("user.ssh_key_add", json!({"name": "bob", "key": KEY}))
            .unwrap_err();
        machine
            .act("user.ssh_keys", json!({"name": "bob"}))
            .unwrap_err();
        assert_eq!(all()["/etc/passwd"], before["/etc/passwd"]);
        assert!(!Path::new("/etc/authorized_keys").exists());
    });
}
