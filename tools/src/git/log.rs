//! `git.log`: the last commits.

use super::repository::{Repository, check_name, fields, short};
use aios_tool::argument::{ReadTree, Text, Whole};
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `git.log`.
pub struct Log;

arguments! {
    /// Arguments of `git.log`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: ReadTree,
        /// A branch, a tag or a commit, from which on; what is checked out if it is not given.
        pub from: Option<Text>,
        /// At most so many commits, 1 to 1000; 20 if it is not given.
        pub limit: Option<Whole<1, 1000>>,
    }
}

/// A commit.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Commit {
    /// Its id, hex.
    pub commit: String,
    /// Who made it: `Name <address>`, as they said.
    pub author: String,
    /// When, as they said, Unix time in milliseconds.
    pub time_ms: i64,
    /// The first line of what they said about it.
    pub subject: String,
}

/// The commits, the newest first.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The commits.
    pub commits: Vec<Commit>,
}

impl Tool for Log {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of("git.log", "Shows the last commits of a git repository.")
            .timeout_ms(60_000)
            .kernel(READING)
            .example(json!({"repository": "/srv/app", "limit": 5}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        if output.commits.is_empty() {
            return format!("{} has no commit", input.repository);
        }
        let mut text = format!("{} commits of {}:", output.commits.len(), input.repository);
        if output.commits.len() == 1 {
            text = format!("the last commit of {}:", input.repository);
        }
        for one in output.commits.iter().take(5) {
            text.push_str(&format!(
                "\n{} {} ({})",
                short(&one.commit),
                one.subject,
                one.author
            ));
        }
        text
    }
}

impl Look for Log {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let from = input.from.as_ref().map_or("HEAD", Text::as_str);
        check_name("from", from)?;
        if repository.commit(from)?.is_none() {
            return match &input.from {
                None => Ok(Output {
                    commits: Vec::new(),
                }),
                Some(from) => Err(ToolError::Precondition(format!(
                    "from: there is no branch, tag or commit {from}"
                ))),
            };
        }
        let limit = format!("--max-count={}", input.limit.map_or(20, Whole::get));
        let answer = repository.ask(&[
            "log",
            "-z",
            "--no-show-signature",
            "--no-color",
            "--no-decorate",
            "--no-mailmap",
            "--format=%H%x00%an <%ae>%x00%at%x00%s",
            &limit,
            "--end-of-options",
            from,
            "--",
        ])?;
        Ok(Output {
            commits: parse(&answer.output),
        })
    }
}

fn parse(output: &[u8]) -> Vec<Commit> {
    let all: Vec<String> = fields(output).collect();
    let commit = |fields: &[String]| match fields {
        [commit, author, time, subject] => Some(Commit {
            commit: commit.clone(),
            author: author.clone(),
            time_ms: time.parse::<i64>().ok()?.saturating_mul(1000),
            subject: format::cut(subject, 500),
        }),
        _ => None,
    };
    all.chunks(4).filter_map(commit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_git_is_read() {
        let commits = parse(b"aa\0A <a@b>\x0017\0one\0bb\0B <>\x0016\0two\x1b[0m\0");
        let read = commits
            .iter()
            .map(|one| (one.time_ms, one.subject.as_str()));
        assert_eq!(
            read.collect::<Vec<_>>(),
            [(17_000, "one"), (16_000, "two\u{fffd}[0m")]
        );
    }
}
