//! `fs.move`: gives a file or directory another path.

use aios_tool::argument::{NewPath, WriteEntry};
use aios_tool::file::state::State;
use aios_tool::file::{MOVING, must_be_free, tree};
use aios_tool::file::{extent, fingerprint};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::MoveBack;

/// The tool `fs.move`.
pub struct Act;

arguments! {
    /// Arguments of `fs.move`.
    pub struct Input {
        /// Absolute path of what is moved.
        pub source: WriteEntry,
        /// Absolute path that it gets; a directory that exists gets it inside, under its own name.
        pub destination: NewPath,
    }
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

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.move",
            "Moves or renames a file or directory; never over something that exists.",
        )
        .example(json!({"source": "/srv/draft.txt", "destination": "/srv/final.txt"}))
        .risk(Risk::Medium)
        .timeout_ms(120_000)
        .kernel(MOVING)
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        input.destination.enter(&input.source.to_path());
        Ok(())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!("{} is now {}", output.source, output.destination)
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of(
            "it is at the destination and no longer at the source",
            &["move"],
        )
        .undone_by(Undo::Files)
        .not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        may_be_moved(input)?;
        let place = input.source.place()?;
        let what = format!("{}: {}", State::of(&place)?.kind(), extent::of(&place)?);
        Ok([
            Foreseen::of(&input.source, &what, "absent").exactly(fingerprint::seen(&place)?),
            Foreseen::of(&input.destination, "absent", &what),
        ]
        .into_iter()
        .collect())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        may_be_moved(input)?;
        capture.moved(&input.source, &input.destination.to_path())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let from = input.source.place()?;
        let to = input.destination.place()?;
        tree::relocate(&from, &to, context.execution(), context.is_resumed())?;
        Ok(Output {
            source: input.source.to_string(),
            destination: input.destination.to_string(),
        })
    }

    fn verify(input: &Input, _output: &Output, context: &Context) -> Result<(), ToolError> {
        moved(input).happened(context.execution())
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let done = moved(input).happened(interrupted.execution).is_ok();
        Ok(done.then(|| Output {
            source: input.source.to_string(),
            destination: input.destination.to_string(),
        }))
    }
}

fn moved(input: &Input) -> MoveBack {
    MoveBack::new(input.source.to_string(), input.destination.to_string())
}

/// May the source be moved to the destination?
fn may_be_moved(input: &Input) -> Result<(), ToolError> {
    input.destination.is_apart_from(&input.source.to_path())?;
    input.source.place()?.existing()?;
    must_be_free(&input.destination.place()?)
}
