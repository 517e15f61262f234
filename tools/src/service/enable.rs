//! `service.enable` and `service.disable`: does a package's service start at boot? As systemd keeps it:
//! a link among the wants of `multi-user.target`, which aiOS reads at boot.

use std::marker::PhantomData;

use aios_tool::argument::{self, ServiceName};
use aios_tool::prelude::*;
use aios_tool::undo::Entry;
use aios_units::ENABLED;

use super::unit_file::{packaged, unit, with_folder};

arguments! {
    /// Arguments of `service.enable`.
    pub struct Enabled {
        /// Name of the service, as its unit file has it: `nginx`, `postgresql@17-main`.
        pub service: ServiceName<argument::Enable>,
    }
}

arguments! {
    /// Arguments of `service.disable`.
    pub struct Disabled {
        /// Name of the service, as its unit file has it: `nginx`, `postgresql@17-main`.
        pub service: ServiceName<argument::Disable>,
    }
}

/// On or off.
pub trait Way: Send + Sync + 'static {
    /// The arguments.
    type Input: argument::Arguments;
    /// Does the service start at boot afterwards?
    const STARTS: bool;
    /// The tool's name.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const DESCRIPTION: &'static str;

    /// The service that a call names.
    fn service(input: &Self::Input) -> &str;
}

/// It starts at boot.
pub enum On {}

impl Way for On {
    type Input = Enabled;
    const STARTS: bool = true;
    const NAME: &'static str = "service.enable";
    const DESCRIPTION: &'static str =
        "Has a package's service start at each boot. It is not started now.";

    fn service(input: &Enabled) -> &str {
        input.service.as_str()
    }
}

/// It does not.
pub enum Off {}

impl Way for Off {
    type Input = Disabled;
    const STARTS: bool = false;
    const NAME: &'static str = "service.disable";
    const DESCRIPTION: &'static str =
        "Has a package's service no longer start at boot. It is not stopped now.";

    fn service(input: &Disabled) -> &str {
        input.service.as_str()
    }
}

/// The tool of a way.
pub struct AtBoot<W>(PhantomData<fn() -> W>);

/// The tool `service.enable`.
pub type Enable = AtBoot<On>;
/// The tool `service.disable`.
pub type Disable = AtBoot<Off>;

/// What became of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The service.
    pub service: String,
    /// Does it start at boot?
    pub enabled: bool,
    /// Was it otherwise before?
    pub changed: bool,
}

fn link(bare: &str) -> String {
    format!("{ENABLED}/{bare}.service")
}

impl<W: Way> Tool for AtBoot<W> {
    type Input = W::Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(W::NAME, W::DESCRIPTION)
            .risk(Risk::Medium)
            .least(Least::Admin)
            .kernel(file::WRITING)
            .reading_the_machine()
            .changing(&["/etc"])
            .example(json!({"service": "nginx"}))
    }

    fn summarize(_input: &W::Input, output: &Output) -> String {
        let does = if output.enabled {
            "starts at boot"
        } else {
            "does not start at boot"
        };
        let already = if output.changed {
            ""
        } else {
            "; it was so already"
        };
        format!("{} {does}{already}", output.service)
    }
}

impl<W: Way> Edit for AtBoot<W> {
    fn effect() -> Effect {
        let (is, verbs): (_, &[&str]) = match W::STARTS {
            true => ("is", &["enable"]),
            false => ("is not", &["disable", "forbid"]),
        };
        let text = format!("the service {is} among those that start at boot");
        Effect::of(&text, verbs).undone_by(Undo::ChangeSet)
    }

    fn plan(input: &W::Input, _context: &Context) -> Result<Plan, ToolError> {
        let bare = packaged(W::service(input))?;
        if !W::STARTS {
            return Plan::new().absent(&link(bare));
        }
        unit(bare)?;
        let path = aios_units::path_of(bare)
            .and_then(|path| path.to_str().map(str::to_owned))
            .ok_or_else(|| ToolError::Precondition(format!("{bare} has no unit file")))?;
        with_folder(ENABLED)?.link(&link(bare), &path)
    }

    fn output(
        input: &W::Input,
        changed: &[Entry],
        _context: &Context,
    ) -> Result<Output, ToolError> {
        let service = packaged(W::service(input))?.to_owned();
        Ok(Output {
            enabled: aios_units::enabled().contains(&service),
            service,
            changed: !changed.is_empty(),
        })
    }

    fn verify(input: &W::Input, _context: &Context) -> Result<(), ToolError> {
        let service = packaged(W::service(input))?;
        let enabled = aios_units::enabled().iter().any(|name| name == service);
        match enabled == W::STARTS {
            true => Ok(()),
            false => Err(ToolError::Unverified(format!(
                "{service} is enabled: {enabled}"
            ))),
        }
    }
}
