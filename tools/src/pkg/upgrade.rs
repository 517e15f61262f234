//! `pkg.upgrade`: Upgrades all installed packages to the newest versions that can be had.

use aios_contracts::v1::PackageOrder;

use super::order::{self, Output};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `pkg.upgrade`.
pub struct Upgrade;

impl Tool for Upgrade {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(
            "pkg.upgrade",
            "Upgrades all installed packages to the newest versions that can be had.",
        )
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        order::summarize("the packages are upgraded", output)
    }
}

impl Change for Upgrade {
    fn effect() -> Effect {
        Effect::of(
            "nothing newer can be had for what is installed",
            &["upgrade", "update"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn capture(
        _input: &Nothing,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        order::capture(PackageOrder::Upgrade, &[], capture, context)
    }

    fn act(_input: &Nothing, context: &Context) -> Result<Output, ToolError> {
        order::act(context)
    }

    fn verify(_input: &Nothing, _output: &Output, context: &Context) -> Result<(), ToolError> {
        order::verify(context)
    }

    fn found_done(
        _input: &Nothing,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        order::found_done(interrupted, context)
    }
}
