//! From what was said to the arguments of a call. Pure.
//!
//! An argument is a span of the goal or of what was done, turned into a value of the
//! type that the registry asks for; a service must be one that is there. What is
//! missing or cannot be such a value is said, never guessed.

use aios_brain::{Argument, values};
use aios_tool::argument::Kind;
use aios_tool::schema;
use serde_json::{Map, Value};

use crate::plan::live;
use crate::registry::parameters::Parameter;

/// An optional argument that the model is less sure of, and that is no value, is taken for
/// noise; a surer one is an error, because leaving it out would answer another question.
const NOISE: f32 = 0.5;

/// Why the arguments do not make a call.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BindError {
    /// Not said at all.
    #[error(
        "{act} needs {parameter}{description}, which the goal does not say; for example: {example}"
    )]
    Missing {
        /// The tool or skill.
        act: String,
        /// Which argument.
        parameter: String,
        /// What it is, in brackets, or nothing.
        description: String,
        /// A value that would do.
        example: String,
    },
    /// Said, but no such value.
    #[error("{act}: {said:?} cannot be {parameter}, which is {kind}; for example: {example}")]
    NotAValue {
        /// The tool or skill.
        act: String,
        /// Which argument.
        parameter: String,
        /// What was said.
        said: String,
        /// What it must be.
        kind: String,
        /// A value that would do.
        example: String,
    },
    /// No such service here.
    #[error("there is no service {said:?} here; the nearest are {nearest}")]
    NoService {
        /// What was said.
        said: String,
        /// What there is.
        nearest: String,
    },
}

/// The arguments of the call `act`.
///
/// # Errors
/// The first parameter that is missing or cannot be what was said.
pub fn bind(
    act: &str,
    parameters: &[Parameter],
    said: &[Argument],
    services: &[String],
) -> Result<Map<String, Value>, BindError> {
    let mut arguments = Map::new();
    for parameter in parameters {
        match said.iter().find(|argument| argument.name == parameter.name) {
            Some(argument) if parameter.kind == Kind::Flag && argument.confidence < NOISE => {}
            Some(argument) => match value(act, parameter, argument, services) {
                Ok(value) => drop(arguments.insert(parameter.name.clone(), value)),
                Err(_) if !parameter.required && argument.confidence < NOISE => {}
                Err(error) => return Err(error),
            },
            None if parameter.required => return Err(missing(act, parameter)),
            None => {}
        }
    }
    Ok(arguments)
}

fn missing(act: &str, parameter: &Parameter) -> BindError {
    let description = match parameter.description.trim_end_matches('.') {
        "" => String::new(),
        text => format!(" ({text})"),
    };
    BindError::Missing {
        act: act.to_owned(),
        parameter: parameter.name.clone(),
        description,
        example: example(parameter),
    }
}

fn value(
    act: &str,
    parameter: &Parameter,
    argument: &Argument,
    services: &[String],
) -> Result<Value, BindError> {
    let said = argument.text.as_str();
    if parameter.kind == Kind::Path && argument.is_exact && said.starts_with('/') {
        let bare = said.trim_end_matches('/');
        let path = if bare.is_empty() { "/" } else { bare };
        return Ok(path.into());
    }
    if parameter.kind == Kind::Service {
        return match live::service(said, services) {
            Ok(name) => Ok(name.into()),
            Err(nearest) => Err(BindError::NoService {
                said: said.to_owned(),
                nearest: nearest.join(", "),
            }),
        };
    }
    typed(parameter, said).ok_or_else(|| BindError::NotAValue {
        act: act.to_owned(),
        parameter: parameter.name.clone(),
        said: said.to_owned(),
        kind: parameter.values(),
        example: example(parameter),
    })
}

/// What was said as a value of the parameter.
fn typed(parameter: &Parameter, said: &str) -> Option<Value> {
    match parameter.kind {
        Kind::Path => values::path(said).map(Value::from),
        Kind::Target => values::path(said).or_else(|| word(said)).map(Value::from),
        Kind::Agent => live::agent(said).map(Value::from),
        Kind::Content => Some(values::text_value(said).into()),
        Kind::Choice => values::choice(said, &parameter.words()).map(Value::from),
        Kind::Port => values::port(said).map(Value::from),
        Kind::Seconds => values::duration(said).map(|time| time.as_secs().into()),
        Kind::Bytes => values::size(said).map(Value::from),
        Kind::Pid | Kind::Count => values::number(said)
            .or_else(|| number_within(said))
            .map(Value::from)
            .or_else(|| said.trim().parse::<i64>().ok().map(Value::from)),
        Kind::Number => said.trim().parse::<f64>().ok().map(Value::from),
        Kind::Flag => is_yes(said).map(Value::from),
        Kind::List => {
            let item = parameter.item();
            let parts = said.split([',', ' ']).filter(|part| !part.is_empty());
            let items: Option<Vec<Value>> = parts.map(|part| typed(&item, part)).collect();
            items.map(Value::from)
        }
        Kind::Package | Kind::Account | Kind::Group => {
            word(said).map(|said| name(&said).to_lowercase().into())
        }
        Kind::Interface | Kind::Host | Kind::Process => {
            word(said).map(|said| name(&said).to_owned().into())
        }
        Kind::Moment => word(said).map(|said| moment(&said).into()),
        Kind::Signal => word(said).map(|said| signal(name(&said)).into()),
        _ => word(said).map(Value::from),
    }
    .filter(|value| schema::check(&parameter.schema, value).is_ok())
}

/// `recursively`, `-R`, `with its home` say yes, `not below it` says no; other words are no answer.
fn is_yes(said: &str) -> Option<bool> {
    const NO: [&str; 14] = [
        "no", "not", "without", "false", "off", "don", "only", "never", "leave", "keep", "except",
        "nothing", "cannot", "but",
    ];
    const YES: [&str; 26] = [
        "yes",
        "true",
        "recursively",
        "recursive",
        "r",
        "g",
        "all",
        "everything",
        "everywhere",
        "every",
        "each",
        "below",
        "inside",
        "within",
        "under",
        "contents",
        "subfolders",
        "subdirectories",
        "tree",
        "whole",
        "too",
        "also",
        "with",
        "including",
        "home",
        "throughout",
    ];
    let lower = said.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    match (has(&NO), has(&YES)) {
        (true, _) => Some(false),
        (false, true) => Some(true),
        (false, false) => None,
    }
}

/// The only number among words: `pid 42`, `the last 20`.
fn number_within(said: &str) -> Option<u64> {
    let mut numbers = said.split(' ').filter_map(values::number);
    numbers.next().filter(|_| numbers.next().is_none())
}

/// Text without quotes and without the sentence's punctuation after it; nothing is no text.
fn word(said: &str) -> Option<String> {
    let text = values::text_value(said)
        .trim_end_matches(['.', ',', ';', '!', '?'])
        .trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The one word that is a name: `the nginx package`, `user ada`, `on host db1`.
fn name(said: &str) -> &str {
    const AROUND: [&str; 19] = [
        "the",
        "a",
        "an",
        "my",
        "our",
        "package",
        "user",
        "account",
        "group",
        "interface",
        "host",
        "machine",
        "server",
        "process",
        "program",
        "signal",
        "called",
        "named",
        "for",
    ];
    let around = |word: &&str| AROUND.contains(&word.to_lowercase().as_str());
    let mut names = said.split_whitespace().filter(|word| !around(word));
    match (names.next(), names.next()) {
        (Some(name), None) => name,
        _ => said,
    }
}

/// A moment with its numbers in digits: `the last two hours` is `2 hours`.
fn moment(said: &str) -> String {
    const BEFORE: [&str; 6] = ["the", "last", "past", "since", "in", "for"];
    let lower = said.to_lowercase();
    let words = lower
        .split_whitespace()
        .skip_while(|word| BEFORE.contains(word));
    let words = words.map(|word| match values::number(word) {
        Some(number) => number.to_string(),
        None => word.to_owned(),
    });
    let words: Vec<String> = words.collect();
    match words.as_slice() {
        [] => said.to_owned(),
        [unit] if unit.chars().all(char::is_alphabetic) && values::duration(unit).is_some() => {
            format!("1 {unit}")
        }
        words => words.join(" "),
    }
}

/// What people call signals, beside their names.
fn signal(said: &str) -> String {
    let lower = said.to_lowercase();
    let bare = lower.trim_start_matches('-').trim_start_matches("sig");
    match bare {
        "1" | "hangup" | "hang-up" | "reload" => "HUP",
        "2" | "interrupt" | "ctrl-c" => "INT",
        "3" => "QUIT",
        "9" | "force" | "forced" => "KILL",
        "15" | "terminate" | "termination" | "end" => "TERM",
        "18" | "continue" | "resume" => "CONT",
        "19" | "pause" | "suspend" | "freeze" => "STOP",
        _ => return bare.to_uppercase(),
    }
    .to_owned()
}

/// A value that would do, for people.
fn example(parameter: &Parameter) -> String {
    match parameter.kind {
        Kind::Path => "/srv/notes.txt",
        Kind::Choice => return parameter.words().first().copied().unwrap_or("").to_owned(),
        Kind::Port => "9090",
        Kind::Pid | Kind::Count | Kind::Seconds | Kind::Bytes => {
            let least = parameter.schema["minimum"].as_i64();
            return least.unwrap_or(1).max(1).to_string();
        }
        Kind::Number => "0.5",
        Kind::Flag => "yes",
        Kind::Service => "memory",
        Kind::Host => "localhost",
        Kind::Url => "http://localhost/",
        Kind::Package => "busybox",
        Kind::Interface => "eth0",
        _ => "\"hello\"",
    }
    .to_owned()
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
