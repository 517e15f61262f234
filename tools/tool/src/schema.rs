//! JSON Schemas of inputs and outputs, and the check of arguments against them that says where
//! they do not fit.
//!
//! This is the only check of a call's arguments: the daemon makes it before it parses them, and the
//! orchestrator before it plans the call. The keywords are those that the types of arguments use.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use crate::argument::Kind;

/// So much of a wrong value is repeated, in characters.
const SHOWN_MAX: usize = 80;

/// The schema of a type, without references.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    settings.into_generator().into_root_schema_for::<T>().into()
}

/// Checks a value against a schema.
///
/// # Errors
/// Where it does not fit and what was expected: `lines.last: must be an integer, not a string`.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    check_at("", schema, value)
}

/// The same for arguments that are an object already.
///
/// # Errors
/// As [`check`].
pub fn check_fields(schema: &Value, fields: &Map<String, Value>) -> Result<(), String> {
    match schema.as_object() {
        Some(schema) => fields_at("", schema, fields),
        None => Ok(()),
    }
}

fn check_at(place: &str, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(schema) = schema.as_object() else {
        return Ok(()); // `true`: anything
    };
    let fault = |text: String| {
        let place = if place.is_empty() { "arguments" } else { place };
        Err(format!("{place}: {text}"))
    };
    if Kind::of_schema(schema) == Some(Kind::Path) && !is_absent_or_absolute(schema, value) {
        return fault(format!("must be an absolute path, not {}", shown(value)));
    }
    if let Some(expected) = schema.get("type").filter(|t| !type_fits(t, value)) {
        return fault(format!("must be {}, not {}", named(expected), kind(value)));
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        return fault(format!("must be one of {}", listed(allowed)));
    }
    if let Some(Value::Array(ways)) = schema.get("anyOf").or_else(|| schema.get("oneOf")) {
        let faults: Vec<_> = ways.iter().map(|way| check_at(place, way, value)).collect();
        if !faults.iter().any(Result::is_ok) {
            return faults.into_iter().find(Result::is_err).unwrap_or(Ok(()));
        }
    }
    if let Some(text) = range_fault(schema, value) {
        return fault(text);
    }
    match value {
        Value::Object(fields) => fields_at(place, schema, fields),
        Value::Array(items) => items.iter().enumerate().try_for_each(|(index, item)| {
            let item_schema = schema.get("items").unwrap_or(&Value::Bool(true));
            check_at(&format!("{place}[{index}]"), item_schema, item)
        }),
        _ => Ok(()),
    }
}

/// Nothing, where that may be, or a text that begins at the root.
fn is_absent_or_absolute(schema: &Map<String, Value>, value: &Value) -> bool {
    match value {
        Value::String(path) => path.starts_with('/'),
        Value::Null => schema.get("type").is_none_or(|t| type_fits(t, value)),
        _ => false,
    }
}

/// A value, cut to what fits a line.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match text.chars().nth(SHOWN_MAX) {
        Some(_) => text.chars().take(SHOWN_MAX).chain(['…']).collect(),
        None => text,
    }
}

fn fields_at(
    place: &str,
    schema: &Map<String, Value>,
    fields: &Map<String, Value>,
) -> Result<(), String> {
    let at = |name: &str| match place {
        "" => name.to_owned(),
        _ => format!("{place}.{name}"),
    };
    let known = schema.get("properties").and_then(Value::as_object);
    for (name, value) in fields {
        match known.and_then(|known| known.get(name)) {
            Some(expected) => check_at(&at(name), expected, value)?,
            None if schema.get("additionalProperties") == Some(&Value::Bool(false)) => {
                let names: Vec<_> = known.iter().flat_map(|known| known.keys()).collect();
                let names = names.iter().map(|name| name.as_str()).collect::<Vec<_>>();
                let known = match names.is_empty() {
                    true => "none".to_owned(),
                    false => names.join(", "),
                };
                return Err(format!("{}: is not known; known are {known}", at(name)));
            }
            None => {
                if let Some(expected) = schema.get("additionalProperties") {
                    check_at(&at(name), expected, value)?;
                }
            }
        }
    }
    let required = schema.get("required").and_then(Value::as_array);
    for name in required.into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            return Err(format!("{}: is missing", at(name)));
        }
    }
    Ok(())
}

fn range_fault(schema: &Map<String, Value>, value: &Value) -> Option<String> {
    let limit = |name: &str| schema.get(name).and_then(Value::as_f64);
    if let Some(number) = value.as_f64() {
        if let Some(least) = limit("minimum").filter(|least| number < *least) {
            return Some(format!("must be at least {least}"));
        }
        if let Some(most) = limit("maximum").filter(|most| number > *most) {
            return Some(format!("must be at most {most}"));
        }
    }
    let length = value.as_str()?.chars().count() as f64;
    if let Some(least) = limit("minLength").filter(|least| length < *least) {
        return Some(format!("must have at least {least} characters"));
    }
    let most = limit("maxLength").filter(|most| length > *most)?;
    Some(format!("must have at most {most} characters"))
}

fn type_fits(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::Array(any) => any.iter().any(|one| type_fits(one, value)),
        Value::String(name) => match name.as_str() {
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "object" => value.is_object(),
            "array" => value.is_array(),
            "null" => value.is_null(),
            _ => false,
        },
        _ => false,
    }
}

fn named(expected: &Value) -> String {
    let name = match expected {
        Value::Array(any) => any.iter().find(|one| *one != "null"),
        one => Some(one),
    };
    match name.and_then(Value::as_str).unwrap_or("null") {
        "null" => "null".into(),
        name @ ("integer" | "object" | "array") => format!("an {name}"),
        name => format!("a {name}"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

fn listed(allowed: &[Value]) -> String {
    let texts: Vec<_> = allowed.iter().map(Value::to_string).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(JsonSchema)]
    #[schemars(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Input {
        path: String,
        #[schemars(range(min = 1, max = 100))]
        lines: Option<i64>,
        level: Option<Level>,
        names: Option<Vec<String>>,
    }
    #[derive(JsonSchema)]
    #[schemars(rename_all = "lowercase")]
    #[allow(dead_code)]
    enum Level {
        Error,
        Info,
    }

    #[test]
    fn a_fault_says_where_and_what_was_expected() {
        let schema = of::<Input>();
        let check = |value: Value, expected: &str| {
            let found = check(&schema, &value).err().unwrap_or_default();
            assert!(found.starts_with(expected), "{value}: {found:?}");
            assert_eq!(expected.is_empty(), found.is_empty(), "{value}: {found:?}");
        };
        check(json!({"path": "/"}), "");
        check(
            json!({"path": "/", "lines": 5, "level": "error", "names": ["a"]}),
            "",
        );
        check(json!({"path": "/", "lines": null, "level": null}), "");
        check(json!([]), "arguments: must be an object, not an array");
        check(json!({}), "path: is missing");
        check(json!({"path": 5}), "path: must be a string, not a number");
        check(
            json!({"path": "/", "lines": "5"}),
            "lines: must be an integer, not a string",
        );
        check(
            json!({"path": "/", "lines": 1.5}),
            "lines: must be an integer, not a number",
        );
        check(
            json!({"path": "/", "lines": 0}),
            "lines: must be at least 1",
        );
        check(
            json!({"path": "/", "lines": 101}),
            "lines: must be at most 100",
        );
        check(
            json!({"path": "/", "level": "loud"}),
            "level: must be one of",
        );
        check(
            json!({"path": "/", "names": ["a", 1]}),
            "names[1]: must be a string",
        );
        check(
            json!({"path": "/", "pth": "/"}),
            "pth: is not known; known are",
        );
    }
}
