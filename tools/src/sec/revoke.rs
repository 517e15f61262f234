//! `sec.revoke`: takes back a capability that was lent.

use super::lent::{self, Lent};
use crate::grants::{Loan, Loans};
use aios_tool::argument::Text;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `sec.revoke`.
pub struct Revoke;

arguments! {
    /// Arguments of `sec.revoke`.
    pub struct Input {
        /// The loan, as `sec.grants` shows it: the execution that lent it.
        pub loan: Text,
    }
}

impl Tool for Revoke {
    type Input = Input;
    type Output = Lent;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.revoke",
            "Takes back a capability that was lent to an agent.",
        )
        .risk(Risk::Medium)
        .needing("sec", "revoke", "capability")
        .changing_own_state()
        .example(json!({ "loan": "7f3a2c1e-5d3b-5c61-9a53-0c4c7a1d9b10" }))
    }

    fn summarize(_input: &Input, output: &Lent) -> String {
        let loan = &output.loan;
        format!("{} no longer holds {}", loan.agent, lent::described(loan))
    }
}

impl Change for Revoke {
    fn effect() -> Effect {
        Effect::of("the loan does not run", &["revoke", "forbid"])
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let loan = find(input, context)?;
        let object = format!("agent {}", format::printable(&loan.agent));
        let before = format!("holds {}", format::printable(&loan.capability));
        Ok(Foreseen::of(object, &before, "does not hold it").into())
    }

    fn act(input: &Input, context: &Context) -> Result<Lent, ToolError> {
        let taken = context.part::<Loans>()?.take_back(input.loan.as_str())?;
        taken.map(|loan| Lent { loan }).ok_or_else(|| none(input))
    }

    fn verify(input: &Input, _: &Lent, context: &Context) -> Result<(), ToolError> {
        match find(input, context) {
            Err(_) => Ok(()),
            Ok(_) => Err(ToolError::Unverified("it is still lent".into())),
        }
    }
}

fn find(input: &Input, context: &Context) -> Result<Loan, ToolError> {
    let all = context.part::<Loans>()?.all();
    let found = all.into_iter().find(|loan| loan.id == input.loan.as_str());
    found.ok_or_else(|| none(input))
}

fn none(input: &Input) -> ToolError {
    ToolError::Precondition(format!(
        "no loan {:?} runs; sec.grants shows those that do",
        input.loan.as_str()
    ))
}
