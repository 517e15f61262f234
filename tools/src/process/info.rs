//! `process.info`: one process, by its id or its name.

use crate::procfs::{duration, process};
use aios_tool::argument::{Pid, ProcessName, Read};
use aios_tool::format::bytes;
use aios_tool::prelude::*;

/// The tool `process.info`.
pub struct Info;

arguments! {
    /// Arguments of `process.info`: one of the two.
    pub struct Input {
        /// Process id.
        pub pid: Option<Pid<Read>>,
        /// Its name, as `process.list` shows it.
        pub name: Option<ProcessName>,
    }
}

/// One process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Process id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// Its command line.
    pub command: String,
    /// Account that it runs as.
    pub user: String,
    /// Its state in a word.
    pub state: String,
    /// Process id of its parent.
    pub parent: u32,
    /// Number of threads.
    pub threads: u32,
    /// Resident memory in bytes.
    pub memory_bytes: u64,
    /// CPU time used since it started, in seconds.
    pub cpu_seconds: f64,
    /// Seconds since it started.
    pub running_seconds: u64,
    /// Ids of other processes of the same name.
    pub others: Vec<u32>,
}

impl Tool for Info {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.info",
            "Shows one process: command, user, state, memory, CPU time.",
        )
        .example(json!({"pid": 4711}))
        .needing("process", "read", "info")
        .reading_the_machine()
    }

    fn relate(input: &mut Input, _context: &Context) -> Result<(), ToolError> {
        match (&input.pid, &input.name) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            _ => Err(ToolError::Invalid(
                "either pid or name must be given".into(),
            )),
        }
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let others = match output.others.len() {
            0 => String::new(),
            count => format!("; {count} more of this name"),
        };
        format!(
            "{} (pid {}) is {}, runs as {} for {}, uses {} of memory and has used {:.1} s of CPU time{others}",
            output.name,
            output.pid,
            output.state,
            output.user,
            duration(output.running_seconds),
            bytes(output.memory_bytes),
            output.cpu_seconds,
        )
    }
}

impl Look for Info {
    fn look(input: &Input, _context: &Context) -> Result<Output, ToolError> {
        let (process, others) = match (&input.pid, &input.name) {
            (Some(pid), _) => (by_pid(pid.get())?, Vec::new()),
            (None, name) => by_name(name.as_ref().map_or("", ProcessName::as_str))?,
        };
        let running = process.started().and_then(|started| started.elapsed().ok());
        Ok(Output {
            pid: process.stat.pid,
            command: process::command_line(process.stat.pid),
            user: process
                .uid
                .map_or_else(|| "unknown".to_owned(), process::account),
            state: process::state_name(process.stat.state).to_owned(),
            parent: process.stat.parent,
            threads: process.stat.threads,
            memory_bytes: process.memory_bytes(),
            cpu_seconds: process.cpu_seconds(),
            running_seconds: running.unwrap_or_default().as_secs(),
            others,
            name: process.name,
        })
    }
}

fn by_pid(pid: u32) -> Result<process::Process, ToolError> {
    process::of(pid).ok_or_else(|| ToolError::Precondition(format!("there is no process {pid}")))
}

/// The one of lowest id, and the ids of the others.
fn by_name(name: &str) -> Result<(process::Process, Vec<u32>), ToolError> {
    let mut found: Vec<_> = process::all()?
        .into_iter()
        .filter(|process| process.name == name || process.stat.name == name)
        .collect();
    if found.is_empty() {
        let shown: String = name.chars().take(64).collect();
        return Err(ToolError::Precondition(format!(
            "no process is called {shown:?}"
        )));
    }
    let first = found.remove(0);
    Ok((
        first,
        found.iter().map(|process| process.stat.pid).collect(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use serde_json::json;

    #[test]
    fn the_own_process_is_described_by_id_and_by_name() {
        let own = std::process::id();
        let done = call::<Info>(json!({"pid": own})).unwrap();
        assert_eq!(done.output["pid"], own);
        let name = done.output["name"].clone();
        let command = done.output["command"].as_str().unwrap().to_owned();
        assert!(
            command.starts_with(&std::env::args().next().unwrap()),
            "{command}"
        );
        let by_name = call::<Info>(json!({"name": name})).unwrap().output;
        let others = by_name["others"].as_array().unwrap().clone();
        assert!(
            by_name["pid"] == own || others.contains(&json!(own)),
            "{by_name}"
        );
    }

    #[test]
    fn a_process_that_is_not_there_is_named_in_the_error() {
        let check = |arguments, expected: &str| {
            assert_eq!(call::<Info>(arguments).unwrap_err().to_string(), expected);
        };
        check(json!({"pid": 4_194_304}), "there is no process 4194304");
        check(
            json!({"name": "no such\nname"}),
            "no process is called \"no such\\nname\"",
        );
        check(json!({}), "either pid or name must be given");
        check(
            json!({"pid": 1, "name": "x"}),
            "either pid or name must be given",
        );
    }
}
