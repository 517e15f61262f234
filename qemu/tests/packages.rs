//! Packages of Debian on the appliance: found, installed, started, taken back.
//!
//! The packages come from `AIOS_TEST_SERVICES`, a Debian root in whose apt cache they lie (`cargo xtask
//! test` makes it); the test offers them to the appliance in a folder.

#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that waits has no executor, and panics when a promise is broken"
)]

mod support;

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aios_qemu::Way;
use aios_testkit::needs;
use serde_json::{Value, json};
use support::{Appliance, POWER_OFF_LIMIT, answer, executions};

/// Where the fetched packages lie in the Debian root.
const FETCHED: &str = "var/cache/apt/archives";

/// What packages change and undo brings back.
const CHANGED: [&str; 5] = ["etc", "opt", "srv", "usr", "var"];

/// Not what packages changed: what aiOS writes all the time, and the lists that apt fetches.
const PASSING: [&str; 4] = [
    "var/lib/aios",
    "var/log/aios",
    "usr/lib/aios",
    "srv/repository",
];

#[test]
fn a_package_is_installed_started_and_taken_back_to_the_same_files() {
    let Some(debian) = needs::folder(needs::SERVICES, FETCHED) else {
        return;
    };
    let mut appliance = Appliance::boot(Way::Container);
    let root = PathBuf::from(format!("/proc/{}/root", appliance.machine.pid()));
    offer(&debian.join(FETCHED), &root);
    let before = files(&root);

    let found = call(
        &appliance,
        "pkg.install",
        &json!({"package": "no-such-thing"}),
    );
    assert_eq!(found["state"], "failed", "{found:#}");
    let reason = found["reason"].as_str().unwrap();
    assert!(reason.contains("no package no-such-thing"), "{reason}");
    assert_eq!(differences(&before, &files(&root)), Vec::<String>::new());

    let search = succeeds(&appliance, "pkg.search", &json!({"words": "nginx web"}));
    assert!(answer(&search).contains("nginx"), "{}", answer(&search));

    let installed = succeeds(&appliance, "pkg.install", &json!({"package": "nginx"}));
    assert!(
        answer(&installed).contains("nginx is installed"),
        "{}",
        answer(&installed)
    );
    assert!(root.join("usr/sbin/nginx").exists());
    let again = succeeds(&appliance, "pkg.info", &json!({"package": "nginx"}));
    assert!(
        answer(&again).contains("is installed"),
        "{}",
        answer(&again)
    );

    succeeds(&appliance, "service.start", &json!({"service": "nginx"}));
    let port = json!({"host": "127.0.0.1", "port": 80});
    let open = succeeds(&appliance, "net.check_port", &port);
    assert!(answer(&open).contains("open"), "{}", answer(&open));

    // Its unit is nginx-common's, and stays: the service is stopped all the same.
    let removed = succeeds(&appliance, "pkg.remove", &json!({"package": "nginx"}));
    assert!(!root.join("usr/sbin/nginx").exists());
    let closed = |when: &str| {
        let closed = succeeds(&appliance, "net.check_port", &port);
        assert!(
            answer(&closed).contains("closed"),
            "{when}: {}",
            answer(&closed)
        );
    };
    closed("removed");
    let refused = undo(&appliance, &installed).unwrap_err().to_string();
    assert!(refused.contains("undo that first"), "{refused}");
    undo(&appliance, &removed).unwrap();
    succeeds(&appliance, "service.start", &json!({"service": "nginx"}));
    undo(&appliance, &installed).unwrap();
    closed("taken back");
    assert_eq!(differences(&before, &files(&root)), Vec::<String>::new());

    assert!(
        appliance.machine.power_off(POWER_OFF_LIMIT).unwrap(),
        "the power-off was not clean"
    );
}

fn undo(appliance: &Appliance, goal: &Value) -> anyhow::Result<Value> {
    let execution = executions(goal)[0]["id"].as_str().unwrap().to_owned();
    let undone = appliance.machine.ctl().run(&["undo", &execution])?;
    eprintln!("undone: {}", undone["undone"][0]["summary"]);
    Ok(undone)
}

fn call(appliance: &Appliance, tool: &str, arguments: &Value) -> Value {
    let ctl = appliance.machine.ctl();
    let goal = ctl.goal_of_call(tool, &arguments.to_string()).unwrap();
    eprintln!("{tool} {arguments}: {}", answer(&goal));
    goal
}

fn succeeds(appliance: &Appliance, tool: &str, arguments: &Value) -> Value {
    let goal = call(appliance, tool, arguments);
    assert_eq!(goal["state"], "succeeded", "{tool}: {goal:#}");
    goal
}

/// Puts a repository with these packages into the appliance, as its only one.
fn offer(fetched: &Path, root: &Path) {
    let repository = root.join("srv/repository");
    std::fs::create_dir_all(&repository).unwrap();
    let mut list = String::new();
    for entry in std::fs::read_dir(fetched).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "deb") {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        std::fs::copy(&path, repository.join(&name)).unwrap();
        let control = output(Command::new("dpkg-deb").arg("--field").arg(&path));
        let hash = output(Command::new("sha256sum").arg(&path));
        let hash = hash.split_whitespace().next().unwrap();
        let size = path.metadata().unwrap().len();
        list += &format!(
            "{}\nFilename: ./{name}\nSize: {size}\nSHA256: {hash}\n\n",
            control.trim_end()
        );
    }
    assert!(list.contains("Package: nginx\n"), "no nginx in {fetched:?}");
    std::fs::write(repository.join("Packages"), list).unwrap();
    let sources = "deb [trusted=yes] file:/srv/repository ./\n";
    std::fs::write(root.join("etc/apt/sources.list"), sources).unwrap();
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// All files, folders and links that packages may change: kind, mode, owner, and content.
fn files(root: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for folder in CHANGED {
        walk(root, &root.join(folder), &mut found);
    }
    found
}

fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let shown = path.strip_prefix(root).unwrap().display().to_string();
        if PASSING.iter().any(|passing| shown == *passing) {
            continue;
        }
        let data = path.symlink_metadata().unwrap();
        let content = match data.file_type() {
            kind if kind.is_file() => format!("{:?}", digest(&path)),
            kind if kind.is_symlink() => format!("{:?}", std::fs::read_link(&path).unwrap()),
            _ => String::new(),
        };
        let line = format!("{:o} {} {} {content}", data.mode(), data.uid(), data.gid());
        found.insert(shown, line);
        if data.is_dir() {
            walk(root, &path, found);
        }
    }
}

/// Enough to tell two contents apart.
fn digest(path: &Path) -> u64 {
    use std::hash::{DefaultHasher, Hasher as _};
    let mut hasher = DefaultHasher::new();
    hasher.write(&std::fs::read(path).unwrap());
    hasher.finish()
}

fn differences(a: &BTreeMap<String, String>, b: &BTreeMap<String, String>) -> Vec<String> {
    let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| format!("{name}: {:?} → {:?}", a.get(name), b.get(name)))
        .collect()
}
