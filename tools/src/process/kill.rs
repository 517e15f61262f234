//! `process.kill`: ends a process, gently first.

use std::time::Duration;

use caps::Capability;
use rustix::process::{PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal};

use super::signal::{check_target, gone, may_be_signalled, raw};
use super::{ended_within, has_ended};
use crate::procfs::process;
use aios_tool::argument::{Pid, Seconds};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// How long a process gets to end by itself when nothing is said.
const PATIENCE: Seconds<0, 60> = Seconds::of(5);
/// How long the kernel may take to end a process that got SIGKILL: one that waits for a disk ends
/// only then.
const LAST: Duration = Duration::from_secs(5);

/// The tool `process.kill`.
pub struct Act;

arguments! {
    /// Arguments of `process.kill`.
    pub struct Input {
        /// Process id.
        pub pid: Pid<argument::Signal>,
        /// So many seconds the process gets to end by itself after SIGTERM, before SIGKILL ends it:
        /// 0 to 60; 5 if absent.
        pub seconds: Option<Seconds<0, 60>>,
    }
}

/// How it ended.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Process id.
    pub pid: u32,
    /// What it was called.
    pub name: String,
    /// When it was started, in clock ticks since boot: with the id, this tells it from every other
    /// process.
    pub started_ticks: u64,
    /// Did it have to be ended by SIGKILL?
    pub forced: bool,
}

impl Tool for Act {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.kill",
            "Ends a process: asks it by SIGTERM, and after some seconds ends it by SIGKILL.",
        )
        .example(json!({"pid": 4711, "seconds": 10}))
        .risk(Risk::High)
        .timeout_ms(75_000)
        .kernel(&[Capability::CAP_KILL])
        .least(Least::Admin)
        .reading_the_machine()
    }

    fn complete(input: &mut Input) {
        input.seconds.get_or_insert(PATIENCE);
    }

    fn summarize(_input: &Input, output: &Output) -> String {
        let Output { name, pid, .. } = output;
        match output.forced {
            false => format!("{name} (pid {pid}) has ended"),
            true => format!("{name} (pid {pid}) did not end by itself and was ended by SIGKILL"),
        }
    }
}

impl Change for Act {
    fn effect() -> Effect {
        Effect::of("the process has ended", &["kill", "end"]).not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        let now = target(input.pid.get())?;
        let state = process::state_name(now.stat.state);
        let object = format!("process {} ({})", input.pid.get(), now.name);
        Ok(Foreseen::of(object, state, "ended").into())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let pid = input.pid.get();
        let raw = raw(pid).ok_or_else(|| gone(pid))?;
        check_target(pid)?;
        // From here on the descriptor means this very process, even if its id is used again.
        let held = pidfd_open(raw, PidfdFlags::empty()).map_err(|_| gone(pid))?;
        let before = target(pid)?;
        let send = |signal| {
            let doing = format!("cannot signal process {pid}");
            pidfd_send_signal(&held, signal).map_err(|error| ToolError::io(doing, error))
        };
        let this = (pid, before.stat.started);
        let patience = argument::defaulted(&input.seconds)?.duration();
        send(Number::TERM)?;
        let mut forced = false;
        if !ended_within(patience, this, context)? {
            forced = true;
            // It may have ended in this very moment.
            let sent = send(Number::KILL);
            if !ended_within(LAST, this, context)? {
                sent?;
                return Err(ToolError::Unverified(format!(
                    "process {pid} ({}) got SIGKILL and still runs: it waits for the kernel",
                    before.name
                )));
            }
        }
        Ok(Output {
            pid,
            name: before.name,
            started_ticks: before.stat.started,
            forced,
        })
    }

    fn verify(_input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        if has_ended(output.pid, output.started_ticks) {
            return Ok(());
        }
        Err(ToolError::Unverified(format!(
            "process {} still runs",
            output.pid
        )))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let pid = input.pid.get();
        let still_there = process::of(pid)
            .filter(|process| process.started().is_some_and(|at| at < interrupted.started))
            .is_some_and(|process| !has_ended(pid, process.stat.started));
        Ok((!still_there).then(|| Output {
            pid,
            name: "it".into(),
            started_ticks: 0,
            forced: false,
        }))
    }
}

/// The process, when a tool may end it.
fn target(pid: u32) -> Result<process::Process, ToolError> {
    check_target(pid)?;
    let now = process::of(pid).ok_or_else(|| gone(pid))?;
    may_be_signalled(&now, pid)?;
    Ok(now)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test sleeps in a thread of its own
mod tests {
    use super::*;
    use crate::trial::{self, call_change as call};
    use std::path::Path;
    use std::process::{Child, Command};
    use std::time::SystemTime;

    fn started(program: &str, arguments: &[&str]) -> Child {
        Command::new(program).args(arguments).spawn().unwrap()
    }

    #[test]
    fn a_process_is_asked_to_end_and_then_made_to() {
        let mut obedient = started("sleep", &["60"]);
        let done = call::<Act>(json!({"pid": obedient.id()})).unwrap();
        let expected = format!("sleep (pid {}) has ended", obedient.id());
        assert_eq!(done.summary, expected);
        assert!(!obedient.wait().unwrap().success());
        // A shell without a child of its own that ignores SIGTERM.
        let mut deaf = started("sh", &["-c", "trap '' TERM; exec sleep 60"]);
        let ready = || std::fs::read_to_string(format!("/proc/{}/comm", deaf.id())).unwrap();
        while ready().trim() != "sleep" {
            std::thread::sleep(Duration::from_millis(5));
        }
        let done = call::<Act>(json!({"pid": deaf.id(), "seconds": 1})).unwrap();
        assert_eq!(done.output["forced"], true, "{}", done.summary);
        assert!(!deaf.wait().unwrap().success());
    }

    #[test]
    fn init_this_daemon_and_absent_processes_are_refused() {
        let check = |pid: u32, expected: &str| {
            let error = call::<Act>(json!({"pid": pid})).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(1, "init of the machine");
        check(std::process::id(), "aios-tools itself");
        check(4_194_304, "there is no process 4194304");
    }

    #[test]
    fn after_a_crash_a_process_that_still_runs_is_not_taken_for_ended() {
        let mut child = started("sleep", &["60"]);
        let context = trial::context(Path::new("/nonexistent"));
        let input = trial::input::<Act>(json!({"pid": child.id()}), &context);
        let found = |started: SystemTime| {
            let interrupted = Interrupted {
                started,
                execution: "x",
                steps: &[],
            };
            Act::found_done(&input, &interrupted, &context)
                .unwrap()
                .is_some()
        };
        let (before, after) = (
            SystemTime::now() - Duration::from_secs(3600),
            SystemTime::now() + Duration::from_secs(60),
        );
        assert!(!found(after), "it runs: end it again");
        assert!(found(before), "another process has the id");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found(after));
    }
}
