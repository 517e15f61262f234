//! `pkg.autoremove`: Removes packages that were installed for others and that nothing needs any more.

use aios_contracts::v1::PackageOrder;

use super::order::{self, Output};
use aios_tool::argument::Nothing;
use aios_tool::prelude::*;

/// The tool `pkg.autoremove`.
pub struct Autoremove;

impl Tool for Autoremove {
    type Input = Nothing;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(
            "pkg.autoremove",
            "Removes packages that were installed for others and that nothing needs any more.",
        )
    }

    fn summarize(_input: &Nothing, output: &Output) -> String {
        order::summarize("what nothing needs is removed", output)
    }
}

impl Change for Autoremove {
    fn effect() -> Effect {
        Effect::of("nothing is installed that nothing needs", &["clean"]).undone_by(Undo::ChangeSet)
    }

    fn capture(
        _input: &Nothing,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        order::capture(PackageOrder::Autoremove, &[], capture, context)
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
