//! Which program builds and tests a workspace.

use std::path::Path;

use aios_tool::error::ToolError;

/// What is to be done with a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// It is built.
    Build,
    /// Its tests are run.
    Test,
}

/// A program with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its name.
    pub program: &'static str,
    /// The Debian package that it comes with.
    pub package: &'static str,
    /// Its arguments.
    pub arguments: &'static [&'static str],
}

/// A file by which a kind of project is known, and how such a project is built and tested.
struct Kind {
    marks: &'static [&'static str],
    build: Command,
    test: Command,
}

const fn command(
    program: &'static str,
    package: &'static str,
    arguments: &'static [&'static str],
) -> Command {
    Command {
        program,
        package,
        arguments,
    }
}

/// The first whose file is there is taken: what wraps others comes last.
const KINDS: [Kind; 4] = [
    Kind {
        marks: &["Cargo.toml"],
        build: command("cargo", "cargo", &["build", "--offline"]),
        test: command("cargo", "cargo", &["test", "--offline", "--no-fail-fast"]),
    },
    Kind {
        marks: &["package.json"],
        build: command("npm", "npm", &["run", "build", "--offline"]),
        test: command("npm", "npm", &["test", "--offline"]),
    },
    Kind {
        marks: &["pyproject.toml", "setup.py", "setup.cfg"],
        build: command("python3", "python3", &["-m", "compileall", "-q", "."]),
        test: command("python3", "python3", &["-m", "unittest", "discover", "-v"]),
    },
    Kind {
        marks: &["Makefile", "makefile", "GNUmakefile"],
        build: command("make", "make", &[]),
        test: command("make", "make", &["test"]),
    },
];

/// What builds or tests the project in this folder.
///
/// # Errors
/// `Precondition` when there is none that is known.
pub fn command_for(folder: &Path, goal: Goal) -> Result<Command, ToolError> {
    let is_there = |kind: &&Kind| kind.marks.iter().any(|mark| folder.join(mark).is_file());
    let found = KINDS.iter().find(is_there).ok_or_else(|| {
        ToolError::Precondition(format!(
            "{}: no Cargo.toml, package.json, pyproject.toml, setup.py or Makefile is in it",
            aios_tool::file::name::encode(folder)
        ))
    })?;
    Ok(match goal {
        Goal::Build => found.build.clone(),
        Goal::Test => found.test.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_is_known_by_its_files() {
        let check = |files: &[&str], goal, expected: Option<(&str, &str)>| {
            let folder = tempfile::tempdir().unwrap();
            for file in files {
                std::fs::write(folder.path().join(file), "").unwrap();
            }
            let command = command_for(folder.path(), goal).ok();
            let found = command.map(|one| (one.program, one.arguments.first().copied()));
            let found = found.map(|(program, first)| (program, first.unwrap_or_default()));
            assert_eq!(found, expected, "{files:?}");
        };
        check(
            &["Cargo.toml", "Makefile"],
            Goal::Build,
            Some(("cargo", "build")),
        );
        check(&["package.json"], Goal::Test, Some(("npm", "test")));
        check(&["setup.py", "x"], Goal::Test, Some(("python3", "-m")));
        check(&["Makefile"], Goal::Build, Some(("make", "")));
        check(&["README.md"], Goal::Build, None);
    }
}
