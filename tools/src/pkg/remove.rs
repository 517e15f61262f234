//! `pkg.remove`: Removes a Debian package; its configuration files stay.

use aios_contracts::v1::PackageOrder;

use super::order::{self, Output};
use aios_tool::argument::PackageName;
use aios_tool::prelude::*;

/// The tool `pkg.remove`.
pub struct Remove;

arguments! {
    /// Arguments of `pkg.remove`.
    pub struct Input {
        /// Name of the package.
        pub package: PackageName<argument::Remove>,
    }
}

impl Tool for Remove {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(
            "pkg.remove",
            "Removes a Debian package; its configuration files stay.",
        )
    }

    fn summarize(input: &Input, output: &Output) -> String {
        order::summarize(&format!("{} is removed", input.package), output)
    }
}

impl Change for Remove {
    fn effect() -> Effect {
        Effect::of(
            "the package is not installed, and all files are as planned",
            &["remove", "uninstall"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        order::capture(
            PackageOrder::Remove,
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
