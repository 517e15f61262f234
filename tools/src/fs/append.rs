//! `fs.append`: adds to the end of a file, all at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITING;
use super::path::{self, Last};
use super::place::Place;
use super::write;
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::{Capture, Prior, Step};

/// See the module.
pub struct Act;

/// Arguments of `fs.append`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the file; it is made when it is missing, its folder must exist.
    pub path: String,
    /// What is added. A line end is put before it when the file does not end with one.
    pub content: String,
}

/// What was added.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Bytes that were added.
    pub added: u64,
    /// Size of the file in bytes.
    pub size: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        idempotent: false,
        reversible: true,
        timeout_ms: 30_000,
        post_condition: "the file ends with the content",
        kernel: WRITING,
        ..Spec::reading(
            "fs.append",
            "Adds a text to the end of a file; makes the file when it is missing.",
            &["fs:write:{path}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.path = path::resolve(&input.path, Last::Follow)?;
        path::changeable(&input.path, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let mut sizes = (0, 0);
        write::put(&input.path, context, |prior| {
            let prior = prior.unwrap_or_default();
            let whole = joined(&prior, &input.content);
            sizes = (prior.len() as u64, whole.len() as u64);
            Ok(whole)
        })?;
        Ok(Output {
            path: input.path.clone(),
            added: sizes.1 - sizes.0,
            size: sizes.1,
        })
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), String> {
        let place = Place::open(&input.path).map_err(|error| error.to_string())?;
        let content = super::whole_content(&place).map_err(|error| error.to_string())?;
        let as_said = content.len() as u64 == output.size;
        match as_said && content.ends_with(input.content.as_bytes()) {
            true => Ok(()),
            false => Err(format!("{} does not end with the content", input.path)),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!(
            "{} added to {}, which has {} now",
            format::bytes(output.added),
            output.path,
            format::bytes(output.size)
        )
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let prior = match interrupted.steps {
            [
                Step::Restore {
                    prior: Prior::File { content, .. },
                    ..
                },
            ] => std::fs::read(content).map_err(|error| ToolError::io(content.display(), error))?,
            _ => Vec::new(),
        };
        let whole = joined(&prior, &input.content);
        let done = super::has_content(&input.path, &whole).is_ok();
        Ok(done.then(|| Output {
            path: input.path.clone(),
            added: (whole.len() - prior.len()) as u64,
            size: whole.len() as u64,
        }))
    }
}

/// The text begins on a line of its own.
fn joined(prior: &[u8], content: &str) -> Vec<u8> {
    let mut whole = prior.to_vec();
    if prior.last().is_some_and(|last| *last != b'\n') {
        whole.push(b'\n');
    }
    whole.extend_from_slice(content.as_bytes());
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_added_begins_on_its_own_line() {
        let check = |prior: &str, content, expected: &str| {
            assert_eq!(joined(prior.as_bytes(), content), expected.as_bytes());
        };
        check("", "x", "x");
        check("a\n", "x", "a\nx");
        check("a", "x\n", "a\nx\n");
    }
}
