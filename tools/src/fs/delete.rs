//! `fs.delete`: moves a file or directory into the quarantine.

use aios_tool::argument::DeletedEntry;
use aios_tool::file::place::Place;
use aios_tool::file::state::State;
use aios_tool::file::tree::{self, Survey};
use aios_tool::file::{MOVING, fingerprint, quarantine};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Step;

/// The tool `fs.delete`.
pub struct Act;

arguments! {
    /// Arguments of `fs.delete`.
    pub struct Input {
        /// Absolute path. A symbolic link is deleted itself, not what it points to.
        pub path: DeletedEntry,
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
    /// Sockets that undo brings back as names only, because they were copied to another file
    /// system: whoever listened there has to begin again.
    #[serde(default)]
    pub silent_sockets: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.delete",
            "Deletes a file, or a directory with all in it, by moving it into the quarantine.",
        )
        .example(json!({"path": "/srv/old.log"}))
        .risk(Risk::High)
        .timeout_ms(300_000)
        .kernel(MOVING)
        .making_room()
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let entries = match output.entries {
            1 => String::new(),
            entries => format!("{entries} entries, "),
        };
        let bytes = format::bytes(output.bytes);
        let sockets = match output.silent_sockets {
            0 => String::new(),
            1 => ", but 1 socket without the program that listens on it".to_owned(),
            count => format!(", but {count} sockets without the programs that listen on them"),
        };
        format!(
            "{} is deleted ({entries}{bytes}); undo brings it back{sockets}",
            output.path
        )
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("nothing is at the path", &["delete"]).undone_by(Undo::Files)
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        let place = input.path.place()?;
        place.existing()?;
        let survey = Survey::of(&place)?;
        survey.is_not_mounted()?;
        let before = format!("{}: {}", State::of(&place)?.kind(), survey.extent);
        let gone = Foreseen::of(&input.path, &before, "absent; kept for undo");
        Ok(gone.exactly(fingerprint::seen(&place)?).into())
    }

    fn capture(input: &Input, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        let kept = quarantine::prepare(&input.path.place()?, context)?;
        capture.moved(&input.path, &kept.path)
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = input.path.place()?;
        let kept = quarantine::find(&from, context)?;
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
    let survey = Survey::of(kept)?;
    let renamed = input.path.place()?.is_on_the_mount_of(kept);
    Ok(Output {
        path: input.path.to_string(),
        entries: survey.extent.entries,
        bytes: survey.extent.bytes,
        silent_sockets: if renamed { 0 } else { survey.sockets },
    })
}
