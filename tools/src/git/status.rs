//! `git.status`: what differs in a working tree from its last commit.

use super::repository::{Repository, fields};
use aios_tool::argument::ReadTree;
use aios_tool::file::READING;
use aios_tool::prelude::*;

/// The tool `git.status`.
pub struct Status;

/// So many files are named.
const NAMED: usize = 1000;

arguments! {
    /// Arguments of `git.status`.
    pub struct Input {
        /// Absolute path of the repository: the folder that holds `.git`.
        pub repository: ReadTree,
    }
}

/// A file that differs.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// Its path in the repository.
    pub path: String,
    /// What is staged of it for the next commit: `added`, `modified`, `deleted`, `renamed`, `copied`,
    /// `type changed`, `in conflict`; empty when nothing is.
    pub staged: String,
    /// What is not staged, in the same words, or `untracked`.
    pub unstaged: String,
}

/// What was found.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The branch that is checked out; absent when a commit is.
    pub branch: Option<String>,
    /// The last commit, hex; absent before the first.
    pub commit: Option<String>,
    /// The files, at most 1000.
    pub files: Vec<Changed>,
    /// How many differ; when `truncated`, at least.
    pub count: u64,
    /// Do more differ than git's answer has room for?
    pub truncated: bool,
}

/// Files that differ.
pub struct Differing {
    /// Those that git told.
    pub files: Vec<Changed>,
    /// Are there more? git's answer was longer than is read.
    pub more: bool,
}

impl Tool for Status {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "git.status",
            "Shows which files of a git repository differ from its last commit.",
        )
        .timeout_ms(60_000)
        .kernel(READING)
        .example(json!({"repository": "/srv/app"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let at = output.branch.as_deref().unwrap_or("no branch");
        let staged = |file: &&Changed| !file.staged.is_empty();
        match output.count {
            0 => format!(
                "{}: on {at}, nothing differs from the last commit",
                input.repository
            ),
            count => format!(
                "{}: on {at}, {}{count} files differ, {} of them staged",
                input.repository,
                if output.truncated { "more than " } else { "" },
                output.files.iter().filter(staged).count()
            ),
        }
    }
}

impl Look for Status {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let folder = input.repository.to_path();
        let repository = Repository::at(&folder, context)?;
        let Differing { mut files, more } = changed(&repository)?;
        let count = files.len() as u64;
        files.truncate(NAMED);
        Ok(Output {
            branch: repository.branch()?,
            commit: repository.commit("HEAD")?,
            files,
            count,
            truncated: more,
        })
    }
}

/// The files that differ.
///
/// # Errors
/// What git says.
pub fn changed(repository: &Repository<'_>) -> Result<Differing, ToolError> {
    let words = [
        "status",
        "--porcelain=v1",
        "-z",
        "--untracked-files=all",
        "--ignore-submodules=all",
        "--no-renames",
    ];
    let answer = repository.beginning(&words)?;
    let whole = match answer.output_cut {
        true => up_to_the_last(&answer.output),
        false => &answer.output,
    };
    Ok(Differing {
        files: parse(whole),
        more: answer.output_cut,
    })
}

/// An answer without its last field, which is not whole.
fn up_to_the_last(output: &[u8]) -> &[u8] {
    let end = output.iter().rposition(|byte| *byte == 0);
    &output[..end.map_or(0, |end| end + 1)]
}

/// The answer of `git status --porcelain=v1 -z --no-renames` (git-status(1)).
fn parse(output: &[u8]) -> Vec<Changed> {
    let file = |line: String| {
        let (state, path) = line.split_at_checked(3)?;
        let mut state = state.chars();
        let (staged, unstaged) = (state.next()?, state.next()?);
        let conflict = staged == 'U' || unstaged == 'U' || (staged, unstaged) == ('A', 'A');
        let word = |letter| match letter {
            _ if conflict => "in conflict",
            'A' => "added",
            'M' => "modified",
            'D' => "deleted",
            'R' => "renamed",
            'C' => "copied",
            'T' => "type changed",
            _ => "",
        };
        Some(Changed {
            path: path.to_owned(),
            staged: word(staged).to_owned(),
            unstaged: match unstaged {
                '?' => "untracked".to_owned(),
                letter => word(letter).to_owned(),
            },
        })
    };
    fields(output).filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_answer_that_was_cut_no_name_is_half() {
        let names = |cut: &[u8]| {
            let files = parse(up_to_the_last(cut)).into_iter();
            files.map(|file| file.path).collect::<Vec<_>>()
        };
        assert_eq!(names(b"A  new\0 M chan"), ["new"]);
        assert_eq!(names(b"A  new\0"), ["new"]);
        assert!(names(b"A  ne").is_empty());
    }

    #[test]
    fn the_answer_of_git_is_read() {
        let answer = b"A  new\0 M changed\0MD both\0?? a file\nof two lines\0UU x\0";
        let read: Vec<_> = parse(answer)
            .into_iter()
            .map(|file| [file.path, file.staged, file.unstaged].join("|"))
            .collect();
        assert_eq!(
            read,
            [
                "new|added|",
                "changed||modified",
                "both|modified|deleted",
                "a file\u{fffd}of two lines||untracked",
                "x|in conflict|in conflict"
            ]
        );
    }
}
