//! `process.signal`: sends a signal to one process.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use aios_daemon::identity::Principal;
use caps::Capability;
use rustix::process::{
    self as kernel, PidfdFlags, Signal as Number, pidfd_open, pidfd_send_signal,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::GLANCE;
use crate::procfs::{self, process};
use aios_tool::argument::{Argument, Pid};
use aios_tool::prelude::*;
use aios_tool::preview::Foreseen;

/// A signal; resolved, it is written `SIGTERM`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignalName(String);

impl JsonSchema for SignalName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "SignalName".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", argument::KEY: argument::Kind::Signal.name()})
    }
}

impl Argument for SignalName {
    fn resolve(&mut self, name: &str, _context: &Context) -> Result<(), ToolError> {
        let upper = self.0.to_ascii_uppercase();
        let known = upper.strip_prefix("SIG").unwrap_or(&upper);
        if number(known).is_none() {
            let shown: String = self.0.chars().take(32).collect();
            return Err(ToolError::Invalid(format!(
                "{name}: {shown:?} is not one of {}",
                names()
            )));
        }
        self.0 = format!("SIG{known}");
        Ok(())
    }
}

/// The tool `process.signal`.
pub struct Signal;

/// How long a process gets to end (SIGTERM) or must have ended (SIGKILL), before it is looked at.
const SETTLE: Duration = Duration::from_secs(2);

/// Where aiOS's own programs are, and nothing else.
const OWN_PROGRAMS: &str = "/usr/lib/aios/";

arguments! {
    /// Arguments of `process.signal`.
    pub struct Input {
        /// Process id.
        pub pid: Pid<argument::Signal>,
        /// `TERM`, `KILL`, `HUP`, `INT`, `QUIT`, `USR1`, `USR2`, `STOP` or `CONT`, with or without `SIG`.
        pub signal: SignalName,
    }
}

/// What became of the process.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// Process id.
    pub pid: u32,
    /// What it is called.
    pub name: String,
    /// Did it end?
    pub ended: bool,
}

impl Tool for Signal {
    type Input = Input;
    type Output = Output;

    fn declaration() -> Declaration {
        Declaration::of(
            "process.signal",
            "Sends a signal to a process, for example to end it.",
        )
        .example(json!({"pid": 4711, "signal": "TERM"}))
        .risk(Risk::High)
        .kernel(&[Capability::CAP_KILL])
        .least(Least::Admin)
        .reading_the_machine()
    }

    fn summarize(input: &Input, output: &Output) -> String {
        let Output { name, pid, .. } = output;
        match (output.ended, input.signal.0.as_str()) {
            (true, signal) => format!("{name} (pid {pid}) got {signal} and has ended"),
            (false, "SIGSTOP") => format!("{name} (pid {pid}) is stopped"),
            (false, "SIGCONT") => format!("{name} (pid {pid}) goes on"),
            (false, signal) => format!("{name} (pid {pid}) got {signal} and still runs"),
        }
    }
}

impl Change for Signal {
    fn effect() -> Effect {
        Effect::of(
            "the process got the signal; after KILL it is gone, after STOP it is \
                         stopped, after CONT it is not",
            &["kill", "stop", "restart"],
        )
        .not_idempotent()
    }

    fn preview(input: &Input, _: &Context) -> Result<Preview, ToolError> {
        check_target(input.pid.get())?;
        let now = process::of(input.pid.get()).ok_or_else(|| gone(input.pid.get()))?;
        may_be_signalled(&now, input.pid.get())?;
        let state = process::state_name(now.stat.state);
        let after = format!("gets {}", input.signal.0);
        let name = format::printable(&now.name);
        let object = format!("process {} ({name})", input.pid.get());
        Ok(Foreseen::of(object, state, &after).into())
    }

    fn act(input: &Input, context: &Context) -> Result<Output, ToolError> {
        let (Some(signal), Some(pid)) = (named(&input.signal.0), raw(input.pid.get())) else {
            return Err(ToolError::Invalid(format!("signal: {}", input.signal.0)));
        };
        check_target(input.pid.get())?;
        let doing = format!("cannot signal process {}", input.pid.get());
        // From here on the descriptor means this very process, even if its id is used again.
        let target = pidfd_open(pid, PidfdFlags::empty()).map_err(|_| gone(input.pid.get()))?;
        let before = process::of(input.pid.get()).ok_or_else(|| gone(input.pid.get()))?;
        may_be_signalled(&before, input.pid.get())?;
        pidfd_send_signal(&target, signal).map_err(|error| ToolError::io(&doing, error))?;
        let ended = settle(input, &before, context)?;
        Ok(Output {
            pid: input.pid.get(),
            name: before.name,
            ended,
        })
    }

    fn verify(input: &Input, output: &Output, _context: &Context) -> Result<(), ToolError> {
        let pid = input.pid.get();
        let state = process::of(pid).map(|now| now.stat.state);
        let fault = match (input.signal.0.as_str(), state) {
            ("SIGKILL", _) if !output.ended => format!("process {pid} still runs"),
            ("SIGSTOP", Some(state)) if !matches!(state, 'T' | 't' | 'Z') => {
                format!("process {pid} is {}", process::state_name(state))
            }
            ("SIGCONT", Some('T')) => format!("process {pid} is still stopped"),
            _ => return Ok(()),
        };
        Err(ToolError::Unverified(fault))
    }

    fn found_done(
        input: &Input,
        interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Output>, ToolError> {
        let still_there = process::of(input.pid.get())
            .filter(|process| process.started().is_some_and(|at| at < interrupted.started));
        match (still_there, input.signal.0.as_str()) {
            (None, "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGQUIT") => Ok(Some(Output {
                pid: input.pid.get(),
                name: "it".into(),
                ended: true,
            })),
            (None, _) | (Some(_), "SIGHUP" | "SIGUSR1" | "SIGUSR2") => {
                Err(ToolError::Failed(format!(
                    "it is not known whether process {} got {}; it is not sent twice",
                    input.pid.get(),
                    input.signal.0
                )))
            }
            (Some(_), _) => Ok(None),
        }
    }
}

const SIGNALS: [(&str, Number); 9] = [
    ("TERM", Number::TERM),
    ("KILL", Number::KILL),
    ("HUP", Number::HUP),
    ("INT", Number::INT),
    ("QUIT", Number::QUIT),
    ("USR1", Number::USR1),
    ("USR2", Number::USR2),
    ("STOP", Number::STOP),
    ("CONT", Number::CONT),
];

fn number(name: &str) -> Option<Number> {
    SIGNALS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, number)| *number)
}

fn named(resolved: &str) -> Option<Number> {
    number(resolved.strip_prefix("SIG")?)
}

fn names() -> String {
    SIGNALS.map(|(name, _)| name).join(", ")
}

pub(super) fn raw(pid: u32) -> Option<kernel::Pid> {
    kernel::Pid::from_raw(i32::try_from(pid).ok()?)
}

pub(super) fn gone(pid: u32) -> ToolError {
    ToolError::Precondition(format!("there is no process {pid}"))
}

/// PID 1 is the machine, this process cannot report its own end, and what keeps the node manageable is
/// kept by PID 1 alone: one of aiOS's daemons that is stopped with SIGSTOP would be missed by nobody.
pub(super) fn check_target(pid: u32) -> Result<(), ToolError> {
    let refuse = |why: String| Err(ToolError::Precondition(why));
    match pid {
        1 => refuse("process 1 is the init of the machine; use shutdown or reboot".into()),
        _ if pid == std::process::id() => {
            refuse("that is aios-tools itself; use service.restart".into())
        }
        _ => Ok(()),
    }
}

/// Refuses one of aiOS's own processes.
pub(super) fn may_be_signalled(process: &process::Process, pid: u32) -> Result<(), ToolError> {
    if !is_of_aios(process.uid, &program(pid)) {
        return Ok(());
    }
    Err(ToolError::Precondition(format!(
        "process {pid} is {}, one of aiOS's own; restart its service instead",
        process.name
    )))
}

/// The program that the process says it runs; empty when it says none.
fn program(pid: u32) -> String {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = line.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(program).into_owned()
}

/// Is it one of aiOS's own processes: by its account, or, as root, by its program?
fn is_of_aios(uid: Option<u32>, program: &str) -> bool {
    match uid.map(Principal::from_uid) {
        Some(Principal::Daemon(_) | Principal::Agent(_)) => true,
        Some(Principal::Root) | None => program.starts_with(OWN_PROGRAMS),
        Some(Principal::Other(_)) => false,
    }
}

/// Waits for the signal's effect: did the process end?
fn settle(input: &Input, before: &process::Process, context: &Context) -> Result<bool, ToolError> {
    let limit = Instant::now() + SETTLE.min(context.remaining());
    loop {
        let now = process::of(input.pid.get())
            .filter(|now| now.stat.started == before.stat.started)
            .map(|now| now.stat.state);
        let ended = matches!(now, None | Some('Z' | 'X'));
        let settled = match input.signal.0.as_str() {
            "SIGSTOP" => now == Some('T'),
            "SIGCONT" => now != Some('T'),
            "SIGTERM" | "SIGKILL" | "SIGINT" | "SIGQUIT" => false,
            _ => true,
        };
        if ended || settled || Instant::now() + GLANCE >= limit {
            return Ok(ended);
        }
        procfs::pause(context, GLANCE)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::{self, call_change as call, context};
    use serde_json::json;
    use std::path::Path;
    use std::process::{Child, Command};
    use std::time::SystemTime;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_is_stopped_continued_and_ended() {
        let mut child = sleeper();
        let state = |pid| process::of(pid).unwrap().stat.state;
        let send = |signal| call::<Signal>(json!({"pid": child.id(), "signal": signal})).unwrap();
        assert_eq!(
            send("stop").summary,
            format!("sleep (pid {}) is stopped", child.id())
        );
        assert_eq!(state(child.id()), 'T');
        assert_eq!(
            send("SIGCONT").summary,
            format!("sleep (pid {}) goes on", child.id())
        );
        assert_ne!(state(child.id()), 'T');
        let done = send("term");
        assert_eq!(done.output["ended"], true);
        assert_eq!(
            done.summary,
            format!("sleep (pid {}) got SIGTERM and has ended", child.id())
        );
        assert!(!child.wait().unwrap().success());
    }

    #[test]
    fn init_this_daemon_absent_processes_and_unknown_signals_are_refused() {
        let check = |pid: u32, signal: &str, expected: &str| {
            let error = call::<Signal>(json!({"pid": pid, "signal": signal})).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
        };
        check(1, "KILL", "init of the machine");
        check(std::process::id(), "TERM", "aios-tools itself");
        check(4_194_304, "TERM", "there is no process 4194304");
        check(2, "9; reboot", "is not one of TERM");
        check(0, "TERM", "pid: must be at least 1");
    }

    #[test]
    fn no_process_of_aios_gets_a_signal() {
        let check = |uid, program: &str, expected| {
            assert_eq!(is_of_aios(Some(uid), program), expected, "{uid} {program}");
        };
        for identity in aios_daemon::identity::identities() {
            check(identity.uid, "whatever", true);
        }
        check(0, "/usr/lib/aios/aios-network", true);
        check(0, "/usr/lib/aios/aios-init", true);
        check(0, "/usr/sbin/cron", false);
        check(33, "/usr/lib/aios/aios-network", false);
        assert!(is_of_aios(None, "/usr/lib/aios/aios-config"));
    }

    #[test]
    fn after_a_crash_only_a_signal_that_ends_counts_as_sent_when_its_process_is_gone() {
        let mut child = sleeper();
        let pid = child.id();
        let context = context(Path::new("/nonexistent"));
        let input =
            |signal: &str| trial::input::<Signal>(json!({"pid": pid, "signal": signal}), &context);
        let at = |started| Interrupted {
            started,
            execution: "x",
            steps: &[],
        };
        let later = at(SystemTime::now() + Duration::from_secs(60));
        let earlier = at(SystemTime::now() - Duration::from_secs(3600));
        let found = |signal, at: &Interrupted<'_>| Signal::found_done(&input(signal), at, &context);
        assert!(
            found("SIGTERM", &later).unwrap().is_none(),
            "it runs: send again"
        );
        assert!(found("SIGHUP", &later).is_err(), "twice would be wrong");
        assert!(
            found("SIGTERM", &earlier).unwrap().is_some(),
            "another process has the id"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found("SIGKILL", &later).unwrap().is_some());
        for signal in ["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGSTOP", "SIGCONT"] {
            assert!(
                found(signal, &later).is_err(),
                "{signal} may not be what ended it"
            );
        }
    }
}
