//! `process.spawn`: runs a program in a sandbox, and waits for its end.

use aios_tool::argument::{Content, List, ProgramPath, Seconds, Text, WorkTree};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

use crate::program::{Ended, Program, how};

/// The tool `process.spawn`.
pub struct Spawn;

/// The most arguments of a program.
const ARGUMENTS_MAX: usize = 1000;
/// How long a program may take, in seconds, when the call does not say.
const USUAL_S: u64 = 60;
/// The longest that it may take, in seconds.
const LONGEST_S: i64 = 600;
/// So much of what it said is shown, in bytes of JSON, of output and of errors each.
const SHOWN_MAX: usize = 500_000;

arguments! {
    /// Arguments of `process.spawn`.
    pub struct Input {
        /// Absolute path of the program.
        pub program: ProgramPath,
        /// Its arguments, without its name; at most 1000. They are given to it as they are: there is no
        /// shell.
        #[serde(default)]
        pub arguments: List<Text, ARGUMENTS_MAX>,
        /// Absolute path of the folder in which it works, and the only one that it may change.
        pub folder: WorkTree,
        /// What it reads from its standard input; nothing if it is not given.
        pub input: Option<Content>,
        /// So many seconds it may take, 1 to 600; 60 if it is not given.
        pub seconds: Option<Seconds<1, LONGEST_S>>,
    }
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The program.
    pub program: String,
    /// Its exit code; of one that a signal ended, 128 and the signal.
    pub code: i32,
    /// The signal that ended it; absent when it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// How long it ran, in milliseconds.
    pub took_ms: u64,
    /// The beginning of its standard output, at most 500 kB.
    pub output: String,
    /// The beginning of its standard error, at most 500 kB.
    pub errors: String,
    /// Is that not the whole?
    pub truncated: bool,
}

impl Tool for Spawn {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.spawn",
            "Runs a program with arguments in a sandbox without network, where it may change one folder, and waits for its end. What it changes there cannot be undone.",
        )
        .risk(Risk::High)
        .timeout_ms(630_000)
        .example(json!({
            "program": "/usr/bin/sort",
            "arguments": ["-u", "names"],
            "folder": "/home/workspaces/app",
        }))
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let said = [&output.output, &output.errors]
            .into_iter()
            .flat_map(|text| text.lines().rev())
            .find(|line| !line.trim().is_empty());
        let said = said.map(|line| format!(": {}", format::cut(&format::printable(line), 200)));
        format!(
            "{} ended {} after {} ms{}",
            output.program,
            how(output.code, output.signal),
            output.took_ms,
            said.unwrap_or_default()
        )
    }
}

impl Change for Spawn {
    fn effect() -> Effect {
        Effect::of("the program ran to its end", &["run", "spawn", "execute"]).not_idempotent()
    }

    fn preview(input: &Input, _context: &Context) -> Result<Preview, ToolError> {
        may_be_run(input)?;
        let words: Vec<String> = input
            .arguments
            .iter()
            .map(|word| format!("{word:?}"))
            .collect();
        let after = format!(
            "whatever {} {} makes of it; that cannot be undone",
            input.program,
            words.join(" ")
        );
        let after = format::cut(&after, 4000);
        Ok(Foreseen::of(&input.folder, "as it is", &after).into())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        may_be_run(input)?;
        let seconds = input.seconds.map(Seconds::duration);
        let limit = seconds.unwrap_or(std::time::Duration::from_secs(USUAL_S));
        let program = Program::new(&input.program.to_path(), &input.folder.to_path())
            .args(input.arguments.iter().map(Text::as_str))
            .input(
                input
                    .input
                    .as_ref()
                    .map_or(&[], |text| text.as_str().as_bytes()),
            )
            .changing_its_folder()
            .within(limit);
        let ended = program.run(context)?;
        let (output, errors) = (shown(&ended.output), shown(&ended.errors));
        Ok(Output {
            program: input.program.to_string(),
            code: ended.code,
            signal: ended.signal,
            took_ms: ended.took_ms,
            truncated: is_cut(&ended, &output, &errors),
            output,
            errors,
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

fn shown(said: &[u8]) -> String {
    format::cut(&String::from_utf8_lossy(said), SHOWN_MAX)
}

fn is_cut(ended: &Ended, output: &str, errors: &str) -> bool {
    let shorter = |said: &[u8], shown: &str| shown.len() < String::from_utf8_lossy(said).len();
    ended.output_cut
        || ended.errors_cut
        || shorter(&ended.output, output)
        || shorter(&ended.errors, errors)
}

fn may_be_run(input: &Input) -> Result<(), ToolError> {
    let refuse = |path: &str, why: &str| Err(ToolError::Precondition(format!("{path}: {why}")));
    if !input.folder.to_path().is_dir() {
        return refuse(input.folder.as_str(), "it is no folder; make it: fs.mkdir");
    }
    match input.program.to_path().is_file() {
        true => Ok(()),
        false => refuse(input.program.as_str(), "there is no such program"),
    }
}
