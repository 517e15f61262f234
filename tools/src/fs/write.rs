//! `fs.write`: gives a file its content, all at once.

use std::io::Write;

use rustix::fs::FileType;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::WRITING;
use super::install::{self, Replace};
use super::meta::Meta;
use super::path::{self, Last};
use super::place::Place;
use crate::context::Context;
use crate::error::ToolError;
use crate::format;
use crate::spec::{Risk, Spec};
use crate::tool::{Interrupted, Tool};
use crate::undo::Capture;

/// See the module.
pub struct Act;

/// Arguments of `fs.write`.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Absolute path of the file. Its folder must exist.
    pub path: String,
    /// The whole new content.
    pub content: String,
}

/// What was written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path.
    pub path: String,
    /// Size of the file in bytes.
    pub size: u64,
    /// The file was not there before.
    pub created: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;
    const SPEC: Spec = Spec {
        risk: Risk::Medium,
        mutating: true,
        reversible: true,
        timeout_ms: 30_000,
        post_condition: "the file has exactly the content",
        kernel: WRITING,
        ..Spec::reading(
            "fs.write",
            "Writes a text into a file, in place of what it had; makes the file when it is missing.",
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
        let created = put(&input.path, context, |_| {
            Ok(input.content.as_bytes().to_vec())
        })?;
        Ok(Output {
            path: input.path.clone(),
            size: input.content.len() as u64,
            created,
        })
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), String> {
        super::has_content(&input.path, input.content.as_bytes())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { path, size, .. } = output;
        let what = if output.created { "new" } else { "replaced" };
        format!("{path} is written ({}, {what})", format::bytes(*size))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let done = super::has_content(&input.path, input.content.as_bytes()).is_ok();
        Ok(done.then(|| Output {
            path: input.path.clone(),
            size: input.content.len() as u64,
            created: super::was_absent(interrupted.steps),
        }))
    }
}

/// Puts a file in place whose content follows from what it had (`None`: it was not there); owner,
/// mode and attributes stay. The answer: it was made.
pub fn put(
    path: &str,
    context: &Context,
    content: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, ToolError>,
) -> Result<bool, ToolError> {
    let place = Place::open(path)?;
    let (meta, prior, replace) = match place.stat()? {
        None => (Meta::new(0o644, context.owner()), None, Replace::No),
        Some(stat) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind != FileType::RegularFile {
                let kind = super::kind_name(kind);
                return Err(ToolError::Precondition(format!("{path} is a {kind}")));
            }
            let (_, mut meta) = Meta::read(&place, &place.hold()?)?;
            meta.times = None;
            (meta, Some(super::whole_content(&place)?), Replace::Yes)
        }
    };
    let created = prior.is_none();
    let bytes = content(prior)?;
    install::install(&place, context.execution(), &meta, replace, |file| {
        file.write_all(&bytes)
    })?;
    Ok(created)
}
