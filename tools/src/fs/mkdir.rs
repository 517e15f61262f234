//! `fs.mkdir`: makes a directory, and those above it that are missing.

use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;

use aios_tool::argument::WritePath;
use aios_tool::file::meta::Meta;
use aios_tool::file::path::is_not_too_deep;
use aios_tool::file::{self, WRITING, name};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Step;

/// The tool `fs.mkdir`.
pub struct Act;

arguments! {
    /// Arguments of `fs.mkdir`.
    pub struct Input {
        /// Absolute path of the directory.
        pub path: WritePath,
    }
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

    fn declaration() -> Declaration {
        Declaration::of(
            "fs.mkdir",
            "Makes a directory, with the directories above it that are missing.",
        )
        .example(json!({"path": "/srv/site/images"}))
        .risk(Risk::Medium)
        .kernel(WRITING)
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
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("the directory exists", &["make"]).undone_by(Undo::Files)
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        let path = input.path.to_path();
        is_not_too_deep(&path, 0)?;
        let made = missing(&path).into_iter();
        Ok(made
            .map(|folder| Foreseen::of(name::encode(folder), "absent", "folder"))
            .collect())
    }

    fn capture(input: &Input, capture: &mut Capture, _: &Context) -> Result<(), ToolError> {
        let path = input.path.to_path();
        is_not_too_deep(&path, 0)?;
        for folder in missing(&path) {
            capture.folder(&name::encode(folder));
        }
        Ok(())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let created = missing(&input.path.to_path());
        for folder in &created {
            let place = input.path.ancestor(folder)?;
            match rustix::fs::mkdirat(&place.parent, &place.name, Mode::RWXU) {
                Err(Errno::EXIST) => continue, // somebody else made it just now
                other => other.map_err(|error| place.error(error))?,
            }
            Meta::new(0o755, context.owner()).apply(&place)?;
            place.sync_parent()?;
        }
        Ok(Output {
            path: input.path.to_string(),
            created: created.into_iter().map(name::encode).collect(),
        })
    }

    fn verify(input: &Input, _output: &Output, _context: &Context) -> Result<(), ToolError> {
        let place = input.path.place()?;
        let stat = place.existing()?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => Ok(()),
            kind => Err(ToolError::Unverified(format!(
                "{} is a {}",
                input.path,
                file::kind_name(kind)
            ))),
        }
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let paths = interrupted.steps.iter().filter_map(|step| match step {
            Step::RemoveFolder(folder) => Some(folder.path.clone()),
            _ => None,
        });
        let output = Output {
            path: input.path.to_string(),
            created: paths.collect(),
        };
        let done = Self::verify(input, &output, context).is_ok();
        Ok(done.then_some(output))
    }
}

/// The directories that are missing, the outermost first.
fn missing(path: &Path) -> Vec<PathBuf> {
    let mut missing: Vec<_> = path
        .ancestors()
        .take_while(|folder| folder.symlink_metadata().is_err())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    missing
}
