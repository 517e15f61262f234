//! Runs programs of the host: output goes to a log, progress to the terminal,
//! and the log's end is shown only when a program fails.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::paths;

/// How often progress is shown: on a terminal, and in a log (seconds there, so
/// that an hour of CI is not a thousand lines).
const TERMINAL_INTERVAL: Duration = Duration::from_millis(200);
const LOG_INTERVAL: Duration = Duration::from_secs(20);

/// Commands that end sooner than this are not worth a line.
const WORTH_A_LINE: Duration = Duration::from_secs(1);

/// Lines of a failed program's output that are shown.
const SHOWN_LINES: usize = 25;

/// Installs `cargo-NAME` for this machine, unless it is there; `what` it does, for whoever waits.
///
/// # Errors
/// When it cannot be had or does not compile.
pub fn ensure_cargo_tool(name: &str, what: &str) -> Result<()> {
    let there = Command::new("cargo").args([name, "--version"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let package = format!("cargo-{name}");
    // In a folder without our .cargo/config.toml: it is not for the appliance's static target.
    run(
        &format!("installing {package}, which {what}"),
        Command::new("cargo")
            .args(["install", "--locked", &package])
            .current_dir("/"),
    )
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot start or fails; the message holds the end of its output.
pub fn run(what: &str, command: &mut Command) -> Result<()> {
    run_counted(what, command, 0)
}

/// Runs a long command; `expected_lines` of output are 100 % (0: not known).
///
/// # Errors
/// As [`run`].
pub fn run_counted(what: &str, command: &mut Command, expected_lines: usize) -> Result<()> {
    let (path, mut log) = log_file(what)?;
    let (reader, writer) = std::io::pipe()?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    // The command keeps the pipe's writing end: the reader would never see its end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut progress = Progress::new(what, expected_lines);
    let (sender, receiver) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(reader)
            .split(b'\n')
            .map_while(|line| line.ok())
        {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        match receiver.recv_timeout(TERMINAL_INTERVAL) {
            Ok(line) => {
                log.write_all(&line)?;
                log.write_all(b"\n")?;
                progress.line();
            }
            Err(RecvTimeoutError::Timeout) => progress.tick(),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    drop(reading.join());
    let status = child.wait()?;
    progress.end();
    if !status.success() {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(SHOWN_LINES)..];
        bail!(
            "{what}: {status}; all output is in {}\n{}",
            path.display(),
            tail.join("\n")
        );
    }
    Ok(())
}

/// Runs a command and returns what it printed, without the end of line.
///
/// # Errors
/// When it cannot start or fails; the message holds what it complained of.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    ensure!(
        output.status.success(),
        "{}: {}: {}",
        shown(command),
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

fn shown(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn log_file(what: &str) -> Result<(PathBuf, File)> {
    let folder = paths::artefacts().join("logs");
    std::fs::create_dir_all(&folder)?;
    let name: String = what
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let path = folder.join(format!("{name}.log"));
    let file = File::create(&path).with_context(|| path.display().to_string())?;
    Ok((path, file))
}

/// One line that grows on a terminal, or a line now and then in a log.
struct Progress<'a> {
    what: &'a str,
    expected: usize,
    lines: usize,
    start: Instant,
    shown: Instant,
    terminal: bool,
}

impl<'a> Progress<'a> {
    fn new(what: &'a str, expected: usize) -> Self {
        let now = Instant::now();
        let terminal = std::io::stderr().is_terminal();
        Self {
            what,
            expected,
            lines: 0,
            start: now,
            shown: now,
            terminal,
        }
    }

    fn line(&mut self) {
        self.lines += 1;
        self.tick();
    }

    fn tick(&mut self) {
        let interval = if self.terminal {
            TERMINAL_INTERVAL
        } else {
            LOG_INTERVAL
        };
        if self.shown.elapsed() < interval {
            return;
        }
        self.shown = Instant::now();
        let seconds = self.start.elapsed().as_secs();
        let part = part(self.lines, self.expected);
        if self.terminal {
            eprint!("\r\x1b[K{} … {part}{seconds} s", self.what);
        } else {
            eprintln!("{} … {part}{seconds} s", self.what);
        }
    }

    fn end(&self) {
        if self.terminal {
            eprint!("\r\x1b[K");
        }
        if self.start.elapsed() >= WORTH_A_LINE {
            eprintln!("{}: {:.1} s", self.what, self.start.elapsed().as_secs_f32());
        }
    }
}

/// `"42 %, "`; an estimate never says 100 % before the end.
fn part(lines: usize, expected: usize) -> String {
    match (lines * 100).checked_div(expected) {
        Some(percent) => format!("{} %, ", percent.min(99)),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{output, part, run};
    use std::process::Command;

    #[test]
    fn a_failure_shows_what_the_program_said_last() {
        let error = run(
            "failing test",
            Command::new("sh").args(["-c", "echo why >&2; exit 3"]),
        );
        let text = format!("{:#}", error.unwrap_err());
        assert!(text.contains("why") && text.contains('3'), "{text}");
    }

    #[test]
    fn output_has_no_trailing_newline() {
        assert_eq!(output(Command::new("echo").arg("a b")).unwrap(), "a b");
    }

    #[test]
    fn an_estimate_never_promises_the_end() {
        let cases = [(0, 0, ""), (1, 4, "25 %, "), (9, 4, "99 %, ")];
        for (lines, expected, text) in cases {
            assert_eq!(part(lines, expected), text);
        }
    }
}
