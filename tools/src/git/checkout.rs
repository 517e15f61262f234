//! `git.checkout`: brings a working tree to a branch.

use std::path::Path;

use super::repository::{Repository, check_name, fields, short};
use super::status;
use aios_tool::argument::{Text, WorkTree};
use aios_tool::file::MOVING;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

/// The tool `git.checkout`.
pub struct Act;

arguments! {
    /// Arguments of `git.checkout`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: WorkTree,
        /// Name of the branch, tag or commit.
        pub branch: Text,
    }
}

/// What is checked out.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The repository.
    pub repository: String,
    /// The branch that is checked out; absent when a tag or a commit is.
    pub branch: Option<String>,
    /// The commit, hex.
    pub commit: String,
    /// Files of the working tree that changed.
    pub files: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.checkout",
            "Brings the files of a git repository to a branch, a tag or a commit; never over changes that are not committed.",
        )
        .risk(Risk::Medium)
        .timeout_ms(120_000)
        .kernel(MOVING)
        .example(json!({"repository": "/srv/app", "branch": "next"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        check_name("branch", input.branch.as_str())
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let at = match &output.branch {
            Some(branch) => format!("on {branch}"),
            None => "on no branch".to_owned(),
        };
        format!(
            "{}: {at}, at {}; {} files changed",
            output.repository,
            short(&output.commit),
            output.files
        )
    }
}

impl Edit for Act {
    fn effect() -> Effect {
        Effect::of(
            "the branch is checked out, and no file differs from it that did not before",
            &["checkout", "switch"],
        )
        .undone_by(Undo::ChangeSet)
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let target = target(input, &repository)?;
        let words: Vec<&str> = match &target.branch {
            Some(branch) => vec!["switch", "--quiet", "--no-guess", "--", branch],
            None => vec!["switch", "--quiet", "--detach", "--", &target.commit],
        };
        repository.plan(&words, |git| {
            git.env("GIT_COMMITTER_NAME", "aiOS") // for the log of what was checked out
                .env("GIT_COMMITTER_EMAIL", "aios@localhost")
        })
    }

    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let target = target(input, &repository)?;
        let now = head(&repository)?;
        let then = match &target.branch {
            Some(branch) => format!("branch {branch}"),
            None => format!("commit {}", short(&target.commit)),
        };
        let object = format!("{}: checked out", input.repository);
        let first = (now != then).then(|| Foreseen::of(object, &now, &then));
        let mut all: Vec<Foreseen> = first.into_iter().collect();
        if repository.commit("HEAD")?.is_some() {
            let words = [
                "diff",
                "--name-status",
                "-z",
                "--no-renames",
                "--no-ext-diff",
                "--no-textconv",
                "--ignore-submodules=all",
                "HEAD",
                &target.commit,
                "--",
            ];
            all.extend(changes(
                input.repository.as_str(),
                &repository.ask(&words)?.output,
            ));
        }
        Ok(all.into_iter().collect())
    }

    fn output(input: &Input, changed: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let own = format!("{}/.git", input.repository);
        let missing = || ToolError::Unverified("nothing is checked out".into());
        let is_file = |entry: &&Entry| !Path::new(&entry.path).starts_with(&own);
        Ok(Output {
            repository: input.repository.to_string(),
            branch: repository.branch()?,
            commit: repository.commit("HEAD")?.ok_or_else(missing)?,
            files: changed.iter().filter(is_file).count() as u64,
        })
    }

    fn verify(input: &Input, context: &Context) -> Result<(), ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let target = target(input, &repository)?;
        match repository.commit("HEAD")?.as_deref() == Some(target.commit.as_str()) {
            true => Ok(()),
            false => Err(ToolError::Unverified(format!(
                "{} is not checked out",
                input.branch
            ))),
        }
    }
}

/// What is to be checked out.
struct Target {
    /// When it is a branch.
    branch: Option<String>,
    commit: String,
}

fn target(input: &Input, repository: &Repository<'_>) -> Result<Target, ToolError> {
    let conflict = |file: &status::Changed| file.staged == "in conflict";
    // Of files that were not told, git says it itself.
    if status::changed(repository)?.files.iter().any(conflict) {
        return Err(ToolError::Precondition(
            "files are in conflict: settle that first".into(),
        ));
    }
    let name = input.branch.as_str();
    if let Some(commit) = repository.commit(&format!("refs/heads/{name}"))? {
        let branch = Some(name.to_owned());
        return Ok(Target { branch, commit });
    }
    match repository.commit(name)? {
        Some(commit) => Ok(Target {
            branch: None,
            commit,
        }),
        None => Err(ToolError::Precondition(format!(
            "there is no branch, tag or commit {name}; make a branch: git.branch"
        ))),
    }
}

/// What is checked out, in words.
fn head(repository: &Repository<'_>) -> Result<String, ToolError> {
    if let Some(branch) = repository.branch()? {
        return Ok(format!("branch {branch}"));
    }
    let commit = repository.commit("HEAD")?;
    Ok(match commit {
        Some(commit) => format!("commit {}", short(&commit)),
        None => "nothing".to_owned(),
    })
}

/// The answer of `git diff --name-status -z`.
fn changes(folder: &str, output: &[u8]) -> Vec<Foreseen> {
    let all: Vec<String> = fields(output).collect();
    let one = |pair: &[String]| match pair {
        [state, path] => {
            let (before, after) = match state.as_str() {
                "A" => ("absent", "as in the commit"),
                "D" => ("as in the commit", "absent"),
                _ => ("as in the commit", "as in the other commit"),
            };
            Some(Foreseen::of(format!("{folder}/{path}"), before, after))
        }
        _ => None,
    };
    all.chunks(2).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_git_is_read() {
        let all = changes("/r", b"A\0new\0M\0d/both\0D\0old\0");
        let read = all.iter().map(|one| [one.object.as_str(), &one.after]);
        assert_eq!(
            read.collect::<Vec<_>>(),
            [
                ["/r/new", "as in the commit"],
                ["/r/d/both", "as in the other commit"],
                ["/r/old", "absent"]
            ]
        );
    }
}
