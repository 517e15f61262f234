//! The role `unit-run NAME`: runs one unit's service, as its process in PID 1's eyes.
//!
//! 1. It is the subreaper of all that the service starts, so a daemon that puts
//!    itself in the background is still its descendant, and its end is seen.
//! 2. It says READY when the unit's type says so, and ends as the service ended.
//!    Whether the service is started again is decided here, by the unit's rule and
//!    by why it ended; PID 1 is told when it is not to be.
//! 3. SIGTERM stops the service as the unit says; SIGHUP reloads it.
//! 4. It has one thread and may wait: nobody else waits for it, and PID 1 has a
//!    deadline for it.

mod child;
mod ends;
mod events;
mod processes;
mod stop;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use super::unit::{Command, Kind, Unit, unmet};
use ends::{Cause, End};
use events::Events;

/// How often a PID file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why the service is not running any more.
enum Over {
    /// PID 1 wants it stopped.
    Asked,
    /// Its main process ended.
    Main(End),
    /// It could not be started or failed, and why.
    Failed(Cause, String),
    /// It has done what it had to do.
    Done,
}

/// Runs the unit of this name.
pub fn run(name: Option<&String>) -> ExitCode {
    let unit = match super::find(name.map_or("", String::as_str)) {
        Ok(unit) => unit,
        Err(why) => return fail(&why.to_string()),
    };
    let events = match Events::new(&unit) {
        Ok(events) => events,
        Err(error) => return fail(&format!("cannot listen to the service: {error}")),
    };
    for warning in &unit.warnings {
        say(4, warning);
    }
    if !unit.ignored.is_empty() {
        say(
            4,
            &format!(
                "not supported here, without effect: {}",
                unit.ignored.join(", ")
            ),
        );
    }
    processes::end_former(&unit.name.full);
    let mut service = Service {
        unit,
        events,
        main: None,
        is_up: false,
    };
    let over = service
        .live()
        .map_or_else(|over| over, |never| match never {});
    service.end(over)
}

/// A service that is being run.
struct Service {
    unit: Unit,
    events: Events,
    main: Option<i32>,
    /// Its start is complete.
    is_up: bool,
}

enum Never {}

impl Service {
    /// From the start to whatever ends it.
    fn live(&mut self) -> Result<Never, Over> {
        if let Some(unmet) = unmet(&self.unit.conditions) {
            let why = format!("{unmet} does not hold");
            return Err(Over::Failed(Cause::Condition, why));
        }
        child::make_folders(&self.unit).map_err(not_possible)?;
        self.run_each(&self.unit.start_pre.clone(), "ExecStartPre")?;
        self.start_main()?;
        self.run_each(&self.unit.start_post.clone(), "ExecStartPost")?;
        self.is_up = true;
        if self.unit.kind == Kind::Oneshot && !self.unit.remains {
            return Err(Over::Done);
        }
        self.tell_ready();
        loop {
            self.events.wait(self.events.next_watch());
            self.check()?;
            if self.events.take_reload() {
                let commands = self.unit.reload.clone();
                if let Err(Over::Failed(_, why)) = self.run_each(&commands, "ExecReload") {
                    say(3, &why);
                }
            }
        }
    }

    /// Runs commands one after the other.
    fn run_each(&mut self, commands: &[Command], what: &str) -> Result<(), Over> {
        for command in commands {
            let pid = self.spawn(command, false).map_err(not_possible)?;
            let what = format!("{what}: {}", command.words.join(" "));
            let end = self.await_end(pid, &format!("{what}: has not ended"))?;
            if !end.is_success() && !command.may_fail {
                return Err(Over::Failed(Cause::End(end), format!("{what}: {end}")));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, command: &Command, is_main: bool) -> Result<i32, String> {
        let pid = child::spawn(
            &self.unit,
            command,
            self.main.filter(|main| processes::is_there(*main)),
            is_main,
            self.events.notify_path(),
        )?;
        self.events.ends().expect(pid);
        Ok(pid)
    }

    /// Waits for the end of a command; what happens to the service meanwhile counts too.
    /// One that takes too long is killed; `late` says what it has not done.
    fn await_end(&mut self, pid: i32, late: &str) -> Result<End, Over> {
        self.begin_step();
        let end = loop {
            if let Some(end) = self.events.ends().take(pid) {
                break Ok(end);
            }
            if let Err(over) = self.check().and_then(|()| self.check_time(late)) {
                processes::signal(&[pid], nix::sys::signal::Signal::SIGKILL);
                break Err(over);
            }
            self.events.wait(self.events.next_watch());
        };
        self.events.begin_step(None);
        end
    }

    /// From now on `TimeoutStartSec=` runs, which holds for each step of a start.
    fn begin_step(&mut self) {
        let limit = self.unit.start_timeout.map(Duration::from_millis);
        self.events.begin_step(limit);
    }

    /// Has the step that is under way still time?
    fn check_time(&self, late: &str) -> Result<(), Over> {
        if !self.events.is_overdue() {
            return Ok(());
        }
        let limit = self.unit.start_timeout.map(Duration::from_millis);
        let why = format!(
            "{late} within TimeoutStartSec={:?}",
            limit.unwrap_or_default()
        );
        Err(Over::Failed(Cause::Timeout, why))
    }

    /// Does the service go on?
    fn check(&mut self) -> Result<(), Over> {
        if self.events.is_stop_wanted() {
            return Err(Over::Asked);
        }
        if self.events.watchdog_has_bitten() {
            let why = "was silent for longer than WatchdogSec=";
            return Err(Over::Failed(Cause::Watchdog, why.to_owned()));
        }
        let Some(main) = self.main else {
            return Ok(());
        };
        let end = match self.events.ends().of(main) {
            Some(end) => end,
            None if processes::is_there(main) => return Ok(()),
            // It ended just now; or its parent is another one, who knows how.
            None => {
                self.events.reap();
                self.events.ends().of(main).unwrap_or(End::Status(0))
            }
        };
        let promised_more = self.unit.kind == Kind::Notify && !self.events.is_ready();
        if !self.unit.remains || promised_more || !end.is_clean(&self.unit.success) {
            return Err(Over::Main(end));
        }
        // RemainAfterExit=yes: what it did is there until somebody stops it.
        say(
            6,
            &format!("main process {end}; active until it is stopped"),
        );
        self.main = None;
        processes::forget(&self.unit.name.full);
        if self.is_up {
            self.tell_ready(); // the process that is shown is this one
        }
        Ok(())
    }

    fn start_main(&mut self) -> Result<(), Over> {
        match self.unit.kind {
            Kind::Oneshot => return self.run_each(&self.unit.start.clone(), "ExecStart"),
            Kind::Forking => {
                self.run_each(&self.unit.start.clone(), "ExecStart")?;
                let main = self.find_main()?;
                self.events.ends().expect(main);
                self.have(main);
            }
            Kind::Exec | Kind::Notify => {
                let command = self.unit.start.first().cloned().unwrap_or_default();
                let main = self.spawn(&command, true).map_err(not_possible)?;
                self.have(main);
                self.events.expect(main, self.unit.all_may_notify);
            }
        }
        if self.unit.kind == Kind::Notify {
            self.await_ready()?;
        }
        Ok(())
    }

    /// Until the service says that it is ready.
    fn await_ready(&mut self) -> Result<(), Over> {
        self.begin_step();
        while !self.events.is_ready() {
            self.events.wait(self.events.next_watch());
            self.check().map_err(|over| match over {
                Over::Main(end) if end.is_clean(&self.unit.success) => Over::Failed(
                    Cause::Protocol,
                    format!("main process {end} before it said READY=1 (Type=notify)"),
                ),
                over => over,
            })?;
            self.check_time("has not said READY=1 (Type=notify)")?;
        }
        self.events.begin_step(None);
        Ok(())
    }

    /// The process that a forking service left behind, by its PID file or alone in being there.
    fn find_main(&mut self) -> Result<i32, Over> {
        let late = match &self.unit.pid_file {
            Some(path) => format!("PIDFile={} names no process of the service", path.display()),
            None => "ExecStart left no process behind".to_owned(),
        };
        self.begin_step();
        loop {
            let mine = processes::descendants();
            let found = match &self.unit.pid_file {
                Some(path) => processes::read_pid_file(path).filter(|pid| mine.contains(pid)),
                None => mine.first().copied(),
            };
            if let Some(pid) = found {
                self.events.begin_step(None);
                return Ok(pid);
            }
            if mine.is_empty() {
                let why = "ExecStart left no process behind".to_owned();
                return Err(Over::Failed(Cause::Protocol, why));
            }
            self.events.wait(Some(Instant::now() + LOOK_EVERY));
            self.check()?;
            self.check_time(&late)?;
        }
    }

    fn have(&mut self, main: i32) {
        self.main = Some(main);
        processes::remember(&self.unit.name.full, main);
    }

    fn tell_ready(&self) {
        let main = self.main.and_then(|main| u32::try_from(main).ok());
        let main = NotifyState::MainPid(main.unwrap_or_else(std::process::id));
        // Err: nobody waits for it (started by hand).
        let _ = sd_notify::notify(false, &[NotifyState::Ready, main]);
    }

    /// Ends what is left, and says how it ended.
    fn end(mut self, over: Over) -> ExitCode {
        let (code, cause) = match &over {
            Over::Asked => (0, None),
            Over::Done => (0, Some(Cause::End(End::Status(0)))),
            Over::Main(end) => {
                let code = end.code(&self.unit.success);
                say(
                    if code == 0 { 6 } else { 3 },
                    &format!("main process {end}"),
                );
                (code, Some(Cause::End(*end)))
            }
            Over::Failed(cause, why) => {
                say(3, why);
                tell(&format!("AIOS_FAILURE={why}"));
                (1, Some(*cause))
            }
        };
        if cause.is_some_and(|cause| !ends::comes_back(&self.unit, cause)) {
            tell("AIOS_RESTART=no");
        }
        // Its own commands do not stop what never started, or what does not answer any more.
        self.wind_up(self.is_up && !matches!(over, Over::Failed(..)));
        processes::forget(&self.unit.name.full);
        child::remove_passing_folders(&self.unit);
        ExitCode::from(code)
    }
}

/// Something that the service needs cannot be had.
fn not_possible(why: String) -> Over {
    Over::Failed(Cause::Protocol, why)
}

/// To PID 1, in a word of aiOS's own.
fn tell(word: &str) {
    // Err: nobody waits for it (started by hand).
    let _ = sd_notify::notify(false, &[NotifyState::Custom(word)]);
}

fn fail(why: &str) -> ExitCode {
    say(3, why);
    tell(&format!("AIOS_FAILURE={why}"));
    ExitCode::FAILURE
}

/// To the service's log, which this process shares: the service's last line may
/// have no end.
fn say(severity: u8, text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(
        std::io::stderr(),
        format!("\n<{severity}>{text}\n").as_bytes(),
    );
}
