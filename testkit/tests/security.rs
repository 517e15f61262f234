//! `docs/security.md` names the services that run as root: all of them, and no other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot read the repository should stop"
)]

use std::collections::BTreeSet;
use std::path::Path;

#[test]
fn root_daemons() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(root.join("docs/security.md")).unwrap();
    let (_, list) = page.split_once("These run as root").unwrap();
    let (list, _) = list.split_once(". ").unwrap();
    let named: BTreeSet<String> = list
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();

    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(root.join("image/etc/aios/services")).unwrap() {
        let path = entry.unwrap().path();
        let manifest: toml::Table = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        if manifest["user"].as_str() == Some("root") {
            found.insert(manifest["name"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(named, found, "left: docs/security.md; right: the manifests");
}
