//! `fs.symlink`: makes a symbolic link.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use aios_tool::argument::{LinkTarget, WriteEntry};
use aios_tool::file::meta::Meta;
use aios_tool::file::{WRITING, must_be_free, name};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// The tool `fs.symlink`.
pub struct Act;

arguments! {
    /// Arguments of `fs.symlink`.
    pub struct Input {
        /// Absolute path of the link.
        pub path: WriteEntry,
        /// What it points to.
        pub target: LinkTarget,
    }
}

/// What was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The resolved path of the link.
    pub path: String,
    /// What it points to.
    pub target: String,
    /// Something is there.
    pub target_exists: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.symlink",
            "Makes a symbolic link; never over something that exists.",
        )
        .example(json!({"path": "/srv/current", "target": "release-2"}))
        .risk(Risk::Medium)
        .kernel(WRITING)
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let missing = if output.target_exists {
            ""
        } else {
            " (nothing is there)"
        };
        format!("{} points to {}{missing}", output.path, output.target)
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("the link points to the target", &["link", "make"])
            .undone_by(Undo::Files)
            .not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        must_be_free(&input.path.place()?)?;
        let after = format!("link to {}", input.target);
        Ok(Foreseen::of(&input.path, "absent", &after).into())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        must_be_free(&input.path.place()?)?;
        capture.absent(&input.path);
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let place = input.path.place()?;
        rustix::fs::symlinkat(input.target.to_path(), &place.parent, &place.name)
            .map_err(|error| place.error(error))?;
        Meta::new(0o777, context.owner()).apply(&place)?;
        place.sync_parent()?;
        Ok(output(input))
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        let place = input.path.place()?;
        match rustix::fs::readlinkat(&place.parent, &place.name, Vec::new()) {
            Err(error) => Err(place.error(error)),
            Ok(target) => {
                let target = Path::new(OsStr::from_bytes(target.to_bytes()));
                if target == input.target.to_path() {
                    return Ok(());
                }
                Err(ToolError::Unverified(format!(
                    "{} points to {}",
                    input.path,
                    name::encode(target)
                )))
            }
        }
    }

    fn found_done(
        input: &Input,
        _interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let output = output(input);
        let done = Self::verify(input, &output, context).is_ok();
        Ok(done.then_some(output))
    }
}

fn output(input: &Input) -> Output {
    Output {
        path: input.path.to_string(),
        target: name::encode(input.target.to_path()),
        target_exists: input.path.to_path().exists(),
    }
}
