//! Values that the tester reads from the machine itself, and whether an answer holds them.

use std::sync::LazyLock;

use anyhow::{Context, Result};
use fancy_regex::Regex;

use super::form::Truth;
use super::live::Live;
use super::root::Root;

/// How far a duration may be off, in seconds.
const DURATION_OFF: f64 = 120.0;

/// What an answer must hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One of these, as text.
    Text(Vec<String>),
    /// As digits or as a word.
    Number(u64),
    /// A size in bytes, within 6 %.
    Size(u64),
    /// One of these durations, in seconds.
    Duration(Vec<f64>),
    /// Whether something listens.
    Listens(bool),
}

/// Reads it now.
///
/// # Errors
/// When the machine does not tell.
pub fn read(truth: Truth, root: &Root, live: &dyn Live) -> Result<Value> {
    Ok(match truth {
        Truth::Hostname => Value::Text(vec![live.hostname()?]),
        Truth::KernelRelease => {
            Value::Text(vec![live.proc("/proc/sys/kernel/osrelease")?.trim().into()])
        }
        Truth::OsPrettyName => {
            let text = String::from_utf8_lossy(&root.read("/etc/os-release")?).into_owned();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("PRETTY_NAME="));
            let name = line.context("/etc/os-release has no PRETTY_NAME")?;
            Value::Text(vec![name.trim_matches('"').to_owned()])
        }
        Truth::Pid1Name => {
            let command = live.proc("cmdline")?;
            let program = command.split('\0').next().unwrap_or_default();
            let base = program.rsplit('/').next().unwrap_or_default();
            Value::Text(vec![live.proc("comm")?.trim().to_owned(), base.to_owned()])
        }
        Truth::RootFsType => Value::Text(root_types(&live.proc("mountinfo")?)),
        Truth::CpuCount => {
            let text = live.proc("/proc/cpuinfo")?;
            let count = text.lines().filter(|line| line.starts_with("processor"));
            Value::Number(count.count() as u64)
        }
        Truth::MemTotal => {
            let text = live.proc("/proc/meminfo")?;
            let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
            let kibibytes = total.and_then(|total| total.split_whitespace().next()?.parse().ok());
            Value::Size(
                kibibytes
                    .map(|size: u64| size * 1024)
                    .context("no MemTotal")?,
            )
        }
        Truth::Uptime => {
            Value::Duration(uptimes(&live.proc("/proc/uptime")?, &live.proc("stat")?)?)
        }
        Truth::Listening9090 => Value::Listens(live.listens(9090)?),
    })
}

/// How long the machine runs, in seconds. In a container that is two values: since the kernel's start, and since
/// its own PID 1's.
fn uptimes(uptime: &str, stat: &str) -> Result<Vec<f64>> {
    let first = uptime.split_whitespace().next();
    let up: f64 = first.context("/proc/uptime is empty")?.parse()?;
    // proc_pid_stat(5): after the name in brackets, start time is the twentieth, in clock ticks.
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let started = after.split_whitespace().nth(19);
    let ticks: f64 = started.context("/proc/PID/stat is short")?.parse()?;
    let ticks_a_second = rustix::param::clock_ticks_per_second() as f64;
    Ok(vec![up, up - ticks / ticks_a_second])
}

/// The types of what is mounted at `/`, and of what an overlay there lies over (proc_pid_mountinfo(5)).
fn root_types(mounts: &str) -> Vec<String> {
    // (mount point, type, options of the file system)
    let mounts: Vec<(&str, &str, &str)> = mounts
        .lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            Some((
                before.split(' ').nth(4)?,
                after.next()?,
                after.nth(1).unwrap_or_default(),
            ))
        })
        .collect();
    let mut types = Vec::new();
    for (_, kind, options) in mounts.iter().filter(|(point, ..)| *point == "/") {
        types.push((*kind).to_owned());
        for lower in options
            .split(',')
            .filter_map(|option| option.strip_prefix("lowerdir="))
            .flat_map(|folders| folders.split(':'))
        {
            let holds = |point: &str| lower.starts_with(point);
            let below = mounts.iter().filter(|(point, ..)| holds(point));
            let nearest = below.max_by_key(|(point, ..)| point.len());
            types.extend(nearest.map(|(_, kind, _)| (*kind).to_owned()));
        }
    }
    types
}

impl Value {
    /// Does the answer hold it?
    pub fn is_in(&self, answer: &str) -> bool {
        match self {
            Self::Text(values) => {
                let answer = answer.to_lowercase();
                values
                    .iter()
                    .any(|value| !value.is_empty() && answer.contains(&value.to_lowercase()))
            }
            Self::Number(number) => {
                words(answer).any(|word| word.parse() == Ok(*number) || in_words(*number) == word)
            }
            Self::Size(bytes) => {
                let bytes = *bytes as f64;
                sizes(answer).any(|size| (size - bytes).abs() <= 0.06 * bytes)
            }
            Self::Duration(values) => durations(answer).iter().any(|(said, unit)| {
                let off = unit.max(DURATION_OFF);
                values.iter().any(|value| (value - said).abs() <= off)
            }),
            Self::Listens(listens) => says_listens(answer) == Some(*listens),
        }
    }

    /// For a fault.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(values) => values.join(" or "),
            Self::Number(number) => number.to_string(),
            Self::Size(bytes) => format!("a size of about {bytes} bytes"),
            Self::Duration(values) => format!("a duration of about {values:.0?} seconds"),
            Self::Listens(true) => "that something listens".to_owned(),
            Self::Listens(false) => "that nothing listens".to_owned(),
        }
    }
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

fn in_words(number: u64) -> &'static str {
    const WORDS: [&str; 17] = [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
        "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen",
    ];
    let index = usize::try_from(number).unwrap_or(usize::MAX);
    WORDS.get(index).copied().unwrap_or("")
}

#[expect(
    clippy::unwrap_used,
    reason = "constant expressions, each compiled by a test"
)]
fn compiled(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap()
}

/// Sizes that the text names, in bytes; of each unit the decimal and the binary sense.
fn sizes(text: &str) -> impl Iterator<Item = f64> + '_ {
    static SIZE: LazyLock<Regex> =
        LazyLock::new(|| compiled(r"(?i)(\d+(?:[.,]\d+)?)\s*([kmgt])?(i?b\b|i\b|\b)"));
    let found = SIZE.captures_iter(text).filter_map(Result::ok);
    found.flat_map(|size| {
        let number = size.get(1).map_or("", |number| number.as_str());
        let number: f64 = number.replace(',', ".").parse().unwrap_or_default();
        let unit = size.get(2).map_or("", |unit| unit.as_str());
        let power = "kmgt".find(&unit.to_lowercase()).map_or(0, |at| at + 1);
        let power = if unit.is_empty() { 0 } else { power as i32 };
        [1000.0, 1024.0].map(|base: f64| number * base.powi(power))
    })
}

/// Durations that the text names, in seconds, each with its last unit.
fn durations(text: &str) -> Vec<(f64, f64)> {
    static PART: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)(\d+(?:\.\d+)?)\s*(weeks?|w|days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])|(\d+):(\d\d)(?::(\d\d))?",
        )
    });
    let mut found: Vec<(f64, f64)> = Vec::new();
    let mut end_before = None;
    for part in PART.captures_iter(text).filter_map(Result::ok) {
        let number = |group: usize| -> f64 {
            let digits = part.get(group).map_or("0", |digits| digits.as_str());
            digits.parse().unwrap_or_default()
        };
        let (seconds, unit) = match part.get(2) {
            Some(unit) => {
                let unit = match unit.as_str().to_lowercase().as_bytes() {
                    [b'w', ..] => 604_800.0,
                    [b'd', ..] => 86_400.0,
                    [b'h', ..] => 3_600.0,
                    [b'm', ..] => 60.0,
                    _ => 1.0,
                };
                (number(1) * unit, unit)
            }
            None => (number(3) * 3_600.0 + number(4) * 60.0 + number(5), 60.0),
        };
        let (start, end) = part.get(0).map_or((0, 0), |all| (all.start(), all.end()));
        let joint = end_before.and_then(|before| text.get(before..start));
        let joins = joint.is_some_and(|joint| matches!(joint.trim(), "" | "," | "and" | ", and"));
        match found.last_mut() {
            Some(last) if joins => *last = (last.0 + seconds, unit),
            _ => found.push((seconds, unit)),
        }
        end_before = Some(end);
    }
    found
}

/// What an answer says about a port: that something listens, that nothing does, or neither.
fn says_listens(answer: &str) -> Option<bool> {
    static NOTHING: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)\b(nothing|closed|nobody|none|no|free|unused)\b|\bnot (open|listening|in use)\b|n't",
        )
    });
    static SOMETHING: LazyLock<Regex> = LazyLock::new(|| {
        compiled(
            r"(?i)\b(open|listen\w*|in use|yes|taken|bound|accepts?)\b|aios-|orchestrator|management",
        )
    });
    if NOTHING.is_match(answer).ok()? {
        return Some(false);
    }
    SOMETHING.is_match(answer).ok()?.then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_the_value_in_any_usual_form() {
        let check = |value: Value, answer: &str, expected: bool| {
            assert_eq!(value.is_in(answer), expected, "{value:?}: {answer}");
        };
        check(Value::Text(vec!["aios".into()]), "It is called AIOS.", true);
        check(Value::Text(vec![String::new()]), "anything", false);
        check(Value::Number(2), "2 processors", true);
        check(Value::Number(2), "There are two cores.", true);
        check(Value::Number(2), "12 processors, 20 %", false);
        let memory = Value::Size(24_696_061_952);
        check(memory.clone(), "23.0 GiB in all", true);
        check(memory.clone(), "24.7 GB", true);
        check(memory.clone(), "24117248 kB", true);
        check(memory.clone(), "total 23G used 2G", true);
        check(memory, "16 GiB", false);
        let up = Value::Duration(vec![68_000.0]);
        check(up.clone(), "up 18 h 53 min", true);
        check(up.clone(), "up 18:53", true);
        check(up.clone(), "18 hours", true);
        check(up.clone(), "68000 s", true);
        check(up.clone(), "17 hours", false);
        check(up, "18 h 40 min", false);
        check(
            Value::Duration(vec![2.0 * 86_400.0 + 3.0 * 3_600.0]),
            "2 days, 3 hours and 1 minute",
            true,
        );
        check(Value::Listens(true), "Yes, aios-orchestrator", true);
        check(Value::Listens(true), "Nothing listens on 9090.", false);
        check(Value::Listens(true), "9090", false);
        check(Value::Listens(false), "nothing there", true);
    }

    #[test]
    fn the_root_is_what_is_mounted_there_and_what_lies_below() {
        let mounts = "\
30 1 0:26 / / rw - overlay aios rw,lowerdir=/run/lower:/x,upperdir=/data/u
31 30 0:27 / /run rw - tmpfs run rw
32 31 7:0 / /run/lower ro - squashfs /dev/dm-0 ro";
        assert_eq!(root_types(mounts), ["overlay", "squashfs", "overlay"]);
    }

    #[test]
    fn a_container_runs_since_its_first_process() {
        let stat = format!("1 (a (b) c) S {} 1000 7", vec!["0"; 18].join(" "));
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(
            uptimes("100.5 3", &stat).unwrap(),
            [100.5, 100.5 - 1000.0 / ticks]
        );
    }
}
