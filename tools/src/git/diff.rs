//! `git.diff`: how files of a repository differ from what is staged, or from a commit.

use super::repository::{Repository, check_name};
use aios_tool::argument::{ReadTree, Text};
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `git.diff`.
pub struct Diff;

choices! {
    /// What is compared with what.
    pub enum Part {
        /// The working tree with what is staged.
        Unstaged = "unstaged",
        /// What is staged with the last commit.
        Staged = "staged",
        /// The working tree with the commit that is named, or with the last one.
        All = "all",
    }
}

arguments! {
    /// Arguments of `git.diff`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: ReadTree,
        /// What is compared: `unstaged` changes, what is `staged`, or `all` since a commit; `all` if it
        /// is not given.
        pub part: Option<Part>,
        /// With `all`: the branch, tag or commit with which the files are compared; the last commit if it
        /// is not given.
        pub since: Option<Text>,
    }
}

/// The difference.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Files that differ.
    pub files: u64,
    /// Lines that came.
    pub added: u64,
    /// Lines that went.
    pub removed: u64,
    /// In the unified format, at most as much as an answer holds.
    pub diff: String,
    /// Is `diff` not the whole?
    pub truncated: bool,
}

impl Tool for Diff {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.diff",
            "Shows how the files of a git repository differ from what is staged or from a commit.",
        )
        .timeout_ms(60_000)
        .kernel(READING)
        .example(json!({"repository": "/srv/app", "part": "staged"}))
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        let since = input.since.as_ref();
        since.map_or(Ok(()), |since| check_name("since", since.as_str()))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        match output.files {
            0 => format!("{}: nothing differs", input.repository),
            files => format!(
                "{}: {files} files differ, {} lines came, {} went",
                input.repository, output.added, output.removed
            ),
        }
    }
}

impl Look for Diff {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        if let (Some(_), Some(Part::Unstaged | Part::Staged)) = (&input.since, input.part) {
            return Err(ToolError::Invalid(
                "since: goes with part \"all\" only".into(),
            ));
        }
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let since = input.since.as_ref().map_or("HEAD", Text::as_str);
        let what = match input.part.unwrap_or(Part::All) {
            Part::Unstaged => None,
            Part::Staged => Some("--cached"),
            // Before the first commit there is nothing but what is staged.
            Part::All if input.since.is_none() && repository.commit("HEAD")?.is_none() => {
                Some("--cached")
            }
            Part::All => Some(since),
        };
        of(&repository, what)
    }
}

/// A difference; `what`: `--cached`, a name that was checked, or nothing for what is not staged.
///
/// # Errors
/// What git says.
pub fn of(repository: &Repository<'_>, what: Option<&str>) -> Result<Output, ToolError> {
    let words = |format: &'static str| {
        let fixed = [
            "diff",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--no-renames",
            "--ignore-submodules=all",
            format,
        ];
        fixed.into_iter().chain(what).chain(["--"])
    };
    let counts: Vec<&str> = words("--numstat").collect();
    let numbers = repository.beginning(&counts)?;
    let (files, added, removed) = counted(&numbers.text());
    let whole: Vec<&str> = words("--patch").collect();
    let answer = repository.beginning(&whole)?;
    let text = shown(&answer.text());
    let diff = format::cut(&text, format::ANSWER_MAX);
    Ok(Output {
        files,
        added,
        removed,
        truncated: numbers.output_cut || answer.output_cut || diff.len() < text.len(),
        diff,
    })
}

/// Lines stay lines; other control characters of strangers do not reach a terminal.
fn shown(text: &str) -> String {
    let plain = |c: char| match c {
        '\n' | '\t' => c,
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(plain).collect()
}

/// Files, and lines that came and went, of `git diff --numstat`; of what is no text, git says `-`.
fn counted(text: &str) -> (u64, u64, u64) {
    let number = |word: Option<&str>| word.and_then(|word| word.parse().ok()).unwrap_or(0_u64);
    text.lines()
        .fold((0, 0, 0), |(files, added, removed), line| {
            let mut words = line.split('\t');
            let (came, went) = (number(words.next()), number(words.next()));
            (files + 1, added + came, removed + went)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_shown_as_text() {
        assert_eq!(counted("1\t2\ta\n-\t-\tpicture\n3\t0\tb\n"), (3, 4, 2));
        assert_eq!(shown("+a\tb\u{1b}[31m\n"), "+a\tb\u{fffd}[31m\n");
    }
}
