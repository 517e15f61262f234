//! Approval: which calls run without a person.

use aios_config::Approval;

use aios_tool::error::ToolError;
use aios_tool::spec::Declaration;

/// Decides about a call of this tool; the answer is the decision's text for the ledger.
///
/// # Errors
/// `Denied` when a person would have to approve it.
pub fn decide(approval: &Approval, tool: &Declaration) -> Result<&'static str, ToolError> {
    if tool.risk <= approval.auto_up_to {
        return Ok("approved by policy");
    }
    Err(ToolError::Denied(format!(
        "{} has the risk {:?}; without a person's approval calls run up to the risk {:?} \
         ([approval] auto_up_to in the configuration)",
        tool.name, tool.risk, approval.auto_up_to
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_config::Risk;

    #[test]
    fn a_risk_above_the_limit_needs_a_person() {
        let check = |limit, risk, expected| {
            let approval = Approval { auto_up_to: limit };
            let tool = Declaration::of("a.b", "").risk(risk);
            assert_eq!(
                decide(&approval, &tool).is_ok(),
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
