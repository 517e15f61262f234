//! The tool traits, and their form without types that a registry keeps. How a tool of this program gets
//! that form is in [`crate::built_in`].

use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::argument::Arguments;
use crate::context::Context;
use crate::demand::Demands;
use crate::error::ToolError;
use crate::preview::Preview;
use crate::spec::{Declaration, Effect, Spec};
use crate::undo::{Capture, Step};

pub use crate::built_in::{change, edit, look};

/// One tool: its arguments, its output, what it declares. It is also a [`Look`] or a [`Change`].
pub trait Tool: Send + Sync + 'static {
    /// The arguments.
    type Input: Arguments;
    /// What it found or did: the true values.
    type Output: Serialize + DeserializeOwned + JsonSchema;

    /// What it declares.
    fn declaration() -> Declaration;

    /// Puts in the defaults of arguments that may be absent, before the arguments are resolved.
    fn complete(_input: &mut Self::Input) {}

    /// Settles what depends on several arguments, after they were resolved and before they are
    /// guarded.
    ///
    /// # Errors
    /// `Invalid` when they do not go together.
    fn relate(_input: &mut Self::Input, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }

    /// One line (a few for lists) for the operator, with the true values.
    fn summarize(input: &Self::Input, output: &Self::Output) -> String;
}

/// A tool that looks only.
pub trait Look: Tool {
    /// Looks. Runs in its own confined thread.
    ///
    /// # Errors
    /// What went wrong.
    fn look(input: &Self::Input, context: &Context) -> Result<Self::Output, ToolError>;
}

/// A tool that changes something.
pub trait Change: Tool {
    /// What it promises.
    fn effect() -> Effect;

    /// What it would do, found out by looking only: the thread can write nothing. It runs before a
    /// person is asked, and again, under the locks of the call, before an act that was approved.
    ///
    /// # Errors
    /// What would hinder the act, as [`Self::act`] would say it.
    fn preview(input: &Self::Input, context: &Context) -> Result<Preview, ToolError>;

    /// Captures what is needed to take the act back, before the act.
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

    /// Does it. Runs in its own confined thread.
    ///
    /// # Errors
    /// What went wrong; then nothing may have changed.
    fn act(input: &Self::Input, context: &Context) -> Result<Self::Output, ToolError>;

    /// Checks the post-condition by looking at the system, not at what `act` says.
    ///
    /// # Errors
    /// What does not hold.
    fn verify(
        input: &Self::Input,
        output: &Self::Output,
        context: &Context,
    ) -> Result<(), ToolError>;

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

/// A finished and verified act.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// The output.
    pub output: Value,
    /// For the operator.
    pub summary: String,
}

/// A call whose arguments are valid, resolved and guarded.
#[derive(Clone)]
pub struct Prepared {
    /// What it demands.
    pub demands: Demands,
    /// The call itself, with its typed arguments.
    pub call: Arc<dyn Call>,
}

/// A [`Tool`] without types, wherever it comes from.
pub trait ErasedTool: Send + Sync {
    /// Its specification.
    fn spec(&self) -> &Spec;
    /// The JSON Schema of its arguments.
    fn input_schema(&self) -> &Value;
    /// The JSON Schema of its output.
    fn output_schema(&self) -> Value;
    /// Checks, parses, resolves and guards the arguments, and says what the call demands.
    ///
    /// # Errors
    /// `Invalid`, saying where; what hindered resolving; or `Denied` by a guard.
    fn prepare(&self, arguments: Value, context: &Context) -> Result<Prepared, ToolError>;
    /// The same for arguments that were resolved before, by a process that died in the call.
    ///
    /// # Errors
    /// As [`Self::prepare`].
    fn resume(&self, input: &Value, context: &Context) -> Result<Prepared, ToolError>;
}

/// One prepared call.
pub trait Call: Send + Sync {
    /// The resolved arguments, to be stored.
    ///
    /// # Errors
    /// When they are no JSON.
    fn input(&self) -> Result<Value, ToolError>;
    /// See [`Change::capture`]; a look captures nothing.
    ///
    /// # Errors
    /// When the act must not run.
    fn capture(&self, capture: &mut Capture, context: &Context) -> Result<(), ToolError>;
    /// See [`Change::preview`].
    ///
    /// # Errors
    /// `Invalid` for a look, which has nothing to show beforehand.
    fn preview(&self, context: &Context) -> Result<Preview, ToolError>;
    /// Looks, or acts and verifies; then summarises.
    ///
    /// # Errors
    /// What the tool answers, or `Unverified`.
    fn act(&self, context: &Context) -> Result<Done, ToolError>;
    /// See [`Change::found_done`].
    ///
    /// # Errors
    /// When it cannot be known now.
    fn found_done(
        &self,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Done>, ToolError>;
}
