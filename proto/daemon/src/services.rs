//! The services that every part of aiOS counts on.

/// Without one of these goals cannot be carried out, or the node cannot be reached, seen into or
/// recovered: no goal may stop them, and one that is down makes the node degraded. Each has a row
/// in the table of degraded modes (a test of the orchestrator).
pub const CORE: [&str; 8] = [
    "control",
    "keeper",
    "logger",
    "memory",
    "network",
    "orchestrator",
    "runtime",
    "tools",
];

/// Is it one of them?
pub fn is_core(service: &str) -> bool {
    CORE.contains(&service)
}
