//! `pkg.install`: Installs a Debian package with what it needs. Its services are not started.

use aios_contracts::v1::PackageOrder;

use super::order::{self, Output};
use aios_tool::argument::PackageName;
use aios_tool::prelude::*;

/// The tool `pkg.install`.
pub struct Install;

arguments! {
    /// Arguments of `pkg.install`.
    pub struct Input {
        /// Name of the package.
        pub package: PackageName<argument::Install>,
    }
}

impl Tool for Install {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(
            "pkg.install",
            "Installs a Debian package with what it needs. Its services are not started.",
        )
    }

    fn summarize(input: &Input, output: &Output) -> String {
        order::summarize(&format!("{} is installed", input.package), output)
    }
}

impl Change for Install {
    fn effect() -> Effect {
        Effect::of(
            "the package is installed, and all files are as planned",
            &["install", "add"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        order::capture(
            PackageOrder::Install,
            &[input.package.as_str()],
            capture,
            context,
        )
    }

    fn act(_input: &Input, context: &Context) -> Result<Output, ToolError> {
        order::act(context)
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        order::is_installed(input.package.as_str(), true)?;
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
