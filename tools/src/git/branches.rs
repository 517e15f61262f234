//! `git.branches`: the branches of a repository.

use super::repository::{Repository, fields, short};
use aios_tool::argument::ReadTree;
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `git.branches`.
pub struct Branches;

arguments! {
    /// Arguments of `git.branches`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: ReadTree,
    }
}

/// A branch.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Branch {
    /// Its name.
    pub name: String,
    /// Its last commit, hex.
    pub commit: String,
    /// Is it checked out?
    pub current: bool,
}

/// The branches, by name.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// All branches, at most 1000.
    pub branches: Vec<Branch>,
}

impl Tool for Branches {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("git.branches", "Lists the branches of a git repository.")
            .timeout_ms(60_000)
            .kernel(READING)
            .example(json!({"repository": "/srv/app"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let one = |branch: &Branch| {
            let mark = if branch.current { "*" } else { "" };
            format!("{mark}{} ({})", branch.name, short(&branch.commit))
        };
        let all: Vec<String> = output.branches.iter().take(20).map(one).collect();
        match output.branches.len() {
            0 => format!("{} has no branch with a commit", input.repository),
            count => format!(
                "{} has {count} branches: {}",
                input.repository,
                all.join(", ")
            ),
        }
    }
}

impl Look for Branches {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let answer = Repository::at(&folder, context)?.ask(&[
            "for-each-ref",
            "--count=1000",
            "--format=%(refname:short)%00%(objectname)%00%(HEAD)%00",
            "refs/heads",
        ])?;
        Ok(Output {
            branches: parse(&answer.output),
        })
    }
}

fn parse(output: &[u8]) -> Vec<Branch> {
    // Behind each branch git ends the line.
    let all: Vec<String> = fields(output)
        .map(|field| field.trim_start_matches('\u{fffd}').to_owned())
        .collect();
    let branch = |fields: &[String]| match fields {
        [name, commit, current] => Some(Branch {
            name: name.clone(),
            commit: commit.clone(),
            current: current == "*",
        }),
        _ => None,
    };
    all.chunks(3).filter_map(branch).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_git_is_read() {
        let read = parse(b"feature/x\0aa\0 \0\nmain\0bb\0*\0\n");
        let read = read.iter().map(|one| (one.name.as_str(), one.current));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [("feature/x", false), ("main", true)]
        );
    }
}
