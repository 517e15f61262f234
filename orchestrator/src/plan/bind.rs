//! From what was said to the arguments of a call. Pure.
//!
//! An argument is a span of the goal or of what was done, turned into a value of the
//! type that the registry asks for; a service must be one that is there. What is
//! missing or cannot be such a value is said, never guessed.

use aios_brain::{Argument, values};
use serde_json::{Map, Value};

use crate::plan::live;
use crate::registry::parameters::{Kind, Parameter};

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
            Some(argument) => match value(act, parameter, &argument.text, services) {
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
    said: &str,
    services: &[String],
) -> Result<Value, BindError> {
    if parameter.name == "service" && parameter.kind == Kind::Text {
        return match live::service(said, services) {
            Ok(name) => Ok(name.into()),
            Err(nearest) => Err(BindError::NoService {
                said: said.to_owned(),
                nearest: nearest.join(", "),
            }),
        };
    }
    typed(&parameter.name, &parameter.kind, said).ok_or_else(|| BindError::NotAValue {
        act: act.to_owned(),
        parameter: parameter.name.clone(),
        said: said.to_owned(),
        kind: parameter.kind.to_string(),
        example: example(parameter),
    })
}

/// What was said as a value of this kind.
fn typed(name: &str, kind: &Kind, said: &str) -> Option<Value> {
    match kind {
        Kind::Path => values::path(said).map(Value::from),
        Kind::Text if name == "agent" => live::agent(said).map(Value::from),
        Kind::Text if name == "target" => {
            values::path(said).or_else(|| word(said)).map(Value::from)
        }
        Kind::Text if name == "content" => Some(values::text_value(said).into()),
        Kind::Text => word(said).map(Value::from),
        Kind::Choice(words) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            values::choice(said, &words).map(Value::from)
        }
        Kind::Integer { .. } => whole(name, said).map(Value::from),
        Kind::Number => said.trim().parse::<f64>().ok().map(Value::from),
        Kind::Boolean => match values::choice(said, &["yes", "no", "true", "false"])?.as_str() {
            "yes" | "true" => Some(true.into()),
            _ => Some(false.into()),
        },
        Kind::List(item) => {
            let parts = said.split([',', ' ']).filter(|part| !part.is_empty());
            let items: Option<Vec<Value>> = parts.map(|part| typed(name, item, part)).collect();
            items.map(Value::from)
        }
        Kind::Any => Some(values::text_value(said).into()),
    }
    .filter(|value| kind.fits(value))
}

/// A whole number; what its unit is, its parameter's name says.
fn whole(name: &str, said: &str) -> Option<u64> {
    match name {
        "port" => values::port(said).map(u64::from),
        _ if name.ends_with("_seconds") => values::duration(said).map(|time| time.as_secs()),
        _ if name.contains("size") => values::size(said),
        _ => values::number(said).or_else(|| number_within(said)),
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

/// A value that would do, for people.
fn example(parameter: &Parameter) -> String {
    let name = parameter.name.as_str();
    match &parameter.kind {
        Kind::Path => "/srv/notes.txt".into(),
        Kind::Choice(words) => words.first().cloned().unwrap_or_default(),
        Kind::Integer { .. } if name == "port" => "9090".into(),
        Kind::Integer { least, .. } => least.unwrap_or(1).max(1).to_string(),
        Kind::Number => "0.5".into(),
        Kind::Boolean => "yes".into(),
        _ => match name {
            "service" => "memory",
            "host" => "localhost",
            "url" => "http://localhost/",
            "package" => "busybox",
            "interface" => "eth0",
            _ => "\"hello\"",
        }
        .into(),
    }
}

#[cfg(test)]
#[path = "bind_tests.rs"]
mod tests;
