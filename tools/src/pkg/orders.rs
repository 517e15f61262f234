//! `pkg.install`, `pkg.remove`, `pkg.purge`, `pkg.upgrade`, `pkg.autoremove`: tools that differ in
//! their words and in what they order of `aios-packages`; the rest is [`order`].

use std::marker::PhantomData;

use aios_contracts::v1::PackageOrder;
use serde_json::Value;

use super::order::{self, Output};
use aios_tool::argument::{Arguments, Nothing, PackageName};
use aios_tool::prelude::*;

/// What one of these tools is.
pub trait Order: Send + Sync + 'static {
    /// Its arguments.
    type Input: Arguments;
    /// What `aios-packages` is told.
    const ORDER: PackageOrder;
    /// Its name.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const DESCRIPTION: &'static str;
    /// What is true afterwards.
    const POST_CONDITION: &'static str;
    /// What people call it.
    const VERBS: &'static [&'static str];
    /// Is the package that it names installed afterwards?
    const INSTALLED: bool;
    /// What was done, for people, behind the package's name if there is one.
    const DONE: &'static str;

    /// Arguments of a call as somebody would make it.
    fn example() -> Value {
        json!({})
    }

    /// The package that a call names.
    fn package(input: &Self::Input) -> Option<&str>;
}

/// The tool of an order.
pub struct Ordered<O>(PhantomData<fn() -> O>);

impl<O: Order> Tool for Ordered<O> {
    type Input = O::Input;
    type Output = Output;

    fn declaration() -> Declaration {
        order::declaration(O::NAME, O::DESCRIPTION).example(O::example())
    }

    fn summarize(input: &O::Input, output: &Output) -> String {
        let done = match O::package(input) {
            Some(package) => format!("{package} {}", O::DONE),
            None => format!("all that was found {}", O::DONE),
        };
        order::summarize(&done, output)
    }
}

impl<O: Order> Change for Ordered<O> {
    fn effect() -> Effect {
        Effect::of(O::POST_CONDITION, O::VERBS).undone_by(Undo::ChangeSet)
    }

    fn preview(input: &O::Input, context: &Context) -> Result<Preview, ToolError> {
        let packages: Vec<&str> = O::package(input).into_iter().collect();
        order::preview(O::ORDER, &packages, context)
    }

    fn capture(
        input: &O::Input,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        let packages: Vec<&str> = O::package(input).into_iter().collect();
        order::capture(O::ORDER, &packages, capture, context)
    }

    fn act(_input: &O::Input, context: &Context) -> Result<Output, ToolError> {
        order::act(context)
    }

    fn verify(input: &O::Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        if let Some(package) = O::package(input) {
            order::is_installed(package, O::INSTALLED)?;
        }
        order::verify(context)
    }

    fn found_done(
        _input: &O::Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        order::found_done(interrupted, context)
    }
}

arguments! {
    /// Arguments of `pkg.install`.
    pub struct Installed {
        /// Name of the package.
        pub package: PackageName<argument::Install>,
    }
}

arguments! {
    /// Arguments of `pkg.remove` and `pkg.purge`.
    pub struct Removed {
        /// Name of the package.
        pub package: PackageName<argument::Remove>,
    }
}

/// `pkg.install`.
pub enum Install {}

impl Order for Install {
    type Input = Installed;
    const ORDER: PackageOrder = PackageOrder::Install;
    const NAME: &'static str = "pkg.install";
    const DESCRIPTION: &'static str =
        "Installs a Debian package with what it needs. Its services are not started.";
    const POST_CONDITION: &'static str = "the package is installed, and all files are as planned";
    const VERBS: &'static [&'static str] = &["install", "add"];
    const INSTALLED: bool = true;
    const DONE: &'static str = "is installed";

    fn example() -> Value {
        json!({"package": "nginx"})
    }

    fn package(input: &Installed) -> Option<&str> {
        Some(input.package.as_str())
    }
}

/// `pkg.remove`.
pub enum Remove {}

impl Order for Remove {
    type Input = Removed;
    const ORDER: PackageOrder = PackageOrder::Remove;
    const NAME: &'static str = "pkg.remove";
    const DESCRIPTION: &'static str = "Removes a Debian package; its configuration files stay.";
    const POST_CONDITION: &'static str =
        "the package is not installed, and all files are as planned";
    const VERBS: &'static [&'static str] = &["remove", "uninstall"];
    const INSTALLED: bool = false;
    const DONE: &'static str = "is removed";

    fn example() -> Value {
        json!({"package": "nginx"})
    }

    fn package(input: &Removed) -> Option<&str> {
        Some(input.package.as_str())
    }
}

/// `pkg.purge`.
pub enum Purge {}

impl Order for Purge {
    type Input = Removed;
    const ORDER: PackageOrder = PackageOrder::Purge;
    const NAME: &'static str = "pkg.purge";
    const DESCRIPTION: &'static str = "Removes a Debian package with its configuration files.";
    const POST_CONDITION: &'static str = Remove::POST_CONDITION;
    const VERBS: &'static [&'static str] = &["purge"];
    const INSTALLED: bool = false;
    const DONE: &'static str = "is purged";

    fn example() -> Value {
        json!({"package": "nginx"})
    }

    fn package(input: &Removed) -> Option<&str> {
        Remove::package(input)
    }
}

arguments! {
    /// Arguments of `pkg.upgrade`.
    pub struct Upgraded {
        /// Name of one installed package. Default: all of them.
        pub package: Option<PackageName<argument::Install>>,
    }
}

/// `pkg.upgrade`.
pub enum Upgrade {}

impl Order for Upgrade {
    type Input = Upgraded;
    const ORDER: PackageOrder = PackageOrder::Upgrade;
    const NAME: &'static str = "pkg.upgrade";
    const DESCRIPTION: &'static str =
        "Upgrades one installed package, or all of them, to the newest version that can be had.";
    const POST_CONDITION: &'static str = "all files are as planned for the newer versions";
    const VERBS: &'static [&'static str] = &["upgrade", "update"];
    const INSTALLED: bool = true;
    const DONE: &'static str = "is upgraded";

    fn example() -> Value {
        json!({"package": "nginx"})
    }

    fn package(input: &Upgraded) -> Option<&str> {
        Some(input.package.as_ref()?.as_str())
    }
}

/// `pkg.autoremove`.
pub enum Autoremove {}

impl Order for Autoremove {
    type Input = Nothing;
    const ORDER: PackageOrder = PackageOrder::Autoremove;
    const NAME: &'static str = "pkg.autoremove";
    const DESCRIPTION: &'static str =
        "Removes packages that were installed for others and that nothing needs any more.";
    const POST_CONDITION: &'static str = "nothing is installed that nothing needs";
    const VERBS: &'static [&'static str] = &["clean"];
    const INSTALLED: bool = false;
    const DONE: &'static str = "is removed";

    fn package(_input: &Nothing) -> Option<&str> {
        None
    }
}
