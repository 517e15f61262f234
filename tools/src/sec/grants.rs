//! `sec.grants`: which capabilities are lent.

use super::lent;
use crate::grants::{Loan, Loans};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `sec.grants`.
pub struct Grants;

/// What is lent.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Each loan that runs.
    pub loans: Vec<Loan>,
}

impl Tool for Grants {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.grants",
            "Lists the capabilities that are lent to agents beside what their manifests grant.",
        )
        .needing("sec", "read", "grants")
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        let one = |loan: &Loan| format!("{}: {} ({})", loan.agent, lent::described(loan), loan.id);
        match output.loans.as_slice() {
            [] => "nothing is lent".to_owned(),
            loans => loans.iter().map(one).collect::<Vec<_>>().join("\n"),
        }
    }
}

impl Look for Grants {
    fn look(_: &Nothing, context: &Context) -> Result<Output, ToolError> {
        let loans = context.part::<Loans>()?.all();
        Ok(Output { loans })
    }
}
