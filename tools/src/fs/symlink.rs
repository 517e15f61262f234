//! `fs.symlink`: makes a symbolic link.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITING;
use super::meta::Meta;
use super::path::{self, Last};
use super::place::Place;
use crate::context::Context;
use crate::error::ToolError;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::Capture;

/// See the module.
pub struct Act;

/// Arguments of `fs.symlink`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the link.
    pub path: String,
    /// What it points to.
    #[schemars(length(min = 1, max = 4095))]
    pub target: String,
}

/// What was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path of the link.
    pub path: String,
    /// What it points to.
    pub target: String,
    /// Something is there.
    pub target_exists: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        idempotent: false,
        reversible: true,
        post_condition: "the link points to the target",
        kernel: WRITING,
        ..Spec::reading(
            "fs.symlink",
            "Makes a symbolic link; never over something that exists.",
            &["fs:write:{path}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.path = path::resolve(&input.path, Last::Keep)?;
        path::changeable(&input.path, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        super::must_be_free(&Place::open(&input.path)?)?;
        capture.absent(&input.path);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = Place::open(&input.path)?;
        rustix::fs::symlinkat(&input.target, &place.parent, &place.name)
            .map_err(|error| place.error(error))?;
        Meta::new(0o777, context.owner()).apply(&place)?;
        place.sync_parent()?;
        Ok(output(input))
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), String> {
        let place = Place::open(&input.path).map_err(|error| error.to_string())?;
        match rustix::fs::readlinkat(&place.parent, &place.name, Vec::new()) {
            Ok(target) if target.to_bytes() == input.target.as_bytes() => Ok(()),
            Ok(target) => Err(format!("{} points to {target:?}", input.path)),
            Err(error) => Err(format!("{}: {error}", input.path)),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let missing = if output.target_exists {
            ""
        } else {
            " (nothing is there)"
        };
        format!("{} points to {}{missing}", output.path, output.target)
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let output = output(input);
        let done = Self::verify(input, &output, context).is_ok();
        Ok(done.then_some(output))
    }
}

fn output(input: &Input) -> Output {
    Output {
        path: input.path.clone(),
        target: input.target.clone(),
        target_exists: std::path::Path::new(&input.path).exists(),
    }
}
