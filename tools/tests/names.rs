//! Names that are no plain text, places that moved, and answers that say how much of a file they are.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, outside of #[test]

mod common;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use aios_tools::registry::Registry;
use common::Machine;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

fn on_a_machine(check: fn(&Machine, &Path)) {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    let machine = Machine::new(Registry::complete());
    check(&machine, &PathBuf::from(machine.path("")));
}

/// Names that would forge a line, that are not UTF-8, and that look like another name's escaped form.
const NAMES: [&[u8]; 8] = [
    b"a\n2 entries: b",
    b"\x1b[2K\r",
    b"caf\xe9",
    b"caf\xe8",
    b"back\\slash",
    b"\\xe9",
    b"\\x5cxe9",
    "left\u{202e}right\u{85}\u{2028}".as_bytes(),
];

#[test]
fn every_name_is_one_line_unlike_others_and_usable_as_it_is_shown() {
    on_a_machine(|machine, root| {
        for (number, name) in NAMES.iter().enumerate() {
            std::fs::write(root.join(OsStr::from_bytes(name)), number.to_string()).unwrap();
        }
        let list = machine.act("fs.list", json!({"path": root})).unwrap();
        assert_eq!(list.summary.lines().count(), 1, "{}", list.summary);
        let entries = list.output["entries"].as_array().unwrap().clone();
        let shown: Vec<String> = entries
            .iter()
            .map(|entry| entry["name"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(shown.len(), NAMES.len());
        assert!(shown.contains(&"back\\slash".to_owned()), "{shown:?}");
        assert!(shown.contains(&"caf\\xe9".to_owned()), "{shown:?}");
        let mut read = Vec::new();
        for name in &shown {
            assert!(!name.contains(|c: char| c.is_control() || c == '\u{202e}'));
            let path = format!(
                "{}/{name}",
                root.display().to_string().trim_end_matches('/')
            );
            let done = machine.act("fs.read", json!({"path": path})).unwrap();
            assert_eq!(
                done.output["path"], path,
                "an answer names it as it was named"
            );
            read.push(done.output["content"].as_str().unwrap().to_owned());
            uses(machine, &path);
        }
        read.sort();
        assert_eq!(read, ["0", "1", "2", "3", "4", "5", "6", "7"]);
    });
}

/// Everything that a tool may do with a path.
fn uses(machine: &Machine, path: &str) {
    let one_line = |text: &str| assert_eq!(text.lines().count(), 1, "{text:?}");
    let folder = format!("{path}.d");
    let inside = format!("{folder}/x");
    for (tool, arguments) in [
        ("fs.append", json!({"path": path, "content": "more"})),
        ("fs.mkdir", json!({"path": inside})),
        ("fs.copy", json!({"source": path, "destination": folder})),
        ("fs.move", json!({"source": path, "destination": inside})),
        (
            "fs.symlink",
            json!({"path": format!("{path}.l"), "target": path}),
        ),
        ("fs.delete", json!({"path": folder})),
    ] {
        let done = machine.act(tool, arguments);
        let done = done.unwrap_or_else(|error| panic!("{tool}: {error}"));
        one_line(&done.summary);
        if tool != "fs.mkdir" && tool != "fs.copy" {
            one_line(&machine.undo(&done).unwrap());
        }
    }
    let link = format!("{path}.l");
    machine
        .act("fs.symlink", json!({"path": link, "target": path}))
        .unwrap();
    let stat = machine.act("fs.stat", json!({"path": link})).unwrap();
    assert_eq!(stat.output["target"], path);
    let found = machine.act("fs.search", json!({"path": folder, "pattern": "*"}));
    one_line(&found.unwrap().summary);
    one_line(
        &machine
            .act("fs.disk_usage", json!({"path": folder}))
            .unwrap()
            .summary,
    );
    machine.act("fs.delete", json!({"path": link})).unwrap();
    machine.act("fs.delete", json!({"path": folder})).unwrap();
    let again = machine.act("fs.mkdir", json!({"path": format!("{path}/x")}));
    one_line(&again.unwrap_err().to_string());
}

#[test]
fn an_escape_is_no_way_round_a_guard() {
    on_a_machine(|machine, _| {
        for path in [
            "/etc/\\x73hadow",
            "/etc\\x2fshadow",
            "/etc/aios\\x2fpki/node.key",
        ] {
            let refused = machine.act("fs.read", json!({"path": path})).unwrap_err();
            assert!(
                refused.to_string().contains("holds secrets"),
                "{path}: {refused}"
            );
        }
        let refused = machine.act("fs.stat", json!({"path": "/srv/a\\x00b"}));
        assert!(refused.unwrap_err().to_string().contains("NUL"));
    });
}

#[test]
fn an_undo_says_where_a_thing_is_now_when_its_folder_was_renamed() {
    on_a_machine(|machine, root| {
        let file = root.join("p/q/f");
        std::fs::create_dir_all(root.join("p/q")).unwrap();
        std::fs::create_dir(root.join("other")).unwrap();
        std::fs::write(root.join("other/f"), "same name").unwrap();
        let moved = |undo: Result<String, _>, now: &str| {
            let error: aios_tool::error::ToolError = undo.unwrap_err();
            let text = error.to_string();
            let now = root.join(now);
            assert!(
                text.contains(&format!("it is at {}", now.display())),
                "{text}"
            );
        };
        let written = machine
            .act("fs.write", json!({"path": file, "content": "x"}))
            .unwrap();
        let made = machine
            .act("fs.mkdir", json!({"path": root.join("p/q/dir")}))
            .unwrap();
        std::fs::write(root.join("m"), "m").unwrap();
        let (source, destination) = (root.join("m"), root.join("p/q/m"));
        let relocated = json!({"source": source, "destination": destination});
        let relocated = machine.act("fs.move", relocated).unwrap();
        std::fs::rename(root.join("p"), root.join("renamed")).unwrap();
        moved(machine.undo(&written), "renamed/q/f");
        moved(machine.undo(&made), "renamed/q/dir");
        moved(machine.undo(&relocated), "renamed/q/m");
        assert!(root.join("renamed/q/f").exists());

        // Moved back, all of it can be taken back; removed by somebody, it is gone.
        std::fs::rename(root.join("renamed"), root.join("p")).unwrap();
        machine.undo(&relocated).unwrap();
        std::fs::remove_dir(root.join("p/q/dir")).unwrap();
        machine.undo(&made).unwrap();
        machine.undo(&written).unwrap();
        assert!(!file.exists());
    });
}

#[test]
fn an_undo_says_where_the_folder_is_into_which_it_would_bring_a_thing_back() {
    on_a_machine(|machine, root| {
        std::fs::create_dir_all(root.join("p/q")).unwrap();
        std::fs::write(root.join("p/q/f"), "x").unwrap();
        let deleted = machine
            .act("fs.delete", json!({"path": root.join("p/q/f")}))
            .unwrap();
        std::fs::rename(root.join("p"), root.join("renamed")).unwrap();
        let refused = machine.undo(&deleted).unwrap_err().to_string();
        let now = root.join("renamed/q");
        assert!(
            refused.contains(&format!("it is at {}", now.display())),
            "{refused}"
        );
        std::fs::rename(root.join("renamed"), root.join("p")).unwrap();
        machine.undo(&deleted).unwrap();
        assert!(root.join("p/q/f").exists());
    });
}

#[test]
fn a_part_of_a_file_is_said_to_be_one() {
    on_a_machine(|machine, root| {
        let file = root.join("lat10.txt");
        let read = |lines: Value| {
            let arguments = match lines {
                Value::Null => json!({"path": file}),
                lines => json!({"path": file, "lines": lines}),
            };
            machine.act("fs.read", arguments).unwrap().output["truncated"].clone()
        };
        std::fs::write(&file, b"\xe9\xe9\xe9\xe9\xe9\n".repeat(10)).unwrap();
        assert_eq!(read(json!(5)), true);
        assert_eq!(read(json!(-5)), true);
        assert_eq!(read(json!(10)), false);
        assert_eq!(read(json!(-11)), false);
        assert_eq!(read(Value::Null), false);
        std::fs::write(&file, "").unwrap();
        assert_eq!(read(json!(0)), false);
        std::fs::write(&file, "x\n").unwrap();
        assert_eq!(read(json!(0)), true);
    });
}

/// An answer is bounded as it is sent: a control character takes six bytes.
#[test]
fn what_is_read_fits_into_an_answer() {
    on_a_machine(|machine, root| {
        let file = root.join("zeros");
        std::fs::write(&file, vec![0; 1 << 20]).unwrap();
        for lines in [json!(1), json!(-1), Value::Null] {
            let mut arguments = json!({"path": file, "lines": lines});
            if lines.is_null() {
                arguments = json!({"path": file});
            }
            let done = machine.act("fs.read", arguments).unwrap();
            let size = done.output.to_string().len();
            assert!(size <= 2 << 20, "{size}");
            assert_eq!(done.output["truncated"], true);
        }
        let (old, new) = (root.join("old"), root.join("new"));
        std::fs::write(&old, "\u{1}".repeat(1 << 20)).unwrap();
        std::fs::write(&new, "\u{2}".repeat(1 << 20)).unwrap();
        let diff = machine
            .act("text.diff", json!({"path": old, "other": new}))
            .unwrap();
        assert!(diff.output.to_string().len() <= 2 << 20);
        assert_eq!(diff.output["truncated"], true);
        let folder = root.join("many");
        std::fs::create_dir(&folder).unwrap();
        for number in 0..5000 {
            let name = [b"\x01".repeat(200), number.to_string().into_bytes()].concat();
            std::fs::write(folder.join(OsStr::from_bytes(&name)), "").unwrap();
        }
        let list = machine.act("fs.list", json!({"path": folder})).unwrap();
        assert!(list.output.to_string().len() <= 2 << 20);
        assert_eq!(list.output["count"], 5000);
        let found = machine
            .act("fs.search", json!({"path": folder, "pattern": "*"}))
            .unwrap();
        assert!(found.output.to_string().len() <= 2 << 20);
    });
}

#[test]
fn what_a_tool_makes_a_tool_can_delete() {
    on_a_machine(|machine, root| {
        let deep = |levels: usize| format!("{}deep{}", root.display(), "/d".repeat(levels));
        let refused = machine
            .act("fs.mkdir", json!({"path": deep(300)}))
            .unwrap_err();
        assert!(refused.to_string().contains("deep"), "{refused}");
        assert!(!root.join("deep").exists());
        machine.act("fs.mkdir", json!({"path": deep(200)})).unwrap();
        // Not by copying or moving either.
        for (tool, to) in [("fs.copy", deep(100)), ("fs.move", deep(100))] {
            machine
                .act("fs.mkdir", json!({"path": root.join("x/y")}))
                .unwrap();
            let inner = format!("{}x{}", root.display(), "/y".repeat(200));
            machine.act("fs.mkdir", json!({"path": inner})).unwrap();
            let arguments = json!({"source": root.join("x"), "destination": to});
            let refused = machine.act(tool, arguments).unwrap_err();
            assert!(refused.to_string().contains("deep"), "{tool}: {refused}");
        }
        let deleted = machine
            .act("fs.delete", json!({"path": root.join("deep")}))
            .unwrap();
        machine.undo(&deleted).unwrap();
        machine
            .act("fs.delete", json!({"path": root.join("deep")}))
            .unwrap();
    });
}
