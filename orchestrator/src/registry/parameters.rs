//! What an act must be told: read from a tool's JSON Schema or a skill's parameters. Pure.
//!
//! What an argument stands for, its schema says by `x-aios-kind`; of a schema that does not say it (a
//! tool from elsewhere), the JSON type must do. Arguments are checked by [`aios_tool::schema`], as
//! `aios-tools` checks them again before the act.

use aios_brain::skills::{ParameterKind, Skill};
use aios_tool::argument::{Access, KEY, Kind};
use serde_json::{Map, Value, json};

/// One argument that can or must be given.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name in the arguments.
    pub name: String,
    /// What it stands for.
    pub kind: Kind,
    /// Must it be given?
    pub required: bool,
    /// Does the act change the object that it names?
    pub changes: bool,
    /// What it is, in a sentence; may be empty.
    pub description: String,
    /// The schema of its values; of one that may be absent, without `null`.
    pub schema: Value,
}

/// The parameters of an object schema, in its order; none when it is no object schema.
pub fn of_schema(schema: &Value) -> Vec<Parameter> {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let properties = schema["properties"].as_object().into_iter().flatten();
    properties
        .map(|(name, property)| {
            let values = present(property);
            Parameter {
                name: name.clone(),
                kind: Kind::of(&values).unwrap_or_else(|| by_type(&values)),
                required: required.contains(&name.as_str()),
                changes: Access::of(&values) == Some(Access::Change),
                description: property["description"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                schema: values,
            }
        })
        .collect()
}

/// The schema of a skill's arguments: all are required.
pub fn schema_of_skill(skill: &Skill) -> Value {
    let property = |(name, parameter): (&String, &aios_brain::skills::Parameter)| {
        let mut property = match parameter.kind {
            ParameterKind::Path => json!({"type": "string", KEY: Kind::Path}),
            ParameterKind::Content => json!({"type": "string", KEY: Kind::Content}),
            ParameterKind::Text => json!({"type": "string", KEY: Kind::Text}),
            ParameterKind::Port => {
                json!({"type": "integer", "minimum": 1, "maximum": 65535, KEY: Kind::Port})
            }
            ParameterKind::Number => json!({"type": "integer", KEY: Kind::Count}),
        };
        property["description"] = parameter.description.clone().into();
        (name.clone(), property)
    };
    let properties: Map<String, Value> = skill.parameters.iter().map(property).collect();
    let required: Vec<&String> = skill.parameters.keys().collect();
    json!({"type": "object", "additionalProperties": false, "required": required, "properties": properties})
}

/// The schema of the values; one that may be absent says so by `null`.
fn present(property: &Value) -> Value {
    let mut values = property.clone();
    let ways = values["anyOf"].as_array().or(values["oneOf"].as_array());
    let mut real = ways
        .into_iter()
        .flatten()
        .filter(|way| way["type"] != "null");
    if let (Some(only), None) = (real.next(), real.next()) {
        values = only.clone();
    }
    if let Some(types) = values["type"].as_array_mut() {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            values["type"] = only.clone();
        }
    }
    if let Some(words) = values["enum"].as_array_mut() {
        words.retain(|word| !word.is_null());
    }
    values
}

fn by_type(schema: &Value) -> Kind {
    if schema["enum"].is_array() {
        return Kind::Choice;
    }
    match schema["type"].as_str() {
        Some("integer") => Kind::Count,
        Some("number") => Kind::Number,
        Some("boolean") => Kind::Flag,
        Some("array") => Kind::List,
        _ => Kind::Text,
    }
}

impl Parameter {
    /// The words of which it must be one.
    pub fn words(&self) -> Vec<&str> {
        let words = self.schema["enum"].as_array().into_iter().flatten();
        words.filter_map(Value::as_str).collect()
    }

    /// The parameter of one item, when it is a list.
    pub fn item(&self) -> Self {
        let schema = present(&self.schema["items"]);
        Self {
            kind: Kind::of(&schema).unwrap_or_else(|| by_type(&schema)),
            schema,
            ..self.clone()
        }
    }

    /// What its values are, for people: `a whole number from 1 to 65535`.
    pub fn values(&self) -> String {
        let bound = |name: &str| self.schema[name].as_i64();
        match self.kind {
            Kind::Path => "an absolute path".to_owned(),
            Kind::Choice => format!("one of {}", self.words().join(", ")),
            Kind::Count | Kind::Pid | Kind::Port | Kind::Seconds | Kind::Bytes => {
                match (bound("minimum"), bound("maximum")) {
                    (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
                    (Some(least), None) => format!("a whole number of {least} or more"),
                    (None, Some(most)) => format!("a whole number of {most} or less"),
                    (None, None) => "a whole number".to_owned(),
                }
            }
            Kind::Number => "a number".to_owned(),
            Kind::Flag => "true or false".to_owned(),
            Kind::List => format!("a list, each {}", self.item().values()),
            _ => "text".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_tool::argument::ACCESS;

    #[test]
    fn what_an_argument_stands_for_is_told_by_its_schema_and_not_by_its_name() {
        let check = |property: Value, kind: Kind, values: &str| {
            let schema = json!({"properties": {"path": property}});
            let parameters = of_schema(&schema);
            let found = (parameters[0].kind, parameters[0].values());
            assert_eq!(found, (kind, values.to_owned()), "{schema}");
        };
        check(json!({"type": "string"}), Kind::Text, "text");
        check(
            json!({"type": "string", KEY: "path"}),
            Kind::Path,
            "an absolute path",
        );
        check(
            json!({"type": ["string", "null"], KEY: "service"}),
            Kind::Service,
            "text",
        );
        check(
            json!({"type": ["integer", "null"], "minimum": 1, "maximum": 65535, KEY: "port"}),
            Kind::Port,
            "a whole number from 1 to 65535",
        );
        check(
            json!({"type": "integer", "minimum": 0, KEY: "bytes"}),
            Kind::Bytes,
            "a whole number of 0 or more",
        );
        check(
            json!({"type": "string", "enum": ["error", "info"]}),
            Kind::Choice,
            "one of error, info",
        );
        check(
            json!({"anyOf": [{"enum": ["error", "info"], KEY: "choice"}, {"type": "null"}]}),
            Kind::Choice,
            "one of error, info",
        );
        check(
            json!({"type": ["string", "null"], "enum": ["error", null]}),
            Kind::Choice,
            "one of error",
        );
        check(
            json!({"type": ["array", "null"], "items": {"type": "string"}}),
            Kind::List,
            "a list, each text",
        );
        check(json!({"type": "boolean"}), Kind::Flag, "true or false");
        check(json!({KEY: "nonsense"}), Kind::Text, "text");
        assert!(of_schema(&json!("not a schema")).is_empty());
    }

    #[test]
    fn an_object_that_is_changed_is_told_by_the_schema() {
        let schema = json!({"properties": {
            "source": {"type": "string", KEY: "path", ACCESS: "read"},
            "target": {"type": "string", KEY: "path", ACCESS: "change"},
        }});
        let changed: Vec<bool> = of_schema(&schema).iter().map(|p| p.changes).collect();
        assert_eq!(changed, [false, true]);
    }
}
