//! Approval: which calls run without a person.

use serde::Deserialize;

use aios_tool::error::ToolError;
use aios_tool::spec::{Declaration, Risk};

/// The `[approval]` table of `/etc/aios/config.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// Calls of tools up to this risk run without a person.
    #[serde(default = "high")]
    pub auto_up_to: Risk,
}

fn high() -> Risk {
    Risk::High
}

impl Default for Approval {
    fn default() -> Self {
        Self { auto_up_to: high() }
    }
}

impl Approval {
    /// Decides about a call of this tool; the answer is the decision's text for the ledger.
    ///
    /// # Errors
    /// `Denied` when a person would have to approve it.
    pub fn decide(&self, tool: &Declaration) -> Result<&'static str, ToolError> {
        if tool.risk <= self.auto_up_to {
            return Ok("approved by policy");
        }
        Err(ToolError::Denied(format!(
            "{} has the risk {:?}; without a person's approval calls run up to the risk {:?} \
             ([approval] auto_up_to in the configuration)",
            tool.name, tool.risk, self.auto_up_to
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_risk_above_the_limit_needs_a_person() {
        let check = |limit, risk, expected| {
            let approval = Approval { auto_up_to: limit };
            let tool = Declaration::of("a.b", "").risk(risk);
            assert_eq!(
                approval.decide(&tool).is_ok(),
                expected,
                "{limit:?} {risk:?}"
            );
        };
        check(Risk::High, Risk::Low, true);
        check(Risk::High, Risk::High, true);
        check(Risk::High, Risk::Critical, false);
        check(Risk::Low, Risk::Medium, false);
    }
}
