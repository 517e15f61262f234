//! `git.commit`: makes a commit of what is staged.

use super::diff;
use super::repository::{Repository, short};
use super::status::{self, Differing};
use aios_tool::argument::{Text, WorkTree};
use aios_tool::file::MOVING;
use aios_tool::format::printable;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;
use aios_tool::undo::Entry;

/// The tool `git.commit`.
pub struct Act;

/// Who makes a commit when neither the call nor the repository says it.
const AUTHOR: (&str, &str) = ("aiOS", "aios@localhost");

arguments! {
    /// Arguments of `git.commit`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: WorkTree,
        /// What the commit is about: its first line, then an empty line and more if there is more.
        pub message: Text,
        /// Name of whoever makes it; as the repository's configuration says, or `aiOS`, if it is not
        /// given.
        pub author: Option<Text>,
        /// Their mail address; as the repository's configuration says, or `aios@localhost`.
        pub email: Option<Text>,
    }
}

/// The commit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The repository.
    pub repository: String,
    /// Its id, hex.
    pub commit: String,
    /// The branch that it is on; absent when none is checked out.
    pub branch: Option<String>,
    /// The first line of its message.
    pub subject: String,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.commit",
            "Makes a commit of what is staged in a git repository; no hook of the repository runs.",
        )
        .risk(Risk::Medium)
        .timeout_ms(120_000)
        .kernel(MOVING)
        .example(json!({"repository": "/srv/app", "message": "The page is there"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let plain = |text: &Option<Text>| {
            let allowed = |c: char| !c.is_control() && c != '<' && c != '>';
            text.as_ref()
                .is_none_or(|text| text.as_str().chars().all(allowed))
        };
        match plain(&input.author) && plain(&input.email) {
            true => Ok(()),
            false => Err(ToolError::Invalid(
                "author and email: one line without < and >".into(),
            )),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let branch = match &output.branch {
            Some(branch) => format!(" on {branch}"),
            None => String::new(),
        };
        format!(
            "{}: commit {}{branch}: {}",
            output.repository,
            short(&output.commit),
            output.subject
        )
    }
}

impl Edit for Act {
    fn effect() -> Effect {
        Effect::of("what was staged is the last commit", &["commit"])
            .undone_by(Undo::ChangeSet)
            .not_idempotent()
    }

    fn plan(input: &Input, context: &Context) -> Result<Plan, ToolError> {
        let folder = input.repository.to_path();
        let repository = staged(&folder, context)?;
        let (name, email) = author(input, &repository)?;
        let words = [
            "commit",
            "--quiet",
            "--no-verify",
            "--no-gpg-sign",
            "--no-status",
            "--cleanup=strip",
            "--file=-",
        ];
        repository.plan(&words, |git| {
            let people = ["AUTHOR", "COMMITTER"].into_iter();
            let git = people.fold(git, |git, role| {
                git.env(&format!("GIT_{role}_NAME"), &name)
                    .env(&format!("GIT_{role}_EMAIL"), &email)
            });
            git.input(input.message.as_str().as_bytes())
        })
    }

    /// Its files say little to people, and there is a time in them.
    fn preview(input: &Input, context: &Context) -> Result<Preview, ToolError> {
        let folder = input.repository.to_path();
        let repository = staged(&folder, context)?;
        let branch = repository.branch()?;
        let object = match branch {
            Some(branch) => format!("{}: branch {branch}", input.repository),
            None => format!("{}: no branch", input.repository),
        };
        let before = match repository.commit("HEAD")? {
            Some(commit) => format!("commit {}", short(&commit)),
            None => "no commit".to_owned(),
        };
        let subject = subject(input.message.as_str());
        let mut foreseen = Foreseen::of(object, &before, &format!("a new commit: {subject}"));
        foreseen.diff = diff::of(&repository, Some("--cached"))?.diff;
        Ok([foreseen].into_iter().collect())
    }

    fn output(input: &Input, _: &[Entry], context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let missing = || ToolError::Unverified("the repository has no commit".into());
        Ok(Output {
            repository: input.repository.to_string(),
            commit: repository.commit("HEAD")?.ok_or_else(missing)?,
            branch: repository.branch()?,
            subject: subject(input.message.as_str()),
        })
    }

    fn verify(input: &Input, context: &Context) -> Result<(), ToolError> {
        let folder = input.repository.to_path();
        let Differing { files, .. } = status::changed(&Repository::at(&folder, context)?)?;
        match files.iter().find(|file| !file.staged.is_empty()) {
            None => Ok(()),
            Some(file) => Err(ToolError::Unverified(format!(
                "{} is still staged",
                file.path
            ))),
        }
    }
}

/// The repository, when something is staged in it and nothing stands in the way.
fn staged<'a>(
    folder: &'a std::path::Path,
    context: &'a Context,
) -> Result<Repository<'a>, ToolError> {
    let repository = Repository::at(folder, context)?;
    let Differing { files, more } = status::changed(&repository)?;
    if let Some(file) = files.iter().find(|file| file.staged == "in conflict") {
        return Err(ToolError::Precondition(format!(
            "{} is in conflict: settle it first",
            file.path
        )));
    }
    // Of files that were not told, git says it itself.
    match more || files.iter().any(|file| !file.staged.is_empty()) {
        true => Ok(repository),
        false => Err(ToolError::Precondition(
            "nothing is staged; stage it: git.add".into(),
        )),
    }
}

fn author(input: &Input, repository: &Repository<'_>) -> Result<(String, String), ToolError> {
    let who = |said: &Option<Text>, key: &str, default: &str| match said {
        Some(said) => Ok(said.as_str().to_owned()),
        None => {
            let configured = repository.line(&["config", "--local", "--get", key])?;
            let configured = configured.filter(|name| !name.is_empty());
            Ok::<_, ToolError>(configured.unwrap_or_else(|| default.to_owned()))
        }
    };
    Ok((
        who(&input.author, "user.name", AUTHOR.0)?,
        who(&input.email, "user.email", AUTHOR.1)?,
    ))
}

fn subject(message: &str) -> String {
    let line = message.lines().find(|line| !line.trim().is_empty());
    format::cut(&printable(line.unwrap_or_default().trim()), 200)
}
