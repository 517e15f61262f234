//! The appliance that goals are given to: booted, looked after, replaced when a goal left it unwell.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use aios_qemu::{Artefacts, Ctl, Machine, Options, Way, credentials, former};
use anyhow::{Context, Result};
use serde_json::Value;

use super::live::Running;
use super::outcome::Outcome;
use crate::run;

/// A container is ready in seconds; longer than this is a hang.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// How long a goal may take. Then it is cancelled, and has failed.
const GOAL_LIMIT: Duration = Duration::from_secs(120);

/// How long a goal may wait for a person until it counts as waiting. The state can pass by within a plan.
const WAITING_LIMIT: Duration = Duration::from_secs(2);

/// How often a running goal is looked at: at first, and after a while.
const LOOKS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(400)];

/// How long a service that a goal restarted may take to be ready again.
const WELL_AGAIN: Duration = Duration::from_secs(10);

/// One appliance at a time.
pub struct Stage {
    artefacts: Artefacts,
    folder: PathBuf,
    machine: Option<Machine>,
    reading: Vec<String>,
    /// So many services were ready at first.
    services_ready: u64,
}

impl Stage {
    /// An appliance of these artefacts, with its state in `folder`; not booted yet.
    pub fn new(artefacts: Artefacts, folder: PathBuf) -> Self {
        Self {
            artefacts,
            folder,
            machine: None,
            reading: Vec::new(),
            services_ready: 0,
        }
    }

    /// Boots one if there is none.
    ///
    /// # Errors
    /// When it does not get ready.
    pub fn ready(&mut self) -> Result<()> {
        if self.machine.is_some() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)?;
        run::forget_data(&self.folder)?;
        let options = Options::new(Way::Container, &self.folder)?;
        let mut machine = Machine::start(&self.artefacts, &options)?;
        let boot = machine.wait_ready(READY_LIMIT, |_| {})?;
        eprintln!(
            "a new machine: ready after {} ms {}",
            boot.ready_ms, boot.degraded
        );
        let tools = machine.ctl().run(&["tools", "list"])?;
        self.reading = reading(&tools);
        let status = machine.ctl().run(&["status"])?;
        self.services_ready = status["services_ready"].as_u64().unwrap_or_default();
        self.machine = Some(machine);
        Ok(())
    }

    fn machine(&self) -> Result<&Machine> {
        self.machine.as_ref().context("no machine is booted")
    }

    pub fn pid(&self) -> Result<u32> {
        Ok(self.machine()?.pid())
    }

    pub fn running(&self) -> Result<Running<'_>> {
        let machine = self.machine()?;
        Ok(Running {
            pid: machine.pid(),
            ctl: machine.ctl(),
        })
    }

    /// Names of the tools that change nothing.
    pub fn reading(&self) -> &[String] {
        &self.reading
    }

    /// The next goal gets a machine of its own.
    pub fn spend(&mut self) {
        self.machine = None; // which pulls the plug
    }

    /// Gives the machine up when a service of its is down, agents are stopped, or it does not answer.
    pub fn check_health(&mut self) {
        let end = Instant::now() + WELL_AGAIN;
        while let Some(machine) = &self.machine {
            let status = machine.ctl().run(&["status"]);
            let status = status.unwrap_or_default();
            if is_well(&status, self.services_ready) {
                return;
            }
            if Instant::now() > end {
                eprintln!("the goal left the machine unwell");
                self.spend();
                return;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Leaves the machine running, and says how to go on with it.
    ///
    /// # Errors
    /// When its port cannot be kept open.
    pub fn leave(&mut self) -> Result<()> {
        let Some(machine) = self.machine.take() else {
            eprintln!("no machine is left: the last goal used it up");
            return Ok(());
        };
        let command = machine.ctl().shown();
        let pid = machine.leave_running()?;
        eprintln!("the machine runs on (process {pid}): {command} status");
        Ok(())
    }
}

/// Stops what an earlier run of what was built into `built` left running in `folder`.
///
/// # Errors
/// When it cannot be stopped.
pub fn stop_former(built: &Path, folder: &Path) -> Result<()> {
    match Artefacts::read(built) {
        Ok(built) => {
            let ctl = Ctl::new(&built.aiosctl, &credentials::config(folder));
            former::stop(folder, &ctl)
        }
        Err(_) => Ok(()), // nothing was built, so nothing runs
    }
}

/// Gives a goal and waits for its end, or for a person.
pub fn give(ctl: &Ctl, text: &str) -> Outcome {
    match follow(ctl, text) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::refused(format!("{error:#}")),
    }
}

fn follow(ctl: &Ctl, text: &str) -> Result<Outcome> {
    let output = ctl.output(&["goal", "run", "--no-wait", "--", text])?;
    let Ok(goal) = serde_json::from_slice::<Value>(&output.stdout) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Ok(Outcome::refused(said.trim().to_owned()));
    };
    let id = goal["id"]
        .as_str()
        .context("the goal has no id")?
        .to_owned();
    let start = Instant::now();
    let mut waits_since = None;
    loop {
        thread::sleep(if start.elapsed() < Duration::from_secs(2) {
            LOOKS[0]
        } else {
            LOOKS[1]
        });
        let goal = ctl.run(&["goal", "show", &id])?;
        match goal["state"].as_str() {
            Some("succeeded" | "failed" | "cancelled") => return Ok(Outcome::of(&goal)),
            Some("waiting") => {
                let since = *waits_since.get_or_insert_with(Instant::now);
                if since.elapsed() > WAITING_LIMIT {
                    return Ok(Outcome::of(&goal));
                }
            }
            _ => waits_since = None,
        }
        if start.elapsed() > GOAL_LIMIT {
            let mut outcome = Outcome::of(&goal);
            outcome.state = "timeout".to_owned();
            outcome.took = start.elapsed();
            return Ok(outcome);
        }
    }
}

/// Cancels goals that have not ended: one that waits must not go on under the next goal.
pub fn forget(ctl: &Ctl) {
    for state in ["waiting", "running", "pending"] {
        let goals = ctl
            .run(&["goal", "list", "--state", state])
            .unwrap_or_default();
        for goal in goals["goals"].as_array().into_iter().flatten() {
            if let Some(id) = goal["id"].as_str() {
                // It may have ended by itself.
                drop(ctl.output(&["goal", "cancel", id]));
            }
        }
    }
}

fn reading(tools: &Value) -> Vec<String> {
    let tools = tools["tools"].as_array().into_iter().flatten();
    tools
        .filter(|tool| tool["mutating"] == false)
        .filter_map(|tool| Some(tool["name"].as_str()?.to_owned()))
        .collect()
}

fn is_well(status: &Value, services_ready: u64) -> bool {
    let ready = status["services_ready"].as_u64().unwrap_or_default();
    ready >= services_ready && status["emergency"]["stopped"] != true && status.is_object()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_machine_is_well_when_as_much_of_it_is_ready_as_at_first() {
        let status = |ready: u64, stopped: bool| json!({ "services_ready": ready, "emergency": { "stopped": stopped } });
        assert!(is_well(&status(12, false), 12));
        assert!(is_well(&status(13, false), 12));
        assert!(!is_well(&status(11, false), 12));
        assert!(!is_well(&status(12, true), 12));
        assert!(!is_well(&Value::Null, 0));
    }

    #[test]
    fn reading_is_every_tool_that_changes_nothing() {
        let tools = json!({ "tools": [
            { "name": "fs.read", "mutating": false }, { "name": "fs.write", "mutating": true },
        ]});
        assert_eq!(reading(&tools), ["fs.read"]);
    }

    /// `aiosctl` as a script that answers `goal run` and the first, second … `goal show` with these lines.
    fn ctl(folder: &Path, run: &str, shows: &[&str]) -> Ctl {
        let script = folder.join("ctl");
        let mut text = "#!/bin/sh\ncase \"$*\" in\n".to_owned();
        text += &format!("*\"goal run --no-wait -- \"*) {run};;\n*\"goal show g1\"*)\n");
        text += &format!(
            "n=$(cat {0}/n 2>/dev/null || echo 0); echo $((n + 1)) > {0}/n\n",
            folder.display()
        );
        text += "case $n in\n";
        for (number, show) in shows.iter().enumerate() {
            text += &format!("{number}) echo '{show}';;\n");
        }
        let last = shows.last().unwrap_or(&"");
        text += &format!("*) echo '{last}';;\nesac;;\nesac\n");
        std::fs::write(&script, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        Ctl::new(&script, Path::new("/dev/null"))
    }

    #[test]
    fn a_goal_is_followed_to_its_end_or_until_it_waits() {
        let check = |run: &str, shows: &[&str], state: &str, answer: &str| {
            let folder = tempfile::tempdir().unwrap();
            let outcome = give(&ctl(folder.path(), run, shows), "-x");
            assert_eq!(
                (outcome.state.as_str(), outcome.answer.as_str()),
                (state, answer)
            );
        };
        let taken = r#"echo '{"id":"g1"}'"#;
        let running = r#"{"state":"running"}"#;
        let done = r#"{"state":"succeeded","answer":"yes"}"#;
        let waiting = r#"{"state":"waiting","question":"which?"}"#;
        check(taken, &[running, done], "succeeded", "yes");
        check(taken, &[waiting, running, done], "succeeded", "yes");
        check(taken, &[waiting], "waiting", "which?");
        check("echo too long >&2; exit 1", &[], "refused", "too long");
    }
}
