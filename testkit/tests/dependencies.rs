//! `docs/dependencies.md`, the table in the root `Cargo.toml` and the crates say the same.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the repository should stop"
)]

use std::collections::BTreeSet;
use std::path::Path;

use toml::{Table, Value};

/// What is listed after this heading is not a crate.
const OTHERS: &str = "## Not from crates.io";

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(path: &str) -> Table {
    read(path).parse().unwrap()
}

/// The crates of the table in the root manifest, without those of this repository.
fn table() -> BTreeSet<String> {
    let root = manifest("Cargo.toml");
    let dependencies = root["workspace"]["dependencies"].as_table().unwrap();
    let others = dependencies
        .iter()
        .filter(|(_, value)| value.get("path").is_none());
    others.map(|(name, _)| name.clone()).collect()
}

/// The names in front of the colon of each line such as `- serde, toml: configuration`.
fn documented() -> Vec<String> {
    let page = read("docs/dependencies.md");
    let (crates, _) = page.split_once(OTHERS).unwrap();
    let lines = crates.lines().filter_map(|line| line.strip_prefix("- "));
    let names = lines.filter_map(|line| Some(line.split_once(':')?.0));
    names
        .flat_map(|names| names.split(", "))
        .map(str::to_owned)
        .collect()
}

/// What the crates of the workspace depend on: the crate's folder, the dependency, its entry.
fn used() -> Vec<(String, String, Value)> {
    let root = manifest("Cargo.toml");
    let members = root["workspace"]["members"].as_array().unwrap();
    let mut used = Vec::new();
    for member in members {
        let member = member.as_str().unwrap();
        let manifest = manifest(&format!("{member}/Cargo.toml"));
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let dependencies = manifest.get(kind).and_then(Value::as_table);
            for (name, entry) in dependencies.into_iter().flatten() {
                used.push((member.to_owned(), name.clone(), entry.clone()));
            }
        }
    }
    assert!(used.len() > 100, "only {} entries were read", used.len());
    used
}

#[test]
fn each_dependency_has_one_line_that_says_what_it_is_for() {
    let mut documented = documented();
    documented.sort();
    let table: Vec<String> = table().into_iter().collect();
    assert_eq!(documented, table, "left: the page; right: Cargo.toml");
}

#[test]
fn each_crate_takes_its_dependencies_from_the_table() {
    for (member, name, entry) in used() {
        let from_table = entry.get("workspace").and_then(Value::as_bool);
        assert_eq!(from_table, Some(true), "{member}: {name} = {entry}");
    }
}

#[test]
fn each_line_of_the_table_is_used() {
    let used: BTreeSet<String> = used().into_iter().map(|(_, name, _)| name).collect();
    let unused: Vec<String> = table().difference(&used).cloned().collect();
    assert_eq!(unused, Vec::<String>::new());
}

/// The folder's files that hold the word, relative to the folder.
fn holding(folder: &Path, word: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            holding(&path, word, found);
        } else if std::fs::read_to_string(&path).unwrap().contains(word) {
            found.push(path.display().to_string());
        }
    }
}

/// The appliance's `aios` holds the library of `ctl`, and xtask builds it together with the operator's
/// `aiosctl`, so that cargo compiles the library once, with the features of both. What speaks MCP must
/// stay out of the library's text, then, and out of what `aios` depends on.
#[test]
fn what_speaks_mcp_is_for_the_operators_machine_alone() {
    let named = |name: &str| {
        let used = used().into_iter();
        used.filter(|(_, used, _)| used == name).collect::<Vec<_>>()
    };
    for (member, _, entry) in named("rmcp") {
        assert_eq!(member, "ctl");
        assert_eq!(entry.get("optional").and_then(Value::as_bool), Some(true));
    }
    let root = manifest("Cargo.toml");
    let ctl = &root["workspace"]["dependencies"]["aiosctl"];
    assert_eq!(ctl["default-features"].as_bool(), Some(false));
    for (member, _, entry) in named("aiosctl") {
        assert_eq!(entry.get("features"), None, "{member}");
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ctl/src");
    let mut found = Vec::new();
    holding(&source, "rmcp", &mut found);
    found.retain(|path| !path.contains("ctl/src/mcp/"));
    assert_eq!(found, Vec::<String>::new());
}
