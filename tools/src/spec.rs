//! What a tool declares about itself, beside its input and output types.

pub use aios_config::Risk;
use caps::Capability;

/// The declaration of one tool.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// `namespace.action`.
    pub name: &'static str,
    /// What it does, in one sentence, for people and for the planner.
    pub description: &'static str,
    /// What a caller must hold: `namespace:action:value`, where `{field}` is replaced by that
    /// field of the resolved input.
    pub capabilities: &'static [&'static str],
    /// How much harm a call can do.
    pub risk: Risk,
    /// Does it change anything?
    pub mutating: bool,
    /// Is doing it twice the same as doing it once?
    pub idempotent: bool,
    /// Can every successful execution be undone?
    pub reversible: bool,
    /// How long one act may take, in milliseconds.
    pub timeout_ms: u32,
    /// What is checked after the act, in words.
    pub post_condition: &'static str,
    /// The Linux capabilities that its thread keeps; all others are dropped before the act.
    pub kernel: &'static [Capability],
}

impl Spec {
    /// A tool that looks only: low risk, idempotent, ten seconds, no Linux capability.
    /// Change what differs by struct update: `Spec { timeout_ms: 500, ..Spec::reading(…) }`.
    pub const fn reading(
        name: &'static str,
        description: &'static str,
        capabilities: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            description,
            capabilities,
            risk: Risk::Low,
            mutating: false,
            idempotent: true,
            reversible: false,
            timeout_ms: 10_000,
            post_condition: "nothing is changed",
            kernel: &[],
        }
    }

    /// The part of the name before the dot.
    pub fn namespace(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }
}
