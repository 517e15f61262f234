//! The operator's command line, driven as a script would: `aiosctl --json`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// `aiosctl` with one machine's credentials.
#[derive(Clone, Debug)]
pub struct Ctl {
    program: PathBuf,
    config: PathBuf,
}

impl Ctl {
    /// `program` with the configuration file `config`.
    pub fn new(program: &Path, config: &Path) -> Self {
        Self {
            program: program.to_owned(),
            config: config.to_owned(),
        }
    }

    /// The command without its arguments, for a person to type.
    pub fn shown(&self) -> String {
        format!(
            "{} --config {}",
            self.program.display(),
            self.config.display()
        )
    }

    /// The program and its configuration file, for one that is not waited for.
    pub fn parts(&self) -> (&Path, &Path) {
        (&self.program, &self.config)
    }

    /// Runs it and gives back what it printed, whatever its exit code.
    ///
    /// # Errors
    /// When it cannot be run at all.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        Command::new(&self.program)
            .arg("--config")
            .arg(&self.config)
            .arg("--json")
            .args(arguments)
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// Runs it and gives back the last JSON document that it printed.
    ///
    /// # Errors
    /// When it fails, with what it said; or when it printed no JSON.
    pub fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.output(arguments)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "aiosctl {}: {said}",
            arguments.join(" ")
        );
        last_document(&output.stdout)
            .with_context(|| format!("aiosctl {} printed no JSON", arguments.join(" ")))
    }

    /// Gives a goal and waits for its end. A goal that fails is an answer too.
    ///
    /// # Errors
    /// When no goal came back: the appliance is away, or refuses.
    pub fn goal(&self, text: &str) -> Result<Value> {
        self.ended(&["goal", "run", text])
    }

    /// Has one tool called and waits for the end of the goal that this is.
    ///
    /// # Errors
    /// As [`Ctl::goal`].
    pub fn goal_of_call(&self, tool: &str, arguments: &str) -> Result<Value> {
        self.ended(&["tools", "call", tool, arguments])
    }

    fn ended(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.output(arguments)?;
        last_document(&output.stdout).with_context(|| {
            let said = String::from_utf8_lossy(&output.stderr);
            format!("no answer to {}: {said}", arguments.join(" "))
        })
    }
}

/// One document, or the last of one per line.
fn last_document(stdout: &[u8]) -> Option<Value> {
    serde_json::from_slice(stdout).ok().or_else(|| {
        let text = std::str::from_utf8(stdout).ok()?;
        serde_json::from_str(text.lines().rfind(|line| !line.trim().is_empty())?).ok()
    })
}
