//! What is not as it should be with this boot, for whoever asks: PID 1 writes it
//! below `/run/aios/init`, where only root writes, and `control` passes it on.
//!
//! A condition is an identifier of the orchestrator's table of degraded modes
//! (`orchestrator/src/degraded/table.toml`) and the particulars.

use std::path::PathBuf;

use crate::places;

/// No more are read, nor longer ones: they end in packets and on screens.
const COUNT_MAX: usize = 64;

/// The data partition is not encrypted as the configuration asks.
const ENCRYPTION: &str = "data-encryption";

/// The installer runs, and nothing else.
pub const INSTALLER: &str = "installer";

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// `safe-mode`, `data-disk` …
    pub id: String,
    /// What exactly.
    pub detail: String,
}

impl Condition {
    /// One line of particulars.
    pub fn new(id: &str, detail: &str) -> Self {
        let detail = detail.replace(|c: char| c.is_control(), " ");
        Self {
            id: id.to_owned(),
            detail: crate::wire::cut(&detail, crate::wire::TEXT_MAX).to_owned(),
        }
    }

    /// Is it safe mode?
    pub fn is_safe_mode(&self) -> bool {
        self.id == "safe-mode"
    }

    /// Was the machine started to install aiOS on it?
    pub fn is_installer(&self) -> bool {
        self.id == INSTALLER
    }

    /// As the READY line names it; empty when it does not keep a boot from being whole.
    pub fn name(&self) -> String {
        match self.id.as_str() {
            "manifest" => "a manifest".to_owned(),
            "kernel-settings" | INSTALLER => String::new(),
            id => id.replace('-', " "),
        }
    }
}

fn folder() -> PathBuf {
    places::run_dir().join("init")
}

fn path() -> PathBuf {
    folder().join("conditions")
}

/// Makes them known. In memory: this never waits for a disk.
///
/// # Errors
/// When memory is full.
pub fn publish(all: &[Condition]) -> std::io::Result<()> {
    let lines = all
        .iter()
        .map(|one| format!("{}\t{}\n", one.id, one.detail));
    std::fs::write(path(), lines.collect::<String>())
}

/// What PID 1 and the keeper made known; nothing when they did not.
pub fn read() -> Vec<Condition> {
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let mut all = parse(&read(path()));
    let encryption = read(folder().join(ENCRYPTION));
    if !encryption.is_empty() {
        all.push(Condition::new(ENCRYPTION, &encryption));
    }
    all
}

/// The keeper: what is not as it should be with the data partition's encryption; empty: nothing.
///
/// # Errors
/// When memory is full.
pub fn publish_encryption(difference: &str) -> std::io::Result<()> {
    std::fs::write(folder().join(ENCRYPTION), difference)
}

/// Is this boot in safe mode?
pub fn is_safe_mode() -> bool {
    read().iter().any(Condition::is_safe_mode)
}

/// PID 1: the boot is READY.
///
/// # Errors
/// When memory is full.
pub fn publish_ready() -> std::io::Result<()> {
    std::fs::write(folder().join("ready"), "")
}

/// Has the boot been READY?
pub fn is_ready() -> bool {
    folder().join("ready").exists()
}

/// The keeper: how the last run ended, as it was not well.
///
/// # Errors
/// When memory is full.
pub fn publish_last_crash(reason: &str) -> std::io::Result<()> {
    std::fs::write(
        folder().join("last-crash"),
        Condition::new("", reason).detail,
    )
}

/// How the last run ended; empty if well, or if it is not known.
pub fn last_crash() -> String {
    std::fs::read_to_string(folder().join("last-crash")).unwrap_or_default()
}

fn parse(text: &str) -> Vec<Condition> {
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    lines
        .map(|(id, detail)| Condition::new(id, detail))
        .take(COUNT_MAX)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_is_one_line() {
        let condition = Condition::new("data-disk", "no\ndisk");
        assert_eq!(condition.detail, "no disk");
        assert_eq!(parse("data-disk\tno disk\nnonsense\n"), [condition]);
    }
}
