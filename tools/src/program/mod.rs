//! The one executor of programs that exist: an order for `aios-work`, which runs it in a sandbox.
//!
//! A program gets an argument vector, never a shell; what else it gets is said here, one by one, and
//! the default is nothing: no environment, no input, no network, a folder that it can only read.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aios_contracts::v1::work_client::WorkClient;
use aios_contracts::v1::{self, Writing};
use aios_daemon::demand::Demand;
use aios_daemon::socket::MESSAGE_MAX;
use aios_tool::changes;
use aios_tool::edit::Plan;
use aios_tool::file::name;
use aios_tool::format::printable;
use aios_tool::prelude::*;
use tonic::transport::Channel;

/// The daemon's name in init, and of its socket.
const DAEMON: &str = "work";

/// Where programs are looked for.
const FOLDERS: [&str; 5] = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// So much of what a program says is kept, in bytes.
const OUTPUT_MAX: u32 = 1_000_000;

/// What is left of a call's time when its program is over, for reading its changes.
const RESERVE: Duration = Duration::from_millis(500);

/// A program and what it may do.
#[derive(Clone, Debug)]
pub struct Program(v1::RunRequest);

/// How a program ended.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Its exit code; of one that a signal ended, 128 and the signal.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// What it wrote to its standard output.
    pub output: Vec<u8>,
    /// What it wrote to its standard error.
    pub errors: Vec<u8>,
    /// There was more output.
    pub output_cut: bool,
    /// There were more errors.
    pub errors_cut: bool,
    /// How long it ran, in milliseconds.
    pub took_ms: u64,
    plan: String,
}

/// Where a program of this name is.
///
/// # Errors
/// `Precondition`, saying how to get it.
pub fn find(name: &str, package: &str) -> Result<PathBuf, ToolError> {
    let there = |folder: &&&str| Path::new(folder).join(name).is_file();
    match FOLDERS.iter().find(there) {
        Some(folder) => Ok(Path::new(folder).join(name)),
        None => Err(ToolError::Precondition(format!(
            "{name} is not installed; install it: pkg.install {package}"
        ))),
    }
}

impl Program {
    /// This program, at work in this folder, which it can only read.
    pub fn new(program: &Path, folder: &Path) -> Self {
        Self(v1::RunRequest {
            program: name::encode(program),
            folder: name::encode(folder),
            writing: Writing::Nothing.into(),
            output_max: OUTPUT_MAX,
            limit_ms: u32::MAX,
            ..v1::RunRequest::default()
        })
    }

    /// With these arguments behind those that it has.
    pub fn args<I: IntoIterator<Item: AsRef<std::ffi::OsStr>>>(mut self, words: I) -> Self {
        let bytes = |word: I::Item| word.as_ref().as_bytes().to_vec();
        self.0.arguments.extend(words.into_iter().map(bytes));
        self
    }

    /// With a variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.0.environment.push(v1::Variable { name, value });
        self
    }

    /// It reads this from its standard input.
    pub fn input(mut self, input: &[u8]) -> Self {
        self.0.input = input.to_vec();
        self
    }

    /// It sees this as well.
    pub fn reading(mut self, path: &Path) -> Self {
        self.0.reads.push(name::encode(path));
        self
    }

    /// It executes nothing but what is at these paths, with all below.
    pub fn executing_only(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        self.0.executes.extend(paths.into_iter().map(name::encode));
        self
    }

    /// It may change the folder that it works in.
    pub fn changing_its_folder(mut self) -> Self {
        self.0.writing = Writing::Folder.into();
        self
    }

    /// It may take so long, and no longer than its call.
    pub fn within(mut self, limit: Duration) -> Self {
        self.0.limit_ms = milliseconds(limit);
        self
    }

    /// It may reach the network of the machine.
    pub fn connected(mut self) -> Self {
        self.0.network = true;
        self
    }

    /// The end of what it says is kept, not the beginning.
    pub fn keeping_the_end(mut self) -> Self {
        self.0.keep_end = true;
        self
    }

    /// Runs it.
    ///
    /// # Errors
    /// `Deadline` when the call's time is over; what hindered the start.
    pub fn run(self, context: &Context) -> Result<Ended, ToolError> {
        let mut request = self.0;
        let limit = context.remaining();
        request.id = context.execution().to_owned();
        let left = milliseconds(limit.saturating_sub(RESERVE));
        request.limit_ms = request.limit_ms.min(left);
        let shown = printable(&request.program);
        let twice = request.writing() != Writing::Folder;
        let (demand, client) = daemon(context)?;
        let run = || {
            let (mut client, request) = (client.clone(), request.clone());
            async move { client.run(request).await }
        };
        let answer = if twice {
            context.block_on(demand.ask(limit, run))?
        } else {
            discard(context)?; // which has the daemon started; the program is run once
            let answer = context.block_on(async { Ok::<_, ToolError>(run().await?) })?;
            answer.into_inner()
        };
        if answer.late {
            return Err(ToolError::Deadline(format!(
                "{shown} was not done in time, and was ended with all that it had started"
            )));
        }
        Ok(Ended {
            code: answer.code,
            signal: Some(answer.signal).filter(|signal| *signal != 0),
            output_cut: answer.output_cut,
            errors_cut: answer.errors_cut,
            output: answer.output,
            errors: answer.errors,
            took_ms: answer.took_ms,
            plan: answer.plan,
        })
    }

    /// Runs it in a shadow of its folder; the answer is what it changed there, in the order in which it
    /// is to be made. `check` says whether it succeeded.
    ///
    /// # Errors
    /// As [`Self::run`]; what `check` says; `Precondition` when it changed too much.
    pub fn plan(
        mut self,
        context: &Context,
        check: impl FnOnce(&Ended) -> Result<(), ToolError>,
    ) -> Result<Plan, ToolError> {
        self.0.writing = Writing::Shadow.into();
        let ended = self.run(context)?;
        let plan = check(&ended)
            .and_then(|()| changes::read(Path::new(&ended.plan)))
            .and_then(Plan::of);
        discard(context)?;
        plan
    }
}

impl Ended {
    /// Its output as text on several lines.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).into_owned()
    }

    /// The last line of its errors, or of its output, that says something.
    pub fn last_words(&self) -> String {
        [&self.errors, &self.output]
            .into_iter()
            .find_map(|said| {
                let text = String::from_utf8_lossy(said);
                let line = text.lines().rev().find(|line| !line.trim().is_empty());
                line.map(|line| format::cut(&printable(line.trim()), LINE_MAX))
            })
            .unwrap_or_else(|| format!("it ended {}", self.how()))
    }

    /// How it ended, for people: no code of a program's own is taken for a signal.
    pub fn how(&self) -> String {
        how(self.code, self.signal)
    }
}

/// How a program ended, for people.
pub fn how(code: i32, signal: Option<i32>) -> String {
    match signal {
        Some(signal) => format!("by signal {signal}"),
        None => format!("with code {code}"),
    }
}

/// The longest line of a program that is part of an error, in bytes.
const LINE_MAX: usize = 300;

/// Has a shadow thrown away.
fn discard(context: &Context) -> Result<(), ToolError> {
    let (demand, client) = daemon(context)?;
    let id = context.execution().to_owned();
    let request = v1::DiscardWorkRequest { id };
    context.block_on(demand.ask(context.remaining(), || {
        let (mut client, request) = (client.clone(), request.clone());
        async move { client.discard_work(request).await }
    }))?;
    Ok(())
}

fn daemon(context: &Context) -> Result<(Demand, WorkClient<Channel>), ToolError> {
    let demand = Demand::new(context.init()?, DAEMON);
    let client = WorkClient::new(context.daemon(DAEMON)?)
        .max_decoding_message_size(MESSAGE_MAX)
        .max_encoding_message_size(MESSAGE_MAX);
    Ok((demand, client))
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_says_how_to_get_it() {
        assert!(find("sh", "dash").is_ok());
        let error = find("no-such-program", "its-package").unwrap_err();
        assert_eq!(
            error.to_string(),
            "no-such-program is not installed; install it: pkg.install its-package"
        );
    }

    #[test]
    fn the_last_words_are_one_line() {
        let check = |output: &str, errors: &str, expected: &str| {
            let ended = Ended {
                code: 3,
                output: output.into(),
                errors: errors.into(),
                signal: None,
                output_cut: false,
                errors_cut: false,
                took_ms: 0,
                plan: String::new(),
            };
            assert_eq!(ended.last_words(), expected);
        };
        check("done\n", "a\nb\u{1b}[0m\n \n", "b\u{fffd}[0m");
        check("done\n", "", "done");
        check("", "", "it ended with code 3");
    }
}
