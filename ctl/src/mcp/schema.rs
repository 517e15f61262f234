//! A tool of the registry as MCP describes one: schemas, hints, and the two steps of a change.

use std::sync::Arc;

use aios_contracts::v1::{Risk, Tool};
use aiosctl::json;
use aiosctl::output::escape;
use rmcp::model::{JsonObject, Tool as Shown, ToolAnnotations};
use serde_json::{Map, Value};

use super::{bounds, name};

/// The argument that the second step of a change has more than the first.
pub const TOKEN: &str = "confirm_token";

/// The longest schema that is offered, in bytes.
const SCHEMA_MAX: usize = 128 * 1024;

/// The longest description, in bytes.
const DESCRIPTION_MAX: usize = 4096;

/// Keywords of aiOS's own in schemas: they steer its planner and say nothing to a client.
const OWN_KEYWORDS: &str = "x-aios-";

/// The tool for a client.
///
/// # Errors
/// Why it cannot be offered.
pub fn shown(tool: &Tool) -> Result<Shown, &'static str> {
    let name = name::to_client(&tool.name).ok_or("its name fits no client")?;
    let mut input = schema(&tool.input_schema_json)?.unwrap_or_default();
    if !is_for_objects(&input) {
        return Err("its arguments are no JSON object");
    }
    if tool.mutating {
        add_token(&mut input)?;
    }
    let output = schema(&tool.output_schema_json)?.filter(is_for_objects);
    let output = if tool.mutating {
        Some(steps(output))
    } else {
        output
    };
    let mut shown = Shown::new(name, description(tool), Arc::new(input))
        .with_title(escape::line(&tool.name))
        .with_annotations(annotations(tool));
    shown.output_schema = output.map(Arc::new);
    Ok(shown)
}

/// A schema of the registry without its own keywords; `None` when there is none.
fn schema(text: &str) -> Result<Option<JsonObject>, &'static str> {
    if text.len() > SCHEMA_MAX {
        return Err("its schema is too long");
    }
    match json::embedded(text) {
        Value::Null => Ok(None),
        Value::Object(mut schema) => {
            strip(&mut schema);
            Ok(Some(schema))
        }
        _ => Err("its schema is no JSON object"),
    }
}

fn strip(schema: &mut JsonObject) {
    schema.retain(|key, _| !key.starts_with(OWN_KEYWORDS));
    for value in schema.values_mut() {
        strip_value(value);
    }
}

fn strip_value(value: &mut Value) {
    match value {
        Value::Object(schema) => strip(schema),
        Value::Array(values) => values.iter_mut().for_each(strip_value),
        Value::String(text) => *text = escape::text(text),
        _ => {}
    }
}

fn is_for_objects(schema: &JsonObject) -> bool {
    schema.get("type").is_some_and(|sort| sort == "object")
}

fn add_token(input: &mut JsonObject) -> Result<(), &'static str> {
    let properties = input
        .entry("properties")
        .or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(properties) = properties else {
        return Err("its schema is damaged");
    };
    if properties.contains_key(TOKEN) {
        return Err("it has an argument confirm_token of its own");
    }
    properties.insert(
        TOKEN.to_owned(),
        serde_json::json!({
            "type": "string",
            "description": "Leave it out first: nothing is changed then, and the answer shows what \
                would change and has a token. Then repeat the same call with that token to act.",
        }),
    );
    Ok(())
}

/// What a call of a changing tool answers, at either step; `output` is what the tool answers itself.
fn steps(output: Option<JsonObject>) -> JsonObject {
    let mut output = output.unwrap_or_else(|| Map::from_iter([("type".into(), "object".into())]));
    // References point into the root of the whole schema.
    let definitions = output.remove("$defs");
    let dialect = output.remove("$schema");
    let text = |what: &str| serde_json::json!({"type": "string", "description": what});
    let mut schema = Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        (
            "required".to_owned(),
            serde_json::json!(["state", "summary"]),
        ),
    ]);
    schema.insert(
        "properties".to_owned(),
        serde_json::json!({
            "state": {
                "type": "string",
                "enum": ["preview", "waiting", "done", "refused"],
                "description": "preview: nothing was changed, this is what would change; waiting: \
                    nothing was changed yet, a person is asked; done: it was changed; refused: \
                    nothing was changed, what would change now is not what was confirmed",
            },
            "summary": text("One line."),
            "preview": {"type": "object", "description": "What would change, object by object."},
            "decision": text("What the node's policy says of the call."),
            TOKEN: text("Confirms exactly this preview of exactly this call."),
            "expires_in_seconds": {"type": "integer"},
            "approval": text("What a person decides about, with aiosctl approvals."),
            "goal": text("The goal on the node that this call is."),
            "execution": text("Takes the change back: aiosctl undo EXECUTION."),
            "output": output,
        }),
    );
    schema.extend(definitions.map(|all| ("$defs".to_owned(), all)));
    schema.extend(dialect.map(|dialect| ("$schema".to_owned(), dialect)));
    schema
}

fn description(tool: &Tool) -> String {
    let mut text = escape::text(&tool.description);
    if tool.mutating {
        let undo = if tool.reversible { "can" } else { "cannot" };
        text += &format!(
            "\n\nChanges the node (risk: {}; {undo} be undone). Afterwards: {}. In two steps: without \
             {TOKEN} it only shows what would change; the same call with the token acts.",
            json::risk(tool),
            escape::line(&tool.post_condition)
        );
    }
    bounds::cut(text, DESCRIPTION_MAX)
}

/// Hints from the tool's declaration. Only an undoable change of low risk is not called destructive.
fn annotations(tool: &Tool) -> ToolAnnotations {
    let mild = tool.reversible && tool.risk() == Risk::Low;
    ToolAnnotations::new()
        .read_only(!tool.mutating)
        .destructive(tool.mutating && !mild)
        .idempotent(!tool.mutating || tool.idempotent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(mutating: bool) -> Tool {
        Tool {
            name: "fs.write".into(),
            description: "Writes.\u{1b}[2J".into(),
            input_schema_json: json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "properties": {"path": {"type": "string", "x-aios-kind": "path"}},
                "required": ["path"], "additionalProperties": false, "x-aios-verbs": ["write"],
            })
            .to_string(),
            output_schema_json: json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "properties": {"size": {"$ref": "#/$defs/Size"}},
                "$defs": {"Size": {"type": "integer"}},
            })
            .to_string(),
            risk: Risk::Medium.into(),
            mutating,
            reversible: true,
            ..Tool::default()
        }
    }

    #[test]
    fn a_look_has_its_own_schemas_and_hints() {
        let shown = shown(&tool(false)).unwrap();
        assert_eq!(
            (shown.name.as_ref(), shown.title.as_deref()),
            ("fs-write", Some("fs.write"))
        );
        assert_eq!(
            Value::Object(shown.input_schema.as_ref().clone()),
            json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object",
                "properties": {"path": {"type": "string"}},
                "required": ["path"], "additionalProperties": false,
            })
        );
        let output = shown.output_schema.unwrap();
        assert_eq!(output["properties"]["size"]["$ref"], "#/$defs/Size");
        let hints = shown.annotations.unwrap();
        assert_eq!(hints.read_only_hint, Some(true));
        assert_eq!(hints.destructive_hint, Some(false));
        assert_eq!(hints.idempotent_hint, Some(true));
        assert_eq!(shown.description.unwrap(), "Writes.\\u{1b}[2J");
    }

    #[test]
    fn a_change_has_a_token_and_answers_at_both_steps() {
        let shown = shown(&tool(true)).unwrap();
        assert_eq!(shown.input_schema["properties"][TOKEN]["type"], "string");
        assert_eq!(shown.input_schema["required"], json!(["path"]));
        let output = shown.output_schema.unwrap();
        // What the tool's schema refers to must be where its references point.
        assert_eq!(output["$defs"]["Size"]["type"], "integer");
        let inner = &output["properties"]["output"];
        assert_eq!(inner["properties"]["size"]["$ref"], "#/$defs/Size");
        assert_eq!(inner.get("$defs").or(inner.get("$schema")), None);
        let hints = shown.annotations.unwrap();
        assert_eq!(hints.read_only_hint, Some(false));
        assert_eq!(hints.destructive_hint, Some(true));
        assert_eq!(hints.idempotent_hint, Some(false));
        let told = shown.description.unwrap();
        assert!(told.contains("risk: medium; can be undone"), "{told}");
    }

    #[test]
    fn what_cannot_be_told_rightly_is_not_offered() {
        let check = |change: fn(&mut Tool), expected: &str| {
            let mut tool = tool(true);
            change(&mut tool);
            assert_eq!(shown(&tool).unwrap_err(), expected);
        };
        check(
            |tool| tool.name = "fs-write".into(),
            "its name fits no client",
        );
        check(
            |tool| tool.input_schema_json = r#"{"type":"string"}"#.into(),
            "its arguments are no JSON object",
        );
        check(
            |tool| tool.input_schema_json = "{".into(),
            "its schema is no JSON object",
        );
        check(
            |tool| tool.input_schema_json = "[".repeat(SCHEMA_MAX + 1),
            "its schema is too long",
        );
        check(
            |tool| {
                let properties = r#"{"type":"object","properties":{"confirm_token":{}}}"#;
                tool.input_schema_json = properties.into();
            },
            "it has an argument confirm_token of its own",
        );
    }
}
