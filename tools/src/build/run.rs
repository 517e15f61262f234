//! `build.run` and `test.run`: tools that differ in their words and in what they ask of a project.

use std::marker::PhantomData;

use aios_tool::argument::WorkTree;
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

use super::counts::{self, Counts};
use super::project::{self, Goal};
use crate::program::{self, Program};

/// How long a build or all tests may take, in milliseconds.
const TIMEOUT_MS: u32 = 1_800_000;

/// So many of its last lines are shown, and at most so many bytes of JSON.
const LINES: usize = 60;
const SHOWN_MAX: usize = 20_000;

/// What one of these tools is.
pub trait Aim: Send + Sync + 'static {
    /// What is asked of the project.
    const GOAL: Goal;
    /// The tool's name.
    const NAME: &'static str;
    /// What it does, in one sentence.
    const DESCRIPTION: &'static str;
    /// What people call it.
    const VERBS: &'static [&'static str];
    /// The first part of the capability, and what was done, for people.
    const NAMESPACE: &'static str;
    /// What went well, and what did not.
    const ENDED: [&'static str; 2];
}

/// The tool of an aim.
pub struct Run<A>(PhantomData<fn() -> A>);

arguments! {
    /// Arguments of `build.run` and `test.run`.
    pub struct Input {
        /// Absolute path of the workspace: the folder that holds Cargo.toml, package.json,
        /// pyproject.toml, setup.py or a Makefile.
        pub workspace: WorkTree,
    }
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// What was run, with its arguments.
    pub command: String,
    /// Did it end with code 0?
    pub succeeded: bool,
    /// Its exit code; of one that a signal ended, 128 and the signal.
    pub code: i32,
    /// The signal that ended it; absent when it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// Tests that passed and failed, when it says so.
    pub tests: Option<Counts>,
    /// The last lines that it said, at most 60.
    pub last_lines: String,
}

impl<A: Aim> Tool for Run<A> {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(A::NAME, A::DESCRIPTION)
            .risk(Risk::Medium)
            .timeout_ms(TIMEOUT_MS)
            .needing(A::NAMESPACE, "run", "workspace")
            .example(json!({"workspace": "/home/workspaces/app"}))
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let [well, ill] = A::ENDED;
        let ended = if output.succeeded {
            well.to_owned()
        } else {
            let last = output
                .last_lines
                .lines()
                .rev()
                .find(|line| !line.trim().is_empty());
            let last = format::cut(&format::printable(last.unwrap_or_default()), 200);
            let how = match output.signal {
                Some(signal) => format!("signal {signal}"),
                None => format!("code {}", output.code),
            };
            format!("{ill} ({how}): {last}")
        };
        let tests = output.tests.map(|counts| {
            let Counts { passed, failed } = counts;
            format!(", {passed} tests passed, {failed} failed")
        });
        let seconds = output.took_ms.div_ceil(1000);
        format!(
            "{}: {} {ended}{} ({seconds} s)",
            input.workspace,
            output.command,
            tests.unwrap_or_default()
        )
    }
}

impl<A: Aim> Change for Run<A> {
    fn effect() -> Effect {
        Effect::of("the program of the project ran to its end", A::VERBS).not_idempotent()
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        let command = project::command_for(&input.workspace.to_path(), A::GOAL)?;
        program::find(command.program, command.package)?;
        let after = format!(
            "what {} writes in it; that cannot be undone",
            written(&command)
        );
        Ok(Foreseen::of(&input.workspace, "as it is", &after).into())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let folder = input.workspace.to_path();
        let command = project::command_for(&folder, A::GOAL)?;
        let path = program::find(command.program, command.package)?;
        let ended = Program::new(&path, &folder)
            .args(command.arguments)
            .env("CARGO_HOME", "/tmp/cargo")
            .env("CARGO_TERM_COLOR", "never")
            .env("NO_COLOR", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .changing_its_folder()
            .keeping_the_end()
            .run(context)?;
        let (output, errors) = (ended.text(), String::from_utf8_lossy(&ended.errors));
        let said = format!("{output}\n{errors}");
        Ok(Output {
            command: written(&command),
            succeeded: ended.code == 0,
            code: ended.code,
            signal: ended.signal,
            took_ms: ended.took_ms,
            tests: match A::GOAL {
                Goal::Test => counts::read(&said),
                Goal::Build => None,
            },
            last_lines: last_lines(&said),
        })
    }

    fn verify(_input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        // The executor answers when the program has ended; of one that it killed, an error.
        match output.code {
            0..=255 => Ok(()),
            code => Err(ToolError::Unverified(format!("{code} is no exit code"))),
        }
    }
}

fn written(command: &project::Command) -> String {
    let words = std::iter::once(&command.program).chain(command.arguments);
    words.copied().collect::<Vec<_>>().join(" ")
}

fn last_lines(said: &str) -> String {
    let lines: Vec<String> = said
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(format::printable)
        .collect();
    let last = lines[lines.len().saturating_sub(LINES)..].join("\n");
    format::cut_front(&last, SHOWN_MAX)
}

/// `build.run`.
pub enum Build {}

impl Aim for Build {
    const GOAL: Goal = Goal::Build;
    const NAME: &'static str = "build.run";
    const DESCRIPTION: &'static str = "Builds a workspace with cargo, npm, Python or make, in a sandbox without network. What that writes cannot be undone.";
    const VERBS: &'static [&'static str] = &["build", "compile"];
    const NAMESPACE: &'static str = "build";
    const ENDED: [&'static str; 2] = ["has built it", "did not build it"];
}

/// `test.run`.
pub enum Test {}

impl Aim for Test {
    const GOAL: Goal = Goal::Test;
    const NAME: &'static str = "test.run";
    const DESCRIPTION: &'static str = "Runs the tests of a workspace with cargo, npm, Python or make, in a sandbox without network. What they write cannot be undone.";
    const VERBS: &'static [&'static str] = &["test"];
    const NAMESPACE: &'static str = "test";
    const ENDED: [&'static str; 2] = ["succeeded", "failed"];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_shown_without_control_characters() {
        let said = "a\n\n".repeat(100) + "\u{1b}[31mred\n";
        let shown = last_lines(&said);
        assert_eq!(shown.lines().count(), LINES);
        assert!(shown.ends_with("\na\n\u{fffd}[31mred"), "{shown}");
    }
}
