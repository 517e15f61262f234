//! `fs.copy`: copies a file, or a directory with everything in it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::path::{self, Last};
use super::place::Place;
use super::tree::{self, Keep};
use super::{WRITING, extent};
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::Capture;

/// See the module.
pub struct Act;

/// Arguments of `fs.copy`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of what is copied.
    pub source: String,
    /// Absolute path that it gets; a directory that exists gets it inside, under its own name.
    pub destination: String,
}

/// What was copied.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What was copied.
    pub source: String,
    /// Where the copy is.
    pub destination: String,
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of content.
    pub bytes: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        idempotent: false,
        reversible: true,
        timeout_ms: 300_000,
        post_condition: "the copy has as many entries and bytes as the source",
        kernel: WRITING,
        ..Spec::reading(
            "fs.copy",
            "Copies a file, or a directory with all in it; never over something that exists.",
            &["fs:read:{source}", "fs:write:{destination}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.source = path::resolve(&input.source, Last::Follow)?;
        input.destination = path::destination(&input.source, &input.destination)?;
        path::readable(&input.source, context)?;
        path::holds_no_secret(&input.source, context)?;
        path::changeable(&input.destination, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        path::apart(&input.source, &input.destination)?;
        Place::open(&input.source)?.existing()?;
        super::must_be_free(&Place::open(&input.destination)?)?;
        capture.absent(&input.destination);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = Place::open(&input.source)?;
        let to = Place::open(&input.destination)?;
        let keep = Keep::Permissions(context.owner());
        let copied = tree::copy(&from, &to, keep, context.execution())?;
        Ok(Output {
            source: input.source.clone(),
            destination: input.destination.clone(),
            entries: copied.entries,
            bytes: copied.bytes,
        })
    }

    fn verify(_input: &Input, output: &Output, _context: &Context) -> Result<(), String> {
        let there = Place::open(&output.destination)
            .and_then(|place| extent::of(&place))
            .map_err(|error| error.to_string())?;
        match (there.entries, there.bytes) == (output.entries, output.bytes) {
            true => Ok(()),
            false => Err(format!("{} is not a whole copy", output.destination)),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let entries = match output.entries {
            1 => String::new(),
            entries => format!("{entries} entries, "),
        };
        let bytes = format::bytes(output.bytes);
        format!(
            "{} is copied to {} ({entries}{bytes})",
            output.source, output.destination
        )
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        // A copy appears under its name when it is whole; what is there may be somebody else's.
        let (Some(from), Some(to)) = (
            Place::open_if_any(&input.source)?,
            Place::open_if_any(&input.destination)?,
        ) else {
            return Ok(None);
        };
        if !tree::has_same_content(&from, &to)? {
            return Ok(None);
        }
        let there = extent::of(&to)?;
        Ok(Some(Output {
            source: input.source.clone(),
            destination: input.destination.clone(),
            entries: there.entries,
            bytes: there.bytes,
        }))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // helpers of tests
mod tests {
    use super::*;
    use crate::trial;
    use std::time::SystemTime;

    #[test]
    fn after_a_crash_only_a_copy_of_the_source_counts_as_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let path = |name: &str| root.join(name).to_str().unwrap().to_owned();
        let found = || {
            let input = Input {
                source: path("x"),
                destination: path("y"),
            };
            let interrupted = Interrupted {
                started: SystemTime::now(),
                execution: "e",
                steps: &[],
            };
            let found = Act::found_done(&input, &interrupted, &trial::context(&root));
            found.unwrap().map(|output| (output.entries, output.bytes))
        };
        std::fs::create_dir(path("x")).unwrap();
        std::fs::write(path("x/a"), "12345").unwrap();
        std::os::unix::fs::symlink("a", path("x/link")).unwrap();
        assert_eq!(found(), None);
        std::fs::create_dir(path("y")).unwrap();
        std::fs::write(path("y/a"), "54321").unwrap();
        std::os::unix::fs::symlink("a", path("y/link")).unwrap();
        assert_eq!(found(), None);
        std::fs::write(path("y/a"), "12345").unwrap();
        assert_eq!(found(), Some((3, 5)));
        std::fs::write(path("y/b"), "").unwrap();
        assert_eq!(found(), None);
        std::fs::remove_dir_all(path("x")).unwrap();
        assert_eq!(found(), None);
    }
}
