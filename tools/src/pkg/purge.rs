//! `pkg.purge`: Removes a Debian package with its configuration files.

use aios_contracts::v1::PackageOrder;

use super::order::{self, Output};
use aios_tool::argument::PackageName;
use aios_tool::prelude::*;

/// The tool `pkg.purge`.
pub struct Purge;

arguments! {
    /// Arguments of `pkg.purge`.
    pub struct Input {
        /// Name of the package.
        pub package: PackageName<argument::Remove>,
    }
}

impl Tool for Purge {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(
            "pkg.purge",
            "Removes a Debian package with its configuration files.",
        )
    }

    fn summarize(input: &Input, output: &Output) -> String {
        order::summarize(&format!("{} is purged", input.package), output)
    }
}

impl Change for Purge {
    fn effect() -> Effect {
        Effect::of(
            "the package is not installed, and all files are as planned",
            &["purge"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        order::capture(
            PackageOrder::Purge,
            &[input.package.as_str()],
            capture,
            context,
        )
    }

    fn act(_input: &Input, context: &Context) -> Result<Output, ToolError> {
        order::act(context)
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        order::is_installed(input.package.as_str(), false)?;
        order::verify(context)
    }

    fn found_done(
        _input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        order::found_done(interrupted, context)
    }
}
