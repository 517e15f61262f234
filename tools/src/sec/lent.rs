//! What the tools about loans say.

use crate::grants::Loan;
use aios_tool::prelude::*;

/// A loan that was made or taken back.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Lent {
    /// It.
    pub loan: Loan,
}

/// What is lent, in a clause: `fs:write:/data/x/* until 2026-01-31 08:15:00 UTC, 3 calls`.
pub fn described(loan: &Loan) -> String {
    let calls = match loan.calls {
        Some(calls) => format!(", {calls} calls"),
        None => String::new(),
    };
    let goal = match loan.goal.as_str() {
        "" => String::new(),
        goal => format!(", goal {}", format::printable(goal)),
    };
    format!(
        "{} until {}{calls}{goal}",
        format::printable(&loan.capability),
        format::time(loan.until_ms)
    )
}
