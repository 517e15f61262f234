//! `firewall.remove`: takes a rule of the operator's away.

use aios_firewall::{Rule, Rules};
use aios_tool::argument::{Text, Whole};
use aios_tool::prelude::*;
use aios_tool::undo::{Entry, InverseCall};

use super::Output;

/// The tool `firewall.remove`.
pub struct RemoveRule;

arguments! {
    /// Arguments of `firewall.remove`.
    pub struct Input {
        /// Number of the rule, from 1, as `firewall.rules` shows it.
        pub number: Option<Whole<1, 256>>,
        /// Or its words: `allow tcp 80`, as `firewall.rules` shows them.
        pub rule: Option<Text>,
    }
}

impl Tool for RemoveRule {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        super::declaration(
            "firewall.remove",
            "Takes a rule of the operator's out of the packet filter, by its number or its words.",
        )
        .example(json!({"rule": "allow tcp 80"}))
    }

    /// The words are what is stored and acted on: a number may be another rule's by then.
    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let rule = match (&input.number, &input.rule) {
            (Some(number), None) => numbered(&super::current()?, number.count())?,
            (None, Some(words)) => words
                .as_str()
                .parse::<Rule>()
                .map_err(|why| ToolError::Invalid(format!("rule: {why}")))?,
            _ => {
                return Err(ToolError::Invalid(
                    "give number or rule, and not both".into(),
                ));
            }
        };
        input.number = None;
        input.rule = Some(Text::of(rule.to_string()));
        Ok(())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        match output.rules.len() {
            0 => format!("{:?} is removed; the operator has no rule now", output.rule),
            left => format!(
                "{:?} is removed; {left} rules of the operator's hold",
                output.rule
            ),
        }
    }
}

/// The rule of this number.
fn numbered(rules: &Rules, number: usize) -> Result<Rule, ToolError> {
    rules.get(number).cloned().ok_or_else(|| {
        ToolError::Precondition(format!(
            "there is no rule {number}: the operator has {}",
            rules.iter().len()
        ))
    })
}

fn rule(input: &Input) -> Result<Rule, ToolError> {
    let words = input.rule.as_ref().map(Text::as_str).unwrap_or_default();
    words.parse().map_err(ToolError::Invalid)
}

impl Edit for RemoveRule {
    fn effect() -> Effect {
        Effect::of(
            "the kernel has the operator's rules as the file has them, without that one",
            &["remove", "delete", "drop"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, _context: &Context) -> Result<Plan, ToolError> {
        let (rule, rules) = (rule(input)?, super::current()?);
        if !rules.iter().any(|one| *one == rule) {
            return Err(ToolError::Precondition(format!(
                "the operator has no rule {:?}; firewall.rules shows those that there are",
                rule.to_string()
            )));
        }
        super::plan(&rules.without(&rule))
    }

    fn apply(_input: &Input, _context: &Context) -> Result<(), ToolError> {
        super::load()
    }

    fn applied_by(_input: &Input) -> Option<InverseCall> {
        super::loading_again()
    }

    fn output(input: &Input, changed: &[Entry], _: &Context) -> Result<Output, ToolError> {
        super::output(&rule(input)?, changed)
    }

    fn verify(_input: &Input, _context: &Context) -> Result<(), ToolError> {
        super::verify()
    }
}
