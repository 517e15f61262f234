//! Stopping a unit's service: its own commands, then signals, then force.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Service, processes, say};
use crate::KillMode;
use crate::unit::Command;

/// For a unit that sets no limit. PID 1 has one of its own.
const PATIENCE: Duration = Duration::from_secs(90);
/// What SIGKILL does not end within this is stuck in the kernel.
const KILL_GRACE: Duration = Duration::from_secs(2);

impl Service {
    /// Ends all that is left. `orderly`: by the unit's own commands first.
    pub(super) fn wind_up(&mut self, orderly: bool) {
        let limit = self.unit.stop_timeout.map(Duration::from_millis);
        let patience = limit.unwrap_or(PATIENCE);
        if orderly {
            for command in self.unit.stop.clone() {
                self.run_within(&command, patience);
            }
        }
        self.send_away(patience);
        for command in self.unit.stop_post.clone() {
            self.run_within(&command, patience);
        }
    }

    fn run_within(&mut self, command: &Command, patience: Duration) {
        let end = Instant::now() + patience;
        let pid = match self.spawn(command, false) {
            Ok(pid) => pid,
            Err(why) => return say(3, &why),
        };
        let how = loop {
            if let Some(how) = self.events.ends().take(pid) {
                break how;
            }
            if Instant::now() >= end {
                processes::signal(&[pid], Signal::SIGKILL);
                return say(3, &format!("{} took too long", command.words.join(" ")));
            }
            self.events.wait(Some(end));
        };
        if !how.is_success() && !command.may_fail {
            say(4, &format!("{}: {how}", command.words.join(" ")));
        }
    }

    fn send_away(&mut self, patience: Duration) {
        let mode = self.unit.kill_mode;
        let main: Vec<i32> = self
            .main
            .into_iter()
            .filter(|pid| processes::is_there(*pid))
            .collect();
        let asked = match mode {
            KillMode::None => return,
            KillMode::ControlGroup => processes::descendants(),
            KillMode::Mixed | KillMode::Process => main,
        };
        processes::signal(&asked, self.unit.kill_signal);
        // What was stopped cannot hear it.
        processes::signal(&asked, Signal::SIGCONT);
        self.until_gone(&asked, Instant::now() + patience);
        let rest = match mode {
            KillMode::Process => asked,
            _ => processes::descendants(),
        };
        processes::signal(&rest, Signal::SIGKILL);
        self.until_gone(&rest, Instant::now() + KILL_GRACE);
    }

    fn until_gone(&mut self, pids: &[i32], end: Instant) {
        while pids.iter().any(|pid| processes::is_there(*pid)) && Instant::now() < end {
            self.events
                .wait(Some(end.min(Instant::now() + super::LOOK_EVERY)));
        }
    }
}
