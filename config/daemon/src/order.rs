//! An order: who gives it, what it means, and why it is refused.

use aios_config::{Change, Here, NotInForce, Problem};
use sha2::{Digest, Sha256};

use crate::trial;

/// Why something is not done.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The configuration is wrong.
    #[error("the configuration is not applied: {}", joined(.0))]
    Invalid(Vec<Problem>),
    /// The number of seconds is.
    #[error("a trial takes {} to {} seconds", trial::SECONDS.start(), trial::SECONDS.end())]
    Seconds,
    /// Not now.
    #[error("{0}")]
    NotNow(String),
    /// The daemon is on its way out: the next one may.
    #[error("aios-config is ending: nothing was changed; again in a moment")]
    Leaving,
    /// The disk.
    #[error("nothing was changed: {0}")]
    Disk(String),
    /// Nobody would know who gave the order.
    #[error("nothing was changed, as it cannot be put on record: {0}; is the data disk full?")]
    Unrecorded(String),
    /// It is done, and the disk did not say that it has it.
    #[error(
        "it is confirmed and stays, but a power cut may bring back what was before: {0}; look at the \
         disk (aiosctl status), then apply it again for good"
    )]
    Unsure(String),
}

fn joined(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What a change means.
#[derive(Debug, Default, PartialEq)]
pub struct Effect {
    /// For the services, in order.
    pub changes: Vec<Change>,
    /// Keys that are set and that nothing reads yet.
    pub not_in_force: Vec<NotInForce>,
    /// What may not be expected of it.
    pub warnings: Vec<String>,
}

impl Effect {
    /// The same for people.
    pub fn told(&self) -> Vec<String> {
        let told = |change: &Change| match change {
            Change::Reload(name) => format!("{name} is told"),
            Change::Restart(name) => format!("{name} is restarted"),
        };
        let warned = self.warnings.iter().map(|text| format!("warning: {text}"));
        self.changes.iter().map(told).chain(warned).collect()
    }
}

/// Who gives an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// His name.
    pub name: String,
    /// The orchestrator has put the order on record.
    pub on_record: bool,
}

/// What it means to put the text `new` in the place of `old`, on this machine.
///
/// # Errors
/// All that is wrong with `new`.
pub fn effect(old: &str, new: &str, here: &Here) -> Result<Effect, Refusal> {
    let new = aios_config::parse(new).map_err(Refusal::Invalid)?;
    // What is there may have been written by hand; then it is as if it were empty.
    let old = aios_config::parse(old).unwrap_or_default();
    Ok(Effect {
        changes: aios_config::changes(&old, &new),
        warnings: aios_config::warnings(&old, &new, here),
        not_in_force: new.not_in_force(),
    })
}

/// Names a text.
pub fn digest(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
