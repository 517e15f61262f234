//! `process.wait`: waits until a process has ended.

use std::time::Instant;

use super::ended_within;
use super::signal::gone;
use crate::procfs::process;
use aios_tool::argument::{Pid, Read, Seconds};
use aios_tool::prelude::*;

/// How long it waits when nothing is said.
const WAIT: Seconds<1, 300> = Seconds::of(30);

/// The tool `process.wait`.
pub struct Act;

arguments! {
    /// Arguments of `process.wait`.
    pub struct Input {
        /// Process id.
        pub pid: Pid<Read>,
        /// At most so many seconds, 1 to 300; 30 if absent.
        pub seconds: Option<Seconds<1, 300>>,
    }
}

/// What became of it.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Process id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// Has it ended?
    pub ended: bool,
    /// How long it was waited, in milliseconds.
    pub waited_ms: u64,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.wait",
            "Waits until a process has ended, for at most some seconds.",
        )
        .example(json!({"pid": 4711, "seconds": 60}))
        .timeout_ms(310_000)
        .needing("process", "read", "wait")
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.seconds.get_or_insert(WAIT);
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { name, pid, .. } = output;
        let waited = output.waited_ms as f64 / 1000.0;
        match output.ended {
            true => format!("{name} (pid {pid}) has ended, after {waited:.1} s"),
            false => format!("{name} (pid {pid}) still runs after {waited:.1} s"),
        }
    }
}

impl Look for Act {
    fn look(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let begin = Instant::now();
        let pid = input.pid.get();
        let now = process::of(pid).ok_or_else(|| gone(pid))?;
        let limit = argument::defaulted(&input.seconds)?.duration();
        let ended = ended_within(limit, (pid, now.stat.started), context)?;
        Ok(Output {
            pid,
            name: now.name,
            ended,
            waited_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::call;
    use std::process::Command;

    #[test]
    fn the_end_of_a_process_is_waited_for() {
        let mut short = Command::new("sleep").arg("0.3").spawn().unwrap();
        let done = call::<Act>(json!({"pid": short.id(), "seconds": 15})).unwrap();
        assert_eq!(done.output["ended"], true, "{}", done.summary);
        short.wait().unwrap();
        let mut long = Command::new("sleep").arg("60").spawn().unwrap();
        let done = call::<Act>(json!({"pid": long.id(), "seconds": 1})).unwrap();
        assert!(
            done.summary.contains("still runs after 1.0 s"),
            "{}",
            done.summary
        );
        long.kill().unwrap();
        long.wait().unwrap();
        let gone = call::<Act>(json!({"pid": 4_194_304})).unwrap_err();
        assert_eq!(gone.to_string(), "there is no process 4194304");
    }
}
