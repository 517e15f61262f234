//! `git.branch`: makes a branch.

use super::repository::{Repository, check_name, short};
use aios_tool::argument::{Text, WorkTree};
use aios_tool::file::MOVING;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

/// The tool `git.branch`.
pub struct Act;

arguments! {
    /// Arguments of `git.branch`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: WorkTree,
        /// Name of the new branch: letters, digits, and any of - _ . / +.
        pub branch: Text,
        /// The branch, tag or commit at which it begins; the last commit if it is not given.
        pub from: Option<Text>,
    }
}

/// The branch.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The repository.
    pub repository: String,
    /// Its name.
    pub branch: String,
    /// Its last commit, hex.
    pub commit: String,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.branch",
            "Makes a branch in a git repository; it is not checked out.",
        )
        .risk(Risk::Medium)
        .timeout_ms(60_000)
        .kernel(MOVING)
        .example(json!({"repository": "/srv/app", "branch": "next"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        check_name("branch", input.branch.as_str())?;
        if input.branch.as_str() == "HEAD" {
            return Err(ToolError::Invalid("branch: HEAD is no branch".into()));
        }
        let from = input.from.as_ref();
        from.map_or(Ok(()), |from| check_name("from", from.as_str()))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        format!(
            "{}: branch {} is made at {}",
            output.repository,
            output.branch,
            short(&output.commit)
        )
    }
}

impl Edit for Act {
    fn effect() -> Effect {
        Effect::of("the branch is there, at that commit", &["make", "branch"])
            .undone_by(Undo::ChangeSet)
            .not_idempotent()
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let commit = start(input, &repository)?;
        let words = ["branch", "--no-track", "--", input.branch.as_str(), &commit];
        repository.plan(&words, |git| {
            let (name, email) = ("aiOS", "aios@localhost"); // for the log of the branch
            git.env("GIT_COMMITTER_NAME", name)
                .env("GIT_COMMITTER_EMAIL", email)
        })
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let folder = input.repository.to_path();
        let commit = start(input, &Repository::at(&folder, context)?)?;
        let object = format!("{}: branch {}", input.repository, input.branch);
        let after = format!("at commit {}", short(&commit));
        Ok(Foreseen::of(object, "absent", &after).into())
    }

    fn output(input: &Input, _: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let name = format!("refs/heads/{}", input.branch);
        let missing = || ToolError::Unverified(format!("{} is no branch", input.branch));
        Ok(Output {
            repository: input.repository.to_string(),
            branch: input.branch.to_string(),
            commit: repository.commit(&name)?.ok_or_else(missing)?,
        })
    }
}

/// The commit at which the branch begins.
fn start(input: &Input, repository: &Repository<'_>) -> Result<String, ToolError> {
    let name = format!("refs/heads/{}", input.branch);
    if repository.commit(&name)?.is_some() {
        let there = format!("there is a branch {} already", input.branch);
        return Err(ToolError::Precondition(there));
    }
    let from = input.from.as_ref().map_or("HEAD", Text::as_str);
    let missing = || match &input.from {
        Some(from) => ToolError::Precondition(format!("there is no branch, tag or commit {from}")),
        None => ToolError::Precondition("there is no commit yet: make one, git.commit".into()),
    };
    repository.commit(from)?.ok_or_else(missing)
}
