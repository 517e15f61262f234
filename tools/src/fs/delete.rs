//! `fs.delete`: moves a file or directory into the quarantine.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{self, Last};
use super::place::Place;
use super::{WRITING, extent, tree};
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::{Capture, Step};

/// See the module.
pub struct Act;

/// Arguments of `fs.delete`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path. A symbolic link is deleted itself, not what it points to.
    pub path: String,
}

/// What was deleted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::High,
        mutating: true,
        reversible: true,
        timeout_ms: 300_000,
        post_condition: "nothing is at the path",
        kernel: WRITING,
        ..Spec::reading(
            "fs.delete",
            "Deletes a file, or a directory with all in it, by moving it into the quarantine.",
            &["fs:write:{path}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.path = path::resolve(&input.path, Last::Keep)?;
        path::changeable(&input.path, context)
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        Place::open(&input.path)?.existing()?;
        let kept = context
            .state_dir()
            .join("quarantine")
            .join(context.execution());
        let kept = kept
            .to_str()
            .ok_or_else(|| ToolError::Failed(format!("{} is not UTF-8", kept.display())))?;
        capture.moved(&input.path, kept);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = Place::open(&input.path)?;
        let kept = context
            .state_dir()
            .join("quarantine")
            .join(context.execution());
        let kept = path::resolve(&kept.to_string_lossy(), Last::Keep)?;
        let kept = Place::open(&kept)?;
        tree::relocate(&from, &kept, context.execution(), context.is_resumed())?;
        output(input, &kept).map_err(|error| ToolError::Unverified(error.to_string()))
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), String> {
        match Place::open(&input.path).and_then(|place| place.stat()) {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(format!("{} is still there", input.path)),
            Err(error) => Err(error.to_string()),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let entries = match output.entries {
            1 => String::new(),
            entries => format!("{entries} entries, "),
        };
        let bytes = format::bytes(output.bytes);
        format!(
            "{} is deleted ({entries}{bytes}); undo brings it back",
            output.path
        )
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        match interrupted.steps {
            [Step::MoveBack { from, to }]
                if super::was_moved(from, to, interrupted.execution).is_ok() =>
            {
                output(input, &Place::open(to)?).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn output(input: &Input, kept: &Place) -> Result<Output, ToolError> {
    let extent = extent::of(kept)?;
    Ok(Output {
        path: input.path.clone(),
        entries: extent.entries,
        bytes: extent.bytes,
    })
}
