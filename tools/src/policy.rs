//! Approval: which calls run without a person.

use aios_config::Approval;

use crate::error::ToolError;
use crate::spec::Spec;

/// Decides about a call of this tool; the answer is the decision's text for the ledger.
///
/// # Errors
/// `Denied` when a person would have to approve it.
pub fn decide(approval: &Approval, spec: &Spec) -> Result<&'static str, ToolError> {
    if spec.risk <= approval.auto_up_to {
        return Ok("approved by policy");
    }
    Err(ToolError::Denied(format!(
        "{} has the risk {:?}; without a person's approval calls run up to the risk {:?} \
         ([approval] auto_up_to in the configuration)",
        spec.name, spec.risk, approval.auto_up_to
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Risk;

    #[test]
    fn a_risk_above_the_limit_needs_a_person() {
        let check = |limit, risk, expected| {
            let approval = Approval { auto_up_to: limit };
            let spec = Spec {
                risk,
                ..Spec::reading("a.b", "", &[])
            };
            assert_eq!(
                decide(&approval, &spec).is_ok(),
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
