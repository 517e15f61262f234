//! `fs.delete`: moves a file or directory into the quarantine.

use aios_tool::argument::WriteEntry;
use aios_tool::file::place::Place;
use aios_tool::file::{WRITING, extent, tree};
use aios_tool::prelude::*;
use aios_tool::undo::Step;

/// The tool `fs.delete`.
pub struct Act;

arguments! {
    /// Arguments of `fs.delete`.
    pub struct Input {
        /// Absolute path. A symbolic link is deleted itself, not what it points to.
        pub path: WriteEntry,
    }
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

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.delete",
            "Deletes a file, or a directory with all in it, by moving it into the quarantine.",
        )
        .risk(Risk::High)
        .timeout_ms(300_000)
        .kernel(WRITING)
        .making_room()
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
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("nothing is at the path", &["delete"]).undone_by(Undo::Files)
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        capture.moved(&input.path, &context.quarantine()?.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let kept = context.quarantine()?;
        let from = input.path.place()?;
        tree::relocate(&from, &kept, context.execution(), context.is_resumed())?;
        output(input, &kept).map_err(|error| ToolError::Unverified(error.to_string()))
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        match input.path.place()?.stat()? {
            None => Ok(()),
            Some(_) => Err(ToolError::Unverified(format!(
                "{} is still there",
                input.path
            ))),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        match interrupted.steps {
            [Step::MoveBack(step)] if step.happened(interrupted.execution).is_ok() => {
                output(input, &step.destination()?).map(Some)
            }
            _ => Ok(None),
        }
    }
}

fn output(input: &Input, kept: &Place) -> Result<Output, ToolError> {
    let extent = extent::of(kept)?;
    Ok(Output {
        path: input.path.to_string(),
        entries: extent.entries,
        bytes: extent.bytes,
    })
}
