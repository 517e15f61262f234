//! `fs.mkdir`: makes a directory, and those above it that are missing.

use std::path::Path;

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
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

/// Arguments of `fs.mkdir`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the directory.
    pub path: String,
}

/// What was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// The directories that were made, the outermost first; none when all were there.
    pub created: Vec<String>,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        reversible: true,
        post_condition: "the directory exists",
        kernel: WRITING,
        ..Spec::reading(
            "fs.mkdir",
            "Makes a directory, with the directories above it that are missing.",
            &["fs:write:{path}"],
        )
    };

    fn resolve(input: &mut Input, context: &Context) -> Result<(), ToolError> {
        input.path = path::resolve(&input.path, Last::Follow)?;
        path::changeable(&input.path, context)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        for folder in missing(&input.path) {
            capture.folder(&folder);
        }
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let created = missing(&input.path);
        for folder in &created {
            let place = Place::open(folder)?;
            match rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU) {
                Err(Errno::EXIST) => continue, // somebody else made it just now
                other => other.map_err(|error| place.error(error))?,
            }
            Meta::new(0o755, context.owner()).apply(&place)?;
            place.sync_parent()?;
        }
        Ok(Output {
            path: input.path.clone(),
            created,
        })
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), String> {
        let place = Place::open(&input.path).map_err(|error| error.to_string())?;
        let stat = place.existing().map_err(|error| error.to_string())?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(()),
            kind => Err(format!("{} is a {}", input.path, super::kind_name(kind))),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        match output.created.len() {
            0 => format!("the directory {} was there already", output.path),
            1 => format!("the directory {} is made", output.path),
            count => format!(
                "the directory {} is made, {count} with those above",
                output.path
            ),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let paths = interrupted.steps.iter().flat_map(|step| step.paths());
        let output = Output {
            path: input.path.clone(),
            created: paths.map(str::to_owned).collect(),
        };
        let done = Self::verify(input, &output, context).is_ok();
        Ok(done.then_some(output))
    }
}

/// The directories that are missing, the outermost first.
fn missing(path: &str) -> Vec<String> {
    let mut missing: Vec<_> = Path::new(path)
        .ancestors()
        .take_while(|folder| folder.symlink_metadata().is_err())
        .map(|folder| folder.to_string_lossy().into_owned())
        .collect();
    missing.reverse();
    missing
}
