//! `git.init`: makes a folder a repository.

use super::repository::{self, Repository};
use aios_tool::argument::WorkTree;
use aios_tool::file::MOVING;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

/// The tool `git.init`.
pub struct Act;

arguments! {
    /// Arguments of `git.init`.
    pub struct Input {
        /// Absolute path of the folder; it must exist (fs.mkdir), and is no repository yet.
        pub repository: WorkTree,
    }
}

/// What was made.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The repository.
    pub repository: String,
    /// The branch of its first commit.
    pub branch: String,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.init",
            "Makes a folder a git repository, without a commit.",
        )
        .risk(Risk::Medium)
        .timeout_ms(60_000)
        .kernel(MOVING)
        .example(json!({"repository": "/srv/app"}))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { repository, branch } = output;
        format!("{repository} is a git repository, on {branch}, without a commit")
    }
}

impl Edit for Act {
    fn effect() -> Effect {
        Effect::of("the folder is a git repository", &["make", "initialize"])
            .undone_by(Undo::ChangeSet)
            .not_idempotent()
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let folder = may_become_one(input)?;
        repository::git(&folder, &["init", "--quiet", "--template="])?
            .plan(context, repository::succeeded)
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        may_become_one(input)?;
        let object = format!("{}/.git", input.repository);
        Ok(Foreseen::of(object, "absent", "a git repository without a commit").into())
    }

    fn output(input: &Input, _: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let branch = Repository::at(&folder, context)?.branch()?;
        Ok(Output {
            repository: input.repository.to_string(),
            branch: branch.unwrap_or_default(),
        })
    }

    fn verify(input: &Input, context: &Context) -> Result<(), ToolError> {
        let folder = input.repository.to_path();
        let ended =
            Repository::at(&folder, context)?.ask(&["rev-parse", "--is-inside-work-tree"])?;
        match ended.text().trim_end() {
            "true" => Ok(()),
            other => Err(ToolError::Unverified(format!("git says {other:?}"))),
        }
    }
}

fn may_become_one(input: &Input) -> Result<std::path::PathBuf, ToolError> {
    let folder = input.repository.to_path();
    match folder.join(".git").symlink_metadata() {
        Ok(_) => Err(ToolError::Precondition(format!(
            "{} is a git repository already",
            input.repository
        ))),
        Err(_) if folder.is_dir() => Ok(folder),
        Err(_) => Err(ToolError::Precondition(format!(
            "{} is no folder; make it: fs.mkdir",
            input.repository
        ))),
    }
}
