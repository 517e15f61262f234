//! Regular expressions as arguments.

use std::borrow::Cow;

use regex_lite::{Regex, RegexBuilder};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use aios_tool::argument::{Argument, KEY, Kind};
use aios_tool::context::Context;
use aios_tool::error::ToolError;

/// The longest, in characters.
const LENGTH_MAX: usize = 1000;
/// What one may take when it is compiled, in bytes: `(a{1000}){1000}` is short and would be large.
const COMPILED_MAX: usize = 1024 * 1024;

/// A regular expression. Matching takes time by the length of the text and of the expression, never
/// more, whatever they are.
#[derive(Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Expression(String);

impl Expression {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Ready to match.
    ///
    /// # Errors
    /// `Invalid`, saying what is wrong with it.
    pub fn compiled(&self) -> Result<Regex, ToolError> {
        RegexBuilder::new(&self.0)
            .size_limit(COMPILED_MAX)
            .build()
            .map_err(|error| ToolError::Invalid(format!("is no regular expression: {error}")))
    }
}

impl JsonSchema for Expression {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Expression".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let kind = Kind::Text.name();
        json_schema!({"type": "string", "minLength": 1, "maxLength": LENGTH_MAX, KEY: kind})
    }
}

impl Argument for Expression {
    fn resolve(&mut self, name: &str, _context: &Context) -> Result<(), ToolError> {
        self.compiled().map(drop).map_err(|error| match error {
            ToolError::Invalid(why) => ToolError::Invalid(format!("{name}: {why}")),
            other => other,
        })
    }
}
