//! How git is run in a repository that may be anybody's.
//!
//! A repository can name programs: hooks, filters, a monitor of files, an editor, a pager, a helper
//! for passwords, a transport, in its configuration, its attributes and its modules. None of them may
//! run. Three things see to that, each alone:
//!
//! 1. git may execute nothing but git: no shell, so no hook, no filter and no command of the
//!    configuration, whatever its name is (Landlock, by `aios-work`). What is in the repository cannot be
//!    loaded as a library.
//! 2. Where the configuration names a program that is known, it is overridden ([`OVERRIDES`]), and no
//!    configuration is read but the repository's own.
//! 3. Whatever runs all the same is in the sandbox: no network, no file but the repository.

use std::path::{Path, PathBuf};

use aios_tool::edit::Plan;
use aios_tool::format::printable;
use aios_tool::prelude::*;

use crate::program::{self, Ended, Program};

/// What a repository's configuration says is overridden by this (git-config(1)).
const OVERRIDES: [&str; 26] = [
    "color.ui=false",
    "commit.gpgSign=false",
    "core.askPass=",
    "core.attributesFile=/dev/null",
    "core.editor=false",
    "core.excludesFile=/dev/null",
    "core.fsmonitor=false",
    "core.gitProxy=",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.quotePath=true",
    "core.sshCommand=false",
    "credential.helper=",
    "diff.external=",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "gpg.program=false",
    "init.defaultBranch=main",
    "init.templateDir=",
    "log.showSignature=false",
    "maintenance.auto=false",
    "protocol.allow=never",
    "safe.directory=*",
    "submodule.recurse=false",
    "tag.gpgSign=false",
    "uploadpack.packObjectsHook=",
];

/// Its environment: nothing of the machine's or of an account's is read, nobody is asked.
const ENVIRONMENT: [(&str, &str); 9] = [
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_NO_LAZY_FETCH", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_OPTIONAL_LOCKS", "0"),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("GIT_SSH_COMMAND", "false"),
    ("GIT_TERMINAL_PROMPT", "0"),
];

/// What git may execute: itself, its parts, and what loads them.
const EXECUTES: [&str; 7] = [
    "/usr/bin/git",
    "/usr/lib/git-core",
    "/usr/libexec/git-core",
    "/usr/local/bin/git",
    "/usr/local/libexec/git-core",
    "/usr/lib/aarch64-linux-gnu/ld-linux-aarch64.so.1",
    "/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2",
];

/// The longest name of a branch, in bytes.
const BRANCH_MAX: usize = 200;

/// A repository, and the call that works in it.
#[derive(Clone, Copy)]
pub struct Repository<'a> {
    folder: &'a Path,
    context: &'a Context,
}

/// git at work in a folder, with these words behind what keeps it safe.
///
/// # Errors
/// `Precondition` when git is not installed.
pub fn git(folder: &Path, words: &[&str]) -> Result<Program, ToolError> {
    let program = program::find("git", "git")?;
    let mut git = Program::new(&program, folder);
    for (name, value) in ENVIRONMENT {
        git = git.env(name, value);
    }
    for one in OVERRIDES {
        git = git.args(["-c", one]);
    }
    Ok(git
        .executing_only(EXECUTES.map(PathBuf::from))
        .args(["--no-pager", "--literal-pathspecs"])
        .args(words))
}

/// Did it succeed?
///
/// # Errors
/// `Precondition` with git's own last words.
pub fn succeeded(ended: &Ended) -> Result<(), ToolError> {
    match ended.code {
        0 => Ok(()),
        _ => {
            let said = ended.last_words();
            let said = said.strip_prefix("fatal: ").unwrap_or(&said);
            let said = said.strip_prefix("error: ").unwrap_or(said);
            Err(ToolError::Precondition(format!("git: {said}")))
        }
    }
}

impl<'a> Repository<'a> {
    /// The repository whose working tree this folder is.
    ///
    /// # Errors
    /// `Precondition` when it is none.
    pub fn at(folder: &'a Path, context: &'a Context) -> Result<Self, ToolError> {
        let shown = file::name::encode(folder);
        match folder.join(".git").symlink_metadata() {
            Ok(data) if data.is_dir() => Ok(Self { folder, context }),
            Ok(_) => Err(ToolError::Precondition(format!(
                "{shown}: what makes it a repository is elsewhere, which no tool follows"
            ))),
            Err(_) => Err(ToolError::Precondition(format!(
                "{shown} is no git repository; make one: git.init"
            ))),
        }
    }

    fn git(&self, words: &[&str]) -> Result<Program, ToolError> {
        let mut all = vec!["--git-dir=.git", "--work-tree=."];
        all.extend(words);
        git(self.folder, &all)
    }

    /// What git answers to a question, whole.
    ///
    /// # Errors
    /// `Precondition` when the answer is too long; as [`succeeded`] and [`Program::run`].
    pub fn ask(&self, words: &[&str]) -> Result<Ended, ToolError> {
        let ended = self.beginning(words)?;
        match ended.output_cut {
            false => Ok(ended),
            true => Err(ToolError::Precondition(format!(
                "git's answer has more than {}, which is more than is read; ask for less of it",
                format::bytes(ended.output.len() as u64)
            ))),
        }
    }

    /// The beginning of what git answers; [`Ended::output_cut`] says whether that is all.
    ///
    /// # Errors
    /// As [`succeeded`] and [`Program::run`].
    pub fn beginning(&self, words: &[&str]) -> Result<Ended, ToolError> {
        let ended = self.git(words)?.run(self.context)?;
        succeeded(&ended)?;
        Ok(ended)
    }

    /// The same as one line of text; `None` when git says no.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn line(&self, words: &[&str]) -> Result<Option<String>, ToolError> {
        let ended = self.git(words)?.run(self.context)?;
        Ok((ended.code == 0).then(|| printable(ended.text().trim_end())))
    }

    /// What git would change, and what it says about it.
    ///
    /// # Errors
    /// As [`Program::plan`].
    pub fn plan(
        &self,
        words: &[&str],
        with: impl FnOnce(Program) -> Program,
    ) -> Result<Plan, ToolError> {
        with(self.git(words)?).plan(self.context, succeeded)
    }

    /// The branch that is checked out; `None`: a commit is.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn branch(&self) -> Result<Option<String>, ToolError> {
        self.line(&["symbolic-ref", "--quiet", "--short", "HEAD"])
    }

    /// The commit that a name stands for; `None` when it stands for none.
    ///
    /// # Errors
    /// As [`Program::run`].
    pub fn commit(&self, name: &str) -> Result<Option<String>, ToolError> {
        let name = format!("{name}^{{commit}}");
        self.line(&[
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            &name,
        ])
    }
}

/// A commit as people write it.
pub fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

/// Is it a name that a branch, a tag or a commit may have, and that git takes as nothing else?
/// (git-check-ref-format(1), but narrower.)
///
/// # Errors
/// `Invalid`, beginning with the argument's name.
pub fn check_name(argument: &str, name: &str) -> Result<(), ToolError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./+".contains(c);
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(['.', '-'])
            && !part.ends_with('.')
            && !part.ends_with(".lock")
            && !part.contains("..")
    };
    match name.len() <= BRANCH_MAX && name.chars().all(allowed) && name.split('/').all(part) {
        true => Ok(()),
        false => Err(ToolError::Invalid(format!(
            "{argument}: {:?} is no name of a branch or commit: letters, digits, and any of - _ . / +",
            format::cut(&printable(name), 80)
        ))),
    }
}

/// Is it a path in the repository?
///
/// # Errors
/// `Invalid`, beginning with the argument's name.
pub fn check_path(argument: &str, path: &str) -> Result<(), ToolError> {
    let inside = !path.starts_with('/')
        && !path.contains('\0')
        && path.split('/').all(|part| part != ".." && part != ".git");
    match inside {
        true => Ok(()),
        false => Err(ToolError::Invalid(format!(
            "{argument}: must be a path inside the repository, from its top on, without .. and .git"
        ))),
    }
}

/// The fields of an answer that NUL separates; paths as text.
pub fn fields(output: &[u8]) -> impl Iterator<Item = String> + '_ {
    let fields = output.split(|byte| *byte == 0);
    fields.map(|field| printable(&String::from_utf8_lossy(field)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_an_option_or_an_expression() {
        let check = |name: &str, allowed: bool| {
            assert_eq!(check_name("branch", name).is_ok(), allowed, "{name}");
        };
        for name in ["main", "feature/x-1", "v1.2.3", "0a1b2c3d", "HEAD"] {
            check(name, true);
        }
        for name in [
            "", "-d", "a..b", "a b", "a~1", "a^", "a:b", "@{-1}", "/a", "a/", "a//b", ".a", "a/.b",
            "a.lock", "a\nb", "a/-b", "$x", "é",
        ] {
            check(name, false);
        }
    }

    #[test]
    fn a_path_stays_inside() {
        let check = |path: &str, allowed: bool| {
            assert_eq!(check_path("file", path).is_ok(), allowed, "{path}");
        };
        check("src/a.rs", true);
        check("-x", true); // behind `--`
        check("/etc/passwd", false);
        check("../x", false);
        check("a/../../x", false);
        check(".git/config", false);
    }
}
