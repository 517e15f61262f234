//! `git.add`: stages files for the next commit.

use std::path::Path;

use super::repository::{Repository, check_path};
use super::status::{self, Changed, Differing};
use aios_tool::argument::{List, Text, WorkTree};
use aios_tool::file::MOVING;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

/// The tool `git.add`.
pub struct Act;

/// So many paths a call names.
const PATHS_MAX: usize = 1000;

arguments! {
    /// Arguments of `git.add`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: WorkTree,
        /// What is staged: paths in the repository, from its top on, each with all below it; at most
        /// 1000. Everything that differs if none is given.
        #[serde(default)]
        pub files: List<Text, PATHS_MAX>,
    }
}

/// What was staged.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The repository.
    pub repository: String,
    /// Files that are staged now, those of before too.
    pub staged: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.add",
            "Stages files of a git repository for its next commit.",
        )
        .risk(Risk::Medium)
        .timeout_ms(120_000)
        .kernel(MOVING)
        .example(json!({"repository": "/srv/app", "files": ["src", "README.md"]}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let mut files = input.files.iter();
        files.try_for_each(|file| check_path("files", file.as_str()))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!("{}: {} files are staged", output.repository, output.staged)
    }
}

impl Edit for Act {
    fn effect() -> Effect {
        Effect::of("what was named is staged as it is", &["add", "stage"])
            .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let folder = input.repository.to_path();
        Repository::at(&folder, context)?.plan(&words(input), |git| git)
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let folder = input.repository.to_path();
        let Differing { files, more } = status::changed(&Repository::at(&folder, context)?)?;
        let named = |file: &Changed| {
            let inside = |path: &Text| Path::new(&file.path).starts_with(path.as_str());
            input.files.is_empty() || input.files.iter().any(inside)
        };
        let differs = files
            .into_iter()
            .filter(|file| !file.unstaged.is_empty() && named(file));
        Ok(differs
            .map(|file| {
                let object = format!("{}/{}", input.repository, file.path);
                let staged = match file.staged.as_str() {
                    "" => "not staged",
                    staged => staged,
                };
                let after = format!("staged as it is ({})", file.unstaged);
                Foreseen::of(object, staged, &after)
            })
            .chain(more.then(|| {
                let object = format!("{}: more files", input.repository);
                Foreseen::of(
                    object,
                    "differ",
                    "staged as they are, if they are among those named",
                )
            }))
            .collect())
    }

    fn output(input: &Input, _: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let Differing { files, .. } = status::changed(&Repository::at(&folder, context)?)?;
        Ok(Output {
            repository: input.repository.to_string(),
            staged: files.iter().filter(|file| !file.staged.is_empty()).count() as u64,
        })
    }

    fn verify(input: &Input, context: &Context) -> Result<(), ToolError> {
        match Self::preview(input, context)?.changes.first() {
            None => Ok(()),
            Some(left) => Err(ToolError::Unverified(format!(
                "{} is not staged",
                left.object
            ))),
        }
    }
}

fn words(input: &Input) -> Vec<&str> {
    let mut words = vec!["add", "--all", "--"];
    match input.files.is_empty() {
        true => words.push("."),
        false => words.extend(input.files.iter().map(Text::as_str)),
    }
    words
}
