//! `fs.write`: gives a file its content, all at once.

use std::io::Write;

use rustix::fs::FileType;

use aios_tool::argument::{Content, WritePath};
use aios_tool::file::WRITING;
use aios_tool::file::install::{self, Replace};
use aios_tool::file::meta::Meta;
use aios_tool::prelude::*;

/// The tool `fs.write`.
pub struct Act;

arguments! {
    /// Arguments of `fs.write`.
    pub struct Input {
        /// Absolute path of the file. Its folder must exist.
        pub path: WritePath,
        /// The whole new content.
        pub content: Content,
    }
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

    fn declaration() -> Declaration {
        Declaration::of("fs.write", "Writes a text into a file, in place of what it had; makes the file when it is missing.").risk(Risk::Medium).timeout_ms(30_000).kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { path, size, .. } = output;
        let what = if output.created { "new" } else { "replaced" };
        format!("{path} is written ({}, {what})", format::bytes(*size))
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "the file has exactly the content",
            &["write", "append", "make"],
        )
        .undone_by(Undo::Files)
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let created = put(&input.path, context, |_| {
            Ok(input.content.as_str().as_bytes().to_vec())
        })?;
        Ok(Output {
            path: input.path.to_string(),
            size: input.content.as_str().len() as u64,
            created,
        })
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        super::has_content(&input.path, input.content.as_str().as_bytes())
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let done = super::has_content(&input.path, input.content.as_str().as_bytes()).is_ok();
        Ok(done.then(|| Output {
            path: input.path.to_string(),
            size: input.content.as_str().len() as u64,
            created: super::was_absent(interrupted.steps),
        }))
    }
}

/// Puts a file in place whose content follows from what it had (`None`: it was not there); owner,
/// mode and attributes stay. The answer: it was made.
pub fn put(
    path: &WritePath,
    context: &Context,
    content: impl FnOnce(Option<Vec<u8>>) -> Result<Vec<u8>, ToolError>,
) -> Result<bool, ToolError> {
    let place = path.place()?;
    let (meta, prior, replace) = match place.stat()? {
        None => (Meta::new(0o644, context.owner()), None, Replace::No),
        Some(stat) => {
            let kind = FileType::from_raw_mode(stat.st_mode);
            if kind != FileType::RegularFile {
                let kind = file::kind_name(kind);
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
