//! `firewall.load`: has the kernel take the operator's rules from their file, as an undo does once the
//! file is as it was, and an operator who wrote the file by hand.

use aios_firewall::FILE;
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use caps::Capability;

/// The tool's name.
pub const NAME: &str = "firewall.load";

/// The tool `firewall.load`.
pub struct LoadRules;

/// What holds now.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// All rules of the operator, in order.
    pub rules: Vec<String>,
}

impl Tool for LoadRules {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            NAME,
            "Loads the operator's rules of the packet filter from their file into the kernel.",
        )
        .risk(Risk::High)
        .least(Least::Admin)
        .kernel(&[Capability::CAP_NET_ADMIN])
        .needing("firewall", "change", "rules")
        .reading_the_machine()
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        format!("the kernel has the {} rules of {FILE}", output.rules.len())
    }
}

impl Change for LoadRules {
    fn effect() -> Effect {
        Effect::of(
            "the kernel has the operator's rules as the file has them",
            &["load"],
        )
    }

    fn preview(_input: &Nothing, _context: &Context) -> Result<Preview, ToolError> {
        let (rules, chain) = (super::current()?, super::chain()?);
        if rules.are(&chain) {
            return Ok(Preview::default());
        }
        let before: String = chain
            .iter()
            .map(|listed| format!("{}\n", listed.statement))
            .collect();
        let after: String = rules
            .iter()
            .map(|rule| format!("{}\n", rule.statement()))
            .collect();
        let count = |rules: usize| format!("{rules} rules");
        Ok(Foreseen::of(
            "packet filter, the operator's rules",
            &count(chain.len()),
            &count(rules.iter().len()),
        )
        .with_content(before.as_bytes(), after.as_bytes())
        .into())
    }

    fn act(_input: &Nothing, _context: &Context) -> Result<Output, ToolError> {
        super::load()?;
        let rules = super::current()?;
        Ok(Output {
            rules: rules.iter().map(ToString::to_string).collect(),
        })
    }

    fn verify(_: &Nothing, _: &Output, _: &Context) -> Result<(), ToolError> {
        super::verify()
    }
}
