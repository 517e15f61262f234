//! `fs.move`: gives a file or directory another path.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITING;
use super::path::{self, Last};
use super::place::Place;
use super::tree;
use crate::context::Context;
use crate::error::ToolError;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::Capture;

/// See the module.
pub struct Act;

/// Arguments of `fs.move`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of what is moved.
    pub source: String,
    /// Absolute path that it gets; a directory that exists gets it inside, under its own name.
    pub destination: String,
}

/// What was moved.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Where it was.
    pub source: String,
    /// Where it is.
    pub destination: String,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        idempotent: false,
        reversible: true,
        timeout_ms: 120_000,
        post_condition: "it is at the destination and no longer at the source",
        kernel: WRITING,
        ..Spec::reading(
            "fs.move",
            "Moves or renames a file or directory; never over something that exists.",
            &["fs:write:{source}", "fs:write:{destination}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.source = path::resolve(&input.source, Last::Keep)?;
        input.destination = path::destination(&input.source, &input.destination)?;
        path::changeable(&input.source, context)?;
        path::changeable(&input.destination, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        path::apart(&input.source, &input.destination)?;
        Place::open(&input.source)?.existing()?;
        super::must_be_free(&Place::open(&input.destination)?)?;
        capture.moved(&input.source, &input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = Place::open(&input.source)?;
        let to = Place::open(&input.destination)?;
        tree::relocate(&from, &to, context.execution(), context.is_resumed())?;
        Ok(Output {
            source: input.source.clone(),
            destination: input.destination.clone(),
        })
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), String> {
        super::was_moved(&input.source, &input.destination, context.execution())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!("{} is now {}", output.source, output.destination)
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let (from, to) = (&input.source, &input.destination);
        let done = super::was_moved(from, to, interrupted.execution).is_ok();
        Ok(done.then(|| Output {
            source: input.source.clone(),
            destination: input.destination.clone(),
        }))
    }
}
