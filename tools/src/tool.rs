//! The tool trait, and its form without types that the registry keeps.

use std::marker::PhantomData;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::error::ToolError;
use crate::schema;
use crate::spec::Spec;
use crate::undo::{Capture, Step};

/// One tool. It is a type without values; everything it needs comes with the call.
pub trait Tool: 'static {
    /// The arguments. `deny_unknown_fields`, small closed types, doc comments on each field.
    type Input: Serialize + DeserializeOwned + JsonSchema;
    /// What it found or did: the true values.
    type Output: Serialize + DeserializeOwned + JsonSchema;
    /// What it declares.
    const SPEC: Spec;

    /// Puts arguments into the form on which capabilities are checked and the act works: paths
    /// resolved, defaults filled in. Every `{field}` of [`Spec::capabilities`] must be there after it.
    ///
    /// # Errors
    /// When they cannot be resolved.
    fn resolve(_input: &mut Self::Input, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }

    /// Captures what [`Spec::reversible`] promises to put back, before the act.
    ///
    /// # Errors
    /// When that cannot be done; then the act does not run.
    fn capture(
        _input: &Self::Input,
        _capture: &mut Capture,
        _context: &Context,
    ) -> Result<(), ToolError> {
        Ok(())
    }

    /// Does it, or looks. Runs in its own confined thread.
    ///
    /// # Errors
    /// What went wrong; then nothing may have changed.
    fn act(input: &Self::Input, context: &Context) -> Result<Self::Output, ToolError>;

    /// Checks the post-condition by looking at the system, not at what `act` says.
    ///
    /// # Errors
    /// What does not hold.
    fn verify(
        _input: &Self::Input,
        _output: &Self::Output,
        _context: &Context,
    ) -> Result<(), String> {
        Ok(())
    }

    /// One line (a few for lists) for the operator, with the true values.
    fn summarize(input: &Self::Input, output: &Self::Output) -> String;

    /// The process died between intent and completion: was the effect reached? `None` when it was
    /// not; then the call may be run again.
    ///
    /// # Errors
    /// When that cannot be known now.
    fn found_done(
        _input: &Self::Input,
        _interrupted: &Interrupted<'_>,
        _context: &Context,
    ) -> Result<Option<Self::Output>, ToolError> {
        Ok(None)
    }
}

/// What is known of an execution that has an intent and no completion.
#[derive(Clone, Copy, Debug)]
pub struct Interrupted<'a> {
    /// When the intent was written.
    pub started: SystemTime,
    /// The execution's id.
    pub execution: &'a str,
    /// What was captured before it.
    pub steps: &'a [Step],
}

/// A call whose arguments are valid and resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The resolved input.
    pub input: Value,
    /// The capabilities it needs: `fs:write:/srv/hello.txt`.
    pub needs: Vec<String>,
}

/// A finished and verified act.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The output.
    pub output: Value,
    /// For the operator.
    pub summary: String,
}

/// A [`Tool`] over JSON.
pub trait ErasedTool: Send + Sync {
    /// Its declaration.
    fn spec(&self) -> &'static Spec;
    /// The JSON Schema of its arguments.
    fn input_schema(&self) -> &Value;
    /// The JSON Schema of its output.
    fn output_schema(&self) -> Value;
    /// Validates, resolves, and says what is needed.
    ///
    /// # Errors
    /// `Invalid`, saying where; or what hindered resolving.
    fn prepare(&self, arguments: &Value, context: &Context) -> Result<Prepared, ToolError>;
    /// See [`Tool::capture`].
    ///
    /// # Errors
    /// When the act must not run.
    fn capture(
        &self,
        input: &Value,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError>;
    /// Acts, verifies, summarises.
    ///
    /// # Errors
    /// What [`Tool::act`] answers, or `Unverified`.
    fn act(&self, input: &Value, context: &Context) -> Result<Done, ToolError>;
    /// See [`Tool::found_done`].
    ///
    /// # Errors
    /// When it cannot be known now.
    fn found_done(
        &self,
        input: &Value,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Done>, ToolError>;
}

/// Makes a [`Tool`] an [`ErasedTool`].
pub struct Erased<T> {
    input_schema: Value,
    tool: PhantomData<fn() -> T>,
}

impl<T: Tool> Default for Erased<T> {
    fn default() -> Self {
        Self {
            input_schema: schema::of::<T::Input>(),
            tool: PhantomData,
        }
    }
}

impl<T: Tool> Erased<T> {
    fn done(input: &T::Input, output: &T::Output) -> Result<Done, ToolError> {
        Ok(Done {
            summary: T::summarize(input, output),
            output: to_value(output)?,
        })
    }
}

impl<T: Tool> ErasedTool for Erased<T> {
    fn spec(&self) -> &'static Spec {
        const { &T::SPEC }
    }

    fn input_schema(&self) -> &Value {
        &self.input_schema
    }

    fn output_schema(&self) -> Value {
        schema::of::<T::Output>()
    }

    fn prepare(&self, arguments: &Value, context: &Context) -> Result<Prepared, ToolError> {
        schema::check(&self.input_schema, arguments).map_err(ToolError::Invalid)?;
        let mut input: T::Input = from_value(arguments)?;
        T::resolve(&mut input, context)?;
        let input = to_value(&input)?;
        let needs = T::SPEC
            .capabilities
            .iter()
            .map(|template| fill(template, &input))
            .collect::<Result<_, _>>()?;
        Ok(Prepared { input, needs })
    }

    fn capture(
        &self,
        input: &Value,
        capture: &mut Capture,
        context: &Context,
    ) -> Result<(), ToolError> {
        T::capture(&from_value(input)?, capture, context)
    }

    fn act(&self, input: &Value, context: &Context) -> Result<Done, ToolError> {
        let input: T::Input = from_value(input)?;
        let output = T::act(&input, context)?;
        T::verify(&input, &output, context).map_err(ToolError::Unverified)?;
        Self::done(&input, &output)
    }

    fn found_done(
        &self,
        input: &Value,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Done>, ToolError> {
        let input: T::Input = from_value(input)?;
        T::found_done(&input, interrupted, context)?
            .map(|output| Self::done(&input, &output))
            .transpose()
    }
}

fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, ToolError> {
    T::deserialize(value).map_err(|error| ToolError::Invalid(error.to_string()))
}

fn to_value<T: Serialize>(value: &T) -> Result<Value, ToolError> {
    serde_json::to_value(value).map_err(|error| ToolError::Failed(error.to_string()))
}

/// Replaces `{field}` by that field of the input.
fn fill(template: &str, input: &Value) -> Result<String, ToolError> {
    let mut filled = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (field, tail) = after
            .split_once('}')
            .ok_or_else(|| ToolError::Failed(format!("capability template {template:?}")))?;
        filled.push_str(before);
        match input.get(field) {
            Some(Value::String(text)) => filled.push_str(text),
            Some(Value::Number(number)) => filled.push_str(&number.to_string()),
            _ => return Err(ToolError::Invalid(format!("{field}: is missing"))),
        }
        rest = tail;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_is_filled_from_the_resolved_input() {
        let input = serde_json::json!({"path": "/srv/x", "pid": 7, "none": null});
        let check = |template, expected: Option<&str>| {
            assert_eq!(
                fill(template, &input).ok().as_deref(),
                expected,
                "{template}"
            );
        };
        check("fs:write:{path}", Some("fs:write:/srv/x"));
        check("process:signal:{pid}", Some("process:signal:7"));
        check("monitor:read:cpu", Some("monitor:read:cpu"));
        check("fs:write:{none}", None);
        check("fs:write:{absent}", None);
        check("fs:write:{broken", None);
    }
}
