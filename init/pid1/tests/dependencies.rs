//! The wall around PID 1: what its crate depends on, however far below.

use std::process::Command;

/// Names of crates, and beginnings of names, that must not be there: gRPC, async runtimes, structured
/// logging, and what they are made of.
const BANNED: [&str; 9] = [
    "tonic", "prost", "tokio", "futures", "hyper", "h2", "tower", "rustls", "tracing",
];

#[test]
fn there_is_no_grpc_no_async_runtime_and_no_structured_logging_below_pid_1() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tree = Command::new(cargo)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["tree", "--package", "aios-init", "--edges", "normal"])
        .args([
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--offline",
            "--locked",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tree.stderr);
    assert!(tree.status.success(), "{said}");
    let text = String::from_utf8(tree.stdout).unwrap();
    let crates: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(crates.contains(&"aios-service"), "{text}");
    let is_banned = |name: &&&str| BANNED.iter().any(|banned| name.starts_with(banned));
    let mut found: Vec<&str> = crates.iter().filter(is_banned).copied().collect();
    found.sort_unstable();
    found.dedup();
    assert!(
        found.is_empty(),
        "PID 1 depends on {found:?}; cargo tree --package aios-init --invert NAME says why"
    );
}
