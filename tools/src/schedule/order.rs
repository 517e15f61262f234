//! What a schedule has done: a goal in words, or one call of a tool.

use std::borrow::Cow;

use aios_tool::argument::{self, Argument};
use aios_tool::context::Context;
use aios_tool::demand::{Collector, Need, Ordered};
use aios_tool::error::ToolError;
use aios_tool::format;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::grant::{Facts, Judge};

/// The longest goal, in characters, as the orchestrator takes it.
const GOAL_MAX: usize = 2000;
/// The largest call, in bytes of JSON.
const CALL_MAX: usize = 32 * 1024;
/// The longest text that shows an order, in bytes.
const SHOWN_MAX: usize = 200;
/// No schedule makes schedules: they would be without number.
const OWN: &str = "schedule.";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Order {
    /// A goal in plain words, planned each time.
    Goal(String),
    /// One call.
    Call(OrderedCall),
}

/// A call that is to be made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrderedCall {
    /// The tool's name.
    pub tool: String,
    /// Its arguments, as they were ordered.
    #[serde(default)]
    pub arguments: Map<String, Value>,
    /// What was found out about it when it was ordered: no caller can say that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<Grant>,
}

/// What was found out about a call when it was ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// What it would do.
    pub facts: Facts,
    /// Did policy have a person asked about it? Then the order was not taken before somebody allowed it.
    pub asked: bool,
}

impl Order {
    /// The order for people, in a line: the words, or tool and arguments.
    pub fn shown(&self) -> String {
        let text = match self {
            Self::Goal(words) => format::printable(words),
            Self::Call(call) => {
                let arguments = Value::Object(call.arguments.clone());
                format::printable(&format!("{} {arguments}", call.tool))
            }
        };
        format::cut(&text, SHOWN_MAX)
    }

    /// The arguments of the call as JSON; empty for a goal.
    pub fn arguments_json(&self) -> String {
        match self {
            Self::Goal(_) => String::new(),
            Self::Call(call) => Value::Object(call.arguments.clone()).to_string(),
        }
    }
}

impl OrderedCall {
    fn judge(&mut self, context: &Context) -> Result<(), ToolError> {
        let size = Value::Object(self.arguments.clone()).to_string().len();
        if size > CALL_MAX {
            return Err(ToolError::Invalid(format!(
                "order: has {size} bytes, at most {CALL_MAX} are kept"
            )));
        }
        if self.tool.starts_with(OWN) {
            return Err(ToolError::Invalid(
                "order: no schedule makes schedules".into(),
            ));
        }
        let arguments = Value::Object(self.arguments.clone());
        let judged = context
            .part::<Judge>()?
            .judge(&self.tool, arguments, context)
            .map_err(in_order)?;
        self.grant = Some(Grant {
            facts: judged.facts,
            asked: judged.asks.is_some(),
        });
        Ok(())
    }
}

/// The same error, said of the order.
fn in_order(error: ToolError) -> ToolError {
    match error {
        ToolError::Invalid(why) => ToolError::Invalid(format!("order: {why}")),
        ToolError::NotFound(why) => ToolError::Invalid(format!("order: {why}")),
        error => error,
    }
}

impl JsonSchema for Order {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Order".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let text = argument::Kind::Text.name();
        json_schema!({
            "type": ["string", "object"],
            "minLength": 1,
            "maxLength": GOAL_MAX,
            "properties": {
                "tool": {
                    "type": "string",
                    "minLength": 1,
                    "description": "The tool's name.",
                    argument::KEY: text,
                },
                "arguments": {
                    "type": "object",
                    "description": "Its arguments.",
                    argument::KEY: argument::Kind::List.name(),
                },
            },
            "required": ["tool"],
            "additionalProperties": false,
            argument::KEY: text,
        })
    }
}

impl Argument for Order {
    fn resolve(&mut self, name: &str, context: &Context) -> Result<(), ToolError> {
        match self {
            Self::Goal(words) if words.trim().is_empty() => {
                Err(ToolError::Invalid(format!("{name}: the goal has no text")))
            }
            Self::Goal(words) if words.contains(|c: char| c.is_control() && c != '\n') => Err(
                ToolError::Invalid(format!("{name}: the goal contains control characters")),
            ),
            Self::Goal(_) => Ok(()),
            Self::Call(call) => call.judge(context),
        }
    }

    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        if let Self::Call(call) = self
            && let Some(grant) = &call.grant
        {
            let needs = grant.facts.needs.iter().filter_map(|text| need(text));
            to.order(Ordered {
                tool: call.tool.clone(),
                needs: needs.collect(),
            });
        }
        Ok(())
    }
}

/// A need by its written form.
fn need(text: &str) -> Option<Need> {
    let mut parts = text.splitn(3, ':');
    Some(Need::of(parts.next()?, parts.next()?, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_tool::schema;
    use serde_json::json;

    #[test]
    fn an_order_is_words_or_a_call_and_no_caller_grants_it() {
        let schema = schema::of::<Order>();
        let check = |order: Value, expected: bool| {
            let fits = schema::check(&schema, &order).is_ok();
            let read = serde_json::from_value::<Order>(order.clone()).is_ok();
            assert_eq!(fits && read, expected, "{order}");
        };
        check(json!("check disk usage"), true);
        check(json!({"tool": "monitor.disk"}), true);
        check(
            json!({"tool": "fs.delete", "arguments": {"path": "/srv/a"}}),
            true,
        );
        check(json!(""), false);
        check(json!("x".repeat(2001)), false);
        check(json!({"arguments": {}}), false);
        check(json!({"tool": "a.b", "arguments": "{}"}), false);
        check(json!({"tool": "a.b", "grant": {}}), false);
        check(json!({"tool": "a.b", "goal": "x"}), false);
        check(json!(5), false);
        check(json!(null), false);
    }

    #[test]
    fn what_is_shown_is_one_line() {
        let shown = Order::Goal("delete\nall\u{1b}[2J".into()).shown();
        assert!(!shown.contains(['\n', '\u{1b}']), "{shown}");
        let call = OrderedCall {
            tool: "monitor.disk".into(),
            ..OrderedCall::default()
        };
        assert_eq!(Order::Call(call).shown(), "monitor.disk {}");
    }
}
