//! `fs.write`: gives a file its content, all at once.

use super::put::{self, New};
use aios_tool::argument::{Content, WritePath};
use aios_tool::file::WRITING;
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
    /// It was set-user-ID or set-group-ID, or had capabilities, and with its new content is not.
    #[serde(default)]
    pub privileges_dropped: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("fs.write", "Writes a text into a file, in place of what it had; makes the file when it is missing.")
.example(json!({"path": "/srv/hello.txt", "content": "hello\n"})).risk(Risk::Medium).timeout_ms(30_000).kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { path, size, .. } = output;
        let what = if output.created { "new" } else { "replaced" };
        let dropped = put::dropped(output.privileges_dropped);
        format!(
            "{path} is written ({}, {what}){dropped}",
            format::bytes(*size)
        )
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

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        put::foreseen(
            &input.path,
            context,
            New::Whole(input.content.as_str().as_bytes()),
        )
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        put::may_be_written(&input.path)?;
        capture.keep(&input.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let put = put::put(
            &input.path,
            context,
            New::Whole(input.content.as_str().as_bytes()),
        )?;
        Ok(Output {
            path: input.path.to_string(),
            size: put.size,
            created: put.prior_size.is_none(),
            privileges_dropped: put.privileges_dropped,
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
            privileges_dropped: false,
        }))
    }
}
