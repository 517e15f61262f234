//! The role `unit-run NAME`: runs one unit's service, as its process in PID 1's eyes.
//!
//! 1. It is the subreaper of all that the service starts, so a daemon that puts
//!    itself in the background is still its descendant, and its end is seen.
//! 2. It says READY when the unit's type says so, and ends as the service ended,
//!    so that PID 1's rules of restarting hold for both.
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

use super::unit::{Command, Kind, Unit};
use ends::End;
use events::Events;

/// How often a PID file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Why the service is not running any more.
enum Over {
    /// PID 1 wants it stopped.
    Asked,
    /// Its main process ended.
    Main(End),
    /// It could not be started, and why.
    Failed(String),
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
}

enum Never {}

impl Service {
    /// From the start to whatever ends it.
    fn live(&mut self) -> Result<Never, Over> {
        if let Some(unmet) = self
            .unit
            .conditions
            .iter()
            .find(|condition| !condition.holds())
        {
            return Err(Over::Failed(format!("{} does not hold", unmet.text)));
        }
        child::make_folders(&self.unit).map_err(Over::Failed)?;
        self.run_each(&self.unit.start_pre.clone(), "ExecStartPre")?;
        self.start_main()?;
        self.run_each(&self.unit.start_post.clone(), "ExecStartPost")?;
        if self.unit.kind == Kind::Oneshot && !self.unit.remains {
            return Err(Over::Done);
        }
        self.tell_ready();
        loop {
            self.events.wait(self.events.next_watch());
            self.check()?;
            if self.events.take_reload() {
                let commands = self.unit.reload.clone();
                if let Err(Over::Failed(why)) = self.run_each(&commands, "ExecReload") {
                    say(3, &why);
                }
            }
        }
    }

    /// Runs commands one after the other.
    fn run_each(&mut self, commands: &[Command], what: &str) -> Result<(), Over> {
        for command in commands {
            let pid = self.spawn(command, false).map_err(Over::Failed)?;
            let end = self.await_end(pid)?;
            if !end.is_success() && !command.may_fail {
                let program = command.words.join(" ");
                return Err(Over::Failed(format!("{what}: {program}: {end}")));
            }
        }
        Ok(())
    }

    fn spawn(&mut self, command: &Command, is_main: bool) -> Result<i32, String> {
        let pid = child::spawn(
            &self.unit,
            command,
            self.main,
            is_main,
            self.events.notify_path(),
        )?;
        self.events.ends().expect(pid);
        Ok(pid)
    }

    /// Waits for the end of a command; what happens to the service meanwhile counts too.
    fn await_end(&mut self, pid: i32) -> Result<End, Over> {
        loop {
            if let Some(end) = self.events.ends().take(pid) {
                return Ok(end);
            }
            self.check()?;
            self.events.wait(self.events.next_watch());
        }
    }

    /// Does the service go on?
    fn check(&mut self) -> Result<(), Over> {
        if self.events.is_stop_wanted() {
            return Err(Over::Asked);
        }
        if self.events.watchdog_has_bitten() {
            return Err(Over::Failed(
                "was silent for longer than WatchdogSec=".to_owned(),
            ));
        }
        let Some(main) = self.main else {
            return Ok(());
        };
        match self.events.ends().of(main) {
            Some(end) => Err(Over::Main(end)),
            None if processes::is_there(main) => Ok(()),
            // It ended just now; or its parent is another one, who knows how.
            None => {
                self.events.reap();
                Err(Over::Main(
                    self.events.ends().of(main).unwrap_or(End::Status(0)),
                ))
            }
        }
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
                let main = self.spawn(&command, true).map_err(Over::Failed)?;
                self.have(main);
                self.events.expect(main, self.unit.all_may_notify);
            }
        }
        while self.unit.kind == Kind::Notify && !self.events.is_ready() {
            self.events.wait(self.events.next_watch());
            self.check()?;
        }
        Ok(())
    }

    /// The process that a forking service left behind, by its PID file or alone in being there.
    fn find_main(&mut self) -> Result<i32, Over> {
        loop {
            let mine = processes::descendants();
            let found = match &self.unit.pid_file {
                Some(path) => processes::read_pid_file(path).filter(|pid| mine.contains(pid)),
                None => mine.first().copied(),
            };
            if let Some(pid) = found {
                return Ok(pid);
            }
            if mine.is_empty() {
                return Err(Over::Failed("ExecStart left no process behind".to_owned()));
            }
            self.events.wait(Some(Instant::now() + LOOK_EVERY));
            self.check()?;
        }
    }

    fn have(&mut self, main: i32) {
        self.main = Some(main);
        processes::remember(&self.unit.name.full, main);
    }

    fn tell_ready(&self) {
        let mut states = vec![NotifyState::Ready];
        if let Some(main) = self.main.and_then(|main| u32::try_from(main).ok()) {
            states.push(NotifyState::MainPid(main));
        }
        // Err: nobody waits for it (started by hand).
        let _ = sd_notify::notify(false, &states);
    }

    /// Ends what is left, and says how it ended.
    fn end(mut self, over: Over) -> ExitCode {
        let code = match &over {
            Over::Asked | Over::Done => 0,
            Over::Main(end) => {
                say(
                    if end.is_clean() { 6 } else { 3 },
                    &format!("main process {end}"),
                );
                end.code()
            }
            Over::Failed(why) => {
                say(3, why);
                1
            }
        };
        let was_up = self.main.is_some() || self.unit.remains;
        self.wind_up(was_up && matches!(over, Over::Asked));
        processes::forget(&self.unit.name.full);
        child::remove_passing_folders(&self.unit);
        ExitCode::from(code)
    }
}

fn fail(why: &str) -> ExitCode {
    say(3, why);
    ExitCode::FAILURE
}

/// To the service's log, which this process shares.
fn say(severity: u8, text: &str) {
    // Err: nobody listens.
    let _ = rustix::io::write(
        std::io::stderr(),
        format!("<{severity}>{text}\n").as_bytes(),
    );
}
