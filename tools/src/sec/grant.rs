//! `sec.grant`: lends a capability to an agent.

use aios_files::clock::now_ms;

use super::lent::{self, Lent};
use crate::capability::Capability;
use crate::grants::{Loan, Loans};
use aios_tool::argument::{AgentName, Seconds, Text, Whole};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::InverseCall;

/// The tool `sec.grant`.
pub struct Grant;

/// The namespaces of which nothing is lent: who may lend, would have all.
const NOT_LENT: [&str; 2] = ["sec", "*"];
/// The agent that lends. It may not lend to itself.
const LENDER: &str = "security";
/// How long a loan runs when the call does not say, in seconds.
const HOUR: u64 = 3600;

arguments! {
    /// Arguments of `sec.grant`.
    pub struct Input {
        /// The agent that gets it, as `storage`.
        pub agent: AgentName,
        /// The capability, as `fs:write:/data/reports/*`.
        pub capability: Text,
        /// For so many seconds, up to 30 days; an hour when it is not said.
        pub seconds: Option<Seconds<1, 2_592_000>>,
        /// For so many calls; any number when it is not said.
        pub calls: Option<Whole<1, 1_000_000>>,
        /// For this goal alone, by its id; for any when it is not said.
        pub goal: Option<Text>,
    }
}

impl Tool for Grant {
    type Input = Input;
    type Output = Lent;

    fn declaration() -> Declaration {
        Declaration::of(
            "sec.grant",
            "Lends an agent a capability, for a time, a number of calls or one goal.",
        )
        .risk(Risk::Critical)
        .least(Least::Admin)
        .needing("sec", "grant", "capability")
        .changing_own_state()
        .example(json!({
            "agent": "storage", "capability": "fs:write:/data/reports/*", "seconds": 3600
        }))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        may_be_lent(input.agent.as_str(), input.capability.as_str())
    }

    fn summarize(_input: &Input, output: &Lent) -> String {
        format!(
            "{} holds {}",
            output.loan.agent,
            lent::described(&output.loan)
        )
    }
}

impl Change for Grant {
    fn effect() -> Effect {
        Effect::of("the agent holds the capability", &["grant", "lend"]).undone_by(Undo::Call)
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        // Without the moment of its end: that is another at each look.
        let loan = loan(input, "", 0);
        let calls = match loan.calls {
            Some(calls) => format!(", for {calls} calls"),
            None => String::new(),
        };
        let goal = match loan.goal.as_str() {
            "" => String::new(),
            goal => format!(", for goal {}", format::printable(goal)),
        };
        let after = format!(
            "holds {} for {} s{calls}{goal}",
            format::printable(&loan.capability),
            seconds(input)
        );
        let object = format!("agent {}", format::printable(&loan.agent));
        Ok(Foreseen::of(object, "does not hold it", &after).into())
    }

    fn capture(_: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        capture.call(InverseCall {
            tool: "sec.revoke".to_owned(),
            arguments: json!({ "loan": context.execution() }),
            undone: "what was lent is taken back".to_owned(),
        });
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Lent, ToolError> {
        let loan = loan(input, context.execution(), now_ms());
        context.part::<Loans>()?.lend(loan.clone())?;
        Ok(Lent { loan })
    }

    fn verify(_: &Input, output: &Lent, context: &Context) -> Result<(), ToolError> {
        match context.part::<Loans>()?.all().contains(&output.loan) {
            true => Ok(()),
            false => Err(ToolError::Unverified("it is not lent".into())),
        }
    }

    fn found_done(
        _: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Lent>, ToolError> {
        let all = context.part::<Loans>()?.all();
        let found = all
            .into_iter()
            .find(|loan| loan.id == interrupted.execution);
        Ok(found.map(|loan| Lent { loan }))
    }
}

fn seconds(input: &Input) -> u64 {
    input
        .seconds
        .as_ref()
        .map_or(HOUR, |seconds| seconds.duration().as_secs())
}

fn loan(input: &Input, id: &str, now_ms: i64) -> Loan {
    let lasts = i64::try_from(seconds(input))
        .unwrap_or(0)
        .saturating_mul(1000);
    let text = |text: &Option<Text>| text.as_ref().map_or("", Text::as_str).to_owned();
    Loan {
        id: id.to_owned(),
        agent: input.agent.to_string(),
        capability: input.capability.to_string(),
        goal: text(&input.goal),
        until_ms: now_ms.saturating_add(lasts),
        calls: input
            .calls
            .as_ref()
            .and_then(|calls| u32::try_from(calls.get()).ok()),
        by: format!("{LENDER}, execution {id}"),
    }
}

/// May this be lent to this agent?
fn may_be_lent(agent: &str, capability: &str) -> Result<(), ToolError> {
    let capability: Capability = capability
        .parse()
        .map_err(|error| ToolError::Invalid(format!("capability: {error}")))?;
    if NOT_LENT.contains(&capability.namespace()) {
        return Err(ToolError::Denied(format!(
            "{capability} is not lent: who holds it could lend itself anything"
        )));
    }
    if agent == LENDER {
        return Err(ToolError::Denied(format!(
            "agent {LENDER} lends, and so nothing is lent to it"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_lends_what_lends_or_to_the_lender() {
        let check = |agent: &str, capability: &str, expected: bool| {
            let found = may_be_lent(agent, capability).is_ok();
            assert_eq!(found, expected, "{agent} {capability}");
        };
        check("storage", "fs:write:/data/x/*", true);
        check("storage", "sec:grant:capability", false);
        check("storage", "*:*:*", false);
        check("storage", "fs", false);
        check("security", "fs:write:/data/x/*", false);
    }
}
