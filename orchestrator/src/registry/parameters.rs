//! What an act must be told: read from a tool's JSON Schema or a skill's parameters,
//! and the check of arguments against it. Pure.
//!
//! Inputs of tools are flat objects. A schema keyword that is not known here makes the
//! check wider, never narrower: `aios-tools` checks everything again before it acts.

use aios_brain::skills::{ParameterKind, Skill};
use serde_json::{Map, Value};

/// One argument that can or must be given.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in the arguments.
    pub name: String,
    /// In what its value consists.
    pub kind: Kind,
    /// Must it be given?
    pub required: bool,
    /// What it is, in a sentence; may be empty.
    pub description: String,
}

/// The type of a value.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Any text.
    Text,
    /// An absolute path.
    Path,
    /// A whole number within bounds, both inclusive.
    Integer {
        /// The least.
        least: Option<i64>,
        /// The greatest.
        most: Option<i64>,
    },
    /// Any number.
    Number,
    /// Yes or no.
    Boolean,
    /// One of these words.
    Choice(Vec<String>),
    /// Several of one kind.
    List(Box<Kind>),
    /// Not to be told from the schema.
    Any,
}

/// Names under which every tool and skill takes an absolute path.
const PATHS: [&str; 5] = ["path", "source", "destination", "directory", "other"];

/// The parameters of a tool, in the schema's order; none when it is no object schema.
pub fn of_schema(schema: &str) -> Vec<Parameter> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| Parameter {
            name: name.clone(),
            kind: match kind(property) {
                Kind::Text if PATHS.contains(&name.as_str()) => Kind::Path,
                kind => kind,
            },
            required: required.contains(&name.as_str()),
            description: property["description"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        })
        .collect()
}

/// The parameters of a skill: all are required.
pub fn of_skill(skill: &Skill) -> Vec<Parameter> {
    let parameter = |(name, parameter): (&String, &aios_brain::skills::Parameter)| Parameter {
        name: name.clone(),
        kind: match parameter.kind {
            ParameterKind::Path => Kind::Path,
            ParameterKind::Text => Kind::Text,
            ParameterKind::Port => Kind::Integer {
                least: Some(1),
                most: Some(65535),
            },
            ParameterKind::Number => Kind::Integer {
                least: None,
                most: None,
            },
        },
        required: true,
        description: parameter.description.clone(),
    };
    skill.parameters.iter().map(parameter).collect()
}

fn kind(schema: &Value) -> Kind {
    if let Some(words) = schema["enum"].as_array() {
        let words = words.iter().filter_map(Value::as_str);
        return Kind::Choice(words.map(str::to_owned).collect());
    }
    if let Some(ways) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        let words = choices(ways);
        let mut real = ways.iter().filter(|way| way["type"] != "null");
        return match (words.is_empty(), real.next(), real.next()) {
            (false, ..) => Kind::Choice(words),
            (true, Some(only), None) => kind(only), // an optional one
            _ => Kind::Any,
        };
    }
    let name = match &schema["type"] {
        Value::Array(names) => names.iter().find(|name| *name != "null"),
        name => Some(name),
    };
    match name.and_then(Value::as_str) {
        Some("string") => Kind::Text,
        Some("integer") => Kind::Integer {
            least: bound(&schema["minimum"]),
            most: bound(&schema["maximum"]),
        },
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Boolean,
        Some("array") => Kind::List(Box::new(kind(&schema["items"]))),
        _ => Kind::Any,
    }
}

/// The words of an enum whose variants have descriptions: each is a way of its own, those
/// without are one together.
fn choices(ways: &[Value]) -> Vec<String> {
    let constants = ways.iter().map(|way| &way["const"]);
    let listed = ways
        .iter()
        .filter_map(|way| way["enum"].as_array())
        .flatten();
    let words = constants.chain(listed).filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

/// A bound as an integer; a greater one than fits does not bind.
fn bound(value: &Value) -> Option<i64> {
    value.as_i64()
}

/// Checks arguments against the parameters.
///
/// # Errors
/// The first that does not fit: `lines must be a whole number of 1 or more, not "five"`.
pub fn check(parameters: &[Parameter], arguments: &Map<String, Value>) -> Result<(), String> {
    for (name, value) in arguments {
        let Some(parameter) = parameters.iter().find(|known| known.name == *name) else {
            let known: Vec<&str> = parameters.iter().map(|known| known.name.as_str()).collect();
            let known = if known.is_empty() {
                "none".into()
            } else {
                known.join(", ")
            };
            return Err(format!("{name} is not known; known are {known}"));
        };
        let absent = value.is_null() && !parameter.required;
        if !absent && !parameter.kind.fits(value) {
            return Err(format!("{name} must be {}, not {value}", parameter.kind));
        }
    }
    let missing =
        |parameter: &&Parameter| parameter.required && !arguments.contains_key(&parameter.name);
    match parameters.iter().find(missing) {
        Some(parameter) => Err(format!("{} is missing", parameter.name)),
        None => Ok(()),
    }
}

impl Kind {
    /// Is it a value of this kind?
    pub fn fits(&self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Path => value.as_str().is_some_and(|path| path.starts_with('/')),
            Self::Integer { least, most } => {
                let above = |number: i64| least.is_none_or(|least| number >= least);
                let below = |number: i64| most.is_none_or(|most| number <= most);
                match (value.as_i64(), value.as_u64()) {
                    (Some(number), _) => above(number) && below(number),
                    (None, Some(_)) => most.is_none(), // greater than any i64
                    (None, None) => false,
                }
            }
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
            Self::Choice(words) => value
                .as_str()
                .is_some_and(|value| words.iter().any(|word| word == value)),
            Self::List(kind) => value
                .as_array()
                .is_some_and(|items| items.iter().all(|item| kind.fits(item))),
            Self::Any => true,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text => write!(f, "text"),
            Self::Path => write!(f, "an absolute path"),
            Self::Integer { least, most } => match (least, most) {
                (Some(least), Some(most)) => write!(f, "a whole number from {least} to {most}"),
                (Some(least), None) => write!(f, "a whole number of {least} or more"),
                (None, Some(most)) => write!(f, "a whole number of {most} or less"),
                (None, None) => write!(f, "a whole number"),
            },
            Self::Number => write!(f, "a number"),
            Self::Boolean => write!(f, "true or false"),
            Self::Choice(words) => write!(f, "one of {}", words.join(", ")),
            Self::List(kind) => write!(f, "a list, each {kind}"),
            Self::Any => write!(f, "a value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_schemas_that_tools_derive_are_understood() {
        let check = |schema: Value, expected: Kind| assert_eq!(kind(&schema), expected, "{schema}");
        let port = Kind::Integer {
            least: Some(1),
            most: Some(65535),
        };
        let level = Kind::Choice(vec!["error".into(), "info".into()]);
        check(json!({"type": "string"}), Kind::Text);
        check(json!({"type": ["string", "null"]}), Kind::Text);
        check(
            json!({"type": "integer", "minimum": 1, "maximum": 65535}),
            port.clone(),
        );
        check(
            json!({"type": ["integer", "null"], "minimum": 1, "maximum": 65535}),
            port,
        );
        check(
            json!({"type": "string", "enum": ["error", "info"]}),
            level.clone(),
        );
        check(
            json!({"anyOf": [{"enum": ["error", "info"]}, {"type": "null"}]}),
            level.clone(),
        );
        check(
            json!({"anyOf": [{"oneOf": [{"const": "error"}, {"enum": ["info"]}]}, {"type": "null"}]}),
            level,
        );
        check(
            json!({"type": ["array", "null"], "items": {"type": "string"}}),
            Kind::List(Box::new(Kind::Text)),
        );
        check(json!({"type": "boolean"}), Kind::Boolean);
        check(json!({}), Kind::Any);
        assert!(of_schema("not a schema").is_empty());
    }

    #[test]
    fn a_value_fits_its_kind_and_its_bounds() {
        let port = Kind::Integer {
            least: Some(1),
            most: Some(65535),
        };
        let check = |kind: &Kind, value: Value, expected| {
            assert_eq!(kind.fits(&value), expected, "{value}")
        };
        check(&port, json!(9090), true);
        check(&port, json!(0), false);
        check(&port, json!(70000), false);
        check(&port, json!("9090"), false);
        check(&port, json!(90.5), false);
        check(&port, json!(u64::MAX), false);
        check(&Kind::Choice(vec!["cpu".into()]), json!("memory"), false);
        check(&Kind::List(Box::new(Kind::Text)), json!(["a", 1]), false);
    }

    #[test]
    fn an_optional_argument_may_be_absent_or_null_and_a_required_one_not() {
        let schema = json!({"properties": {"path": {"type": "string"}, "lines": {"type": ["integer", "null"]}},
                            "required": ["path"]});
        let parameters = of_schema(&schema.to_string());
        let fits = |arguments: Value| check(&parameters, arguments.as_object().unwrap()).is_ok();
        assert!(fits(json!({"path": "/"})));
        assert!(fits(json!({"path": "/", "lines": null})));
        assert!(!fits(json!({"path": null})));
        assert!(!fits(json!({"lines": 5})));
    }
}
