//! `process.spawn`, `build.run` and `test.run` with real programs, through the whole pipeline.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::unwrap_used)]

#[path = "../../tests/common/mod.rs"]
mod common;
mod scene;

use std::time::{Duration, Instant};

use aios_tool::error::ToolError;
use scene::Scene;
use serde_json::{Value, json};

fn workspace(scene: &Scene) -> (std::path::PathBuf, Value) {
    let folder = scene.path("app");
    std::fs::create_dir(&folder).unwrap();
    // An account that this machine gives to nobody.
    std::os::unix::fs::chown(&folder, Some(4711), Some(4711)).unwrap();
    let argument = json!(folder.to_str().unwrap());
    (folder, argument)
}

#[test]
fn a_program_runs_and_its_end_is_told() {
    let Some(scene) = Scene::new(&["sort"]) else {
        return;
    };
    let (folder, at) = workspace(&scene);
    std::fs::write(folder.join("names"), "b\na\nb\n").unwrap();
    let sort = json!({"program": "/usr/bin/sort", "arguments": ["-u", "-o", "sorted names", "names"], "folder": at});
    let preview = scene.preview("process.spawn", sort.clone()).unwrap();
    assert!(
        preview.summary().ends_with("that cannot be undone"),
        "{}",
        preview.summary()
    );
    let done = scene.done("process.spawn", sort);
    assert!(!done.reversible);
    assert_eq!(
        std::fs::read_to_string(folder.join("sorted names")).unwrap(),
        "a\nb\n"
    );
    // Words are words: no shell sees them.
    let words = json!(["$(id)", ";", "`x`", "*"]);
    let said = scene.done(
        "process.spawn",
        json!({"program": "/usr/bin/echo", "arguments": words, "folder": at}),
    );
    assert_eq!(said.output["output"], "$(id) ; `x` *\n");
    let said = scene.done(
        "process.spawn",
        json!({"program": "/usr/bin/cat", "folder": at, "input": "given"}),
    );
    assert_eq!(said.output["output"], "given");
    let failed = scene.done(
        "process.spawn",
        json!({"program": "/usr/bin/cat", "arguments": ["none"], "folder": at}),
    );
    assert_eq!(failed.output["code"], 1);
    assert!(
        failed.summary.contains("ended with code 1"),
        "{}",
        failed.summary
    );
    let begun = Instant::now();
    let late =
        json!({"program": "/usr/bin/sleep", "arguments": ["60"], "folder": at, "seconds": 1});
    let late = scene.act("process.spawn", late).unwrap_err();
    assert!(matches!(late, ToolError::Deadline(_)), "{late}");
    assert!(begun.elapsed() < Duration::from_secs(15));
}

#[test]
fn what_must_not_be_run_or_changed_is_refused() {
    let Some(scene) = Scene::new(&["true"]) else {
        return;
    };
    let (_, at) = workspace(&scene);
    let check = |program: &str, folder: &Value, denied: bool| {
        let arguments = json!({"program": program, "folder": folder});
        let refused = scene.act("process.spawn", arguments).unwrap_err();
        let fits = matches!(refused, ToolError::Denied(_)) == denied;
        assert!(fits, "{program} {folder}: {refused}");
    };
    check("/usr/lib/aios/aios-init", &at, true);
    check("/etc/aios/pki/node.key", &at, true);
    check("/usr/bin/true", &json!("/etc"), true);
    check("/usr/bin/true", &json!("/"), true);
    check("/usr/bin/no-such-program", &at, false);
    check(
        "/usr/bin/true",
        &json!(scene.path("none").to_str().unwrap()),
        false,
    );
}

#[test]
fn a_project_is_built_and_tested_without_network() {
    let Some(scene) = Scene::new(&["make", "python3"]) else {
        return;
    };
    let (folder, at) = workspace(&scene);
    let whole = json!({"workspace": at});
    let refused = scene.act("build.run", whole.clone()).unwrap_err();
    assert!(refused.to_string().contains("Makefile"), "{refused}");
    let make = "all:\n\techo built > product\ntest:\n\t@echo 'test result: ok. 3 passed; 1 failed'; exit 2\n";
    std::fs::write(folder.join("Makefile"), make).unwrap();
    scene.preview("build.run", whole.clone()).unwrap();
    let built = scene.done("build.run", whole.clone());
    assert!(
        built.summary.contains("make has built it"),
        "{}",
        built.summary
    );
    assert_eq!(
        std::fs::read_to_string(folder.join("product")).unwrap(),
        "built\n"
    );
    let tested = scene.done("test.run", whole.clone());
    assert_eq!(tested.output["tests"], json!({"passed": 3, "failed": 1}));
    assert!(
        tested.summary.contains("make test failed (code 2)"),
        "{}",
        tested.summary
    );
    std::fs::write(folder.join("setup.py"), "").unwrap();
    let test = "import unittest, socket\nclass T(unittest.TestCase):\n def test_a(self): pass\n \
                def test_b(self):\n  with self.assertRaises(OSError):\n   \
                socket.create_connection(('192.0.2.1', 80), 1)\n";
    std::fs::write(folder.join("test_x.py"), test).unwrap();
    let tested = scene.done("test.run", whole);
    assert_eq!(
        tested.output["tests"],
        json!({"passed": 2, "failed": 0}),
        "{:?}",
        tested.output
    );
    assert!(
        tested
            .summary
            .contains("succeeded, 2 tests passed, 0 failed"),
        "{}",
        tested.summary
    );
}

#[test]
fn a_converted_table_is_taken_back() {
    let Some(scene) = Scene::new(&[]) else {
        return;
    };
    let (from, to) = (scene.path("x.csv"), scene.path("x.json"));
    std::fs::write(&from, "a,b\n1,x\n").unwrap();
    std::fs::write(&to, "mine").unwrap();
    let before = scene::tree(from.parent().unwrap());
    let paths = json!({"source": from.to_str().unwrap(), "destination": to.to_str().unwrap()});
    let done = scene.done("data.convert", paths);
    let written: Value = serde_json::from_slice(&std::fs::read(&to).unwrap()).unwrap();
    assert_eq!(written, json!([{"a": 1, "b": "x"}]));
    scene.machine.undo(&done).unwrap();
    assert_eq!(scene::tree(from.parent().unwrap()), before);
    let ask = json!({"path": from.to_str().unwrap(), "sql": "SELECT b FROM data WHERE a = 1"});
    assert_eq!(scene.done("data.query", ask).output["rows"], json!([["x"]]));
    let describe = json!({"path": from.to_str().unwrap()});
    assert_eq!(scene.done("data.describe", describe).output["rows"], 1);
}
