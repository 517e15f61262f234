//! The tool traits, and their form without types that a registry keeps.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::argument::{Arguments, VERBS};
use crate::context::Context;
use crate::demand::{Collector, Demands};
use crate::error::ToolError;
use crate::format::bytes;
use crate::schema;
use crate::spec::{Declaration, Effect, Kind, Spec};
use crate::undo::{Capture, Step};

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

/// The largest output of a look, in bytes of JSON: with its summary it is one message of 4 MiB.
const OUTPUT_MAX: usize = 3 * 1024 * 1024;

/// Refuses an answer that would not arrive. A change has happened when its output is known, so only
/// a look is refused.
fn arrives(output: &Value) -> Result<(), ToolError> {
    let size = output.to_string().len();
    if size <= OUTPUT_MAX {
        return Ok(());
    }
    Err(ToolError::Precondition(format!(
        "the answer would be {}, more than the {} that one may be; ask for less",
        bytes(size as u64),
        bytes(OUTPUT_MAX as u64)
    )))
}

/// How a built-in tool does its work: as a [`Look`] or as a [`Change`].
trait Work<T: Tool>: Send + Sync + 'static {
    /// Does it look only?
    const LOOKS: bool;

    fn capture(_: &T::Input, _: &mut Capture, _: &Context) -> Result<(), ToolError> {
        Ok(())
    }
    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError>;
    fn found_done(
        _: &T::Input,
        _: &Interrupted<'_>,
        _: &Context,
    ) -> Result<Option<T::Output>, ToolError> {
        Ok(None)
    }
}

struct Looking;
struct Changing;

impl<T: Look> Work<T> for Looking {
    const LOOKS: bool = true;

    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
        T::look(input, context)
    }
}

impl<T: Change> Work<T> for Changing {
    const LOOKS: bool = false;

    fn capture(input: &T::Input, into: &mut Capture, context: &Context) -> Result<(), ToolError> {
        T::capture(input, into, context)
    }

    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
        let output = T::act(input, context)?;
        T::verify(input, &output, context)
            .map_err(|error| ToolError::Unverified(error.to_string()))?;
        Ok(output)
    }

    fn found_done(
        input: &T::Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<T::Output>, ToolError> {
        T::found_done(input, interrupted, context)
    }
}

/// A tool of this program that looks.
pub fn look<T: Look>() -> Arc<dyn ErasedTool> {
    Arc::new(BuiltIn::<T, Looking>::new(Kind::Look))
}

/// A tool of this program that changes something.
pub fn change<T: Change>() -> Arc<dyn ErasedTool> {
    Arc::new(BuiltIn::<T, Changing>::new(Kind::Change(T::effect())))
}

/// A tool of this program.
struct BuiltIn<T, W> {
    spec: Spec,
    input_schema: Value,
    tool: PhantomData<fn() -> (T, W)>,
}

impl<T: Tool, W: Work<T>> BuiltIn<T, W> {
    fn new(kind: Kind) -> Self {
        let declaration = T::declaration();
        let mut template = Collector::new(declaration.needs.clone(), false);
        T::Input::template(&mut template);
        let needs = template.finish().needs;
        let mut input_schema = schema::of::<T::Input>();
        if let Kind::Change(effect) = &kind {
            input_schema[VERBS] = effect.verbs.clone().into();
        }
        Self {
            spec: Spec {
                declaration,
                capabilities: needs.iter().map(ToString::to_string).collect(),
                kind,
            },
            input_schema,
            tool: PhantomData,
        }
    }

    fn prepared(&self, mut input: T::Input, context: &Context) -> Result<Prepared, ToolError> {
        input.guard(context)?;
        let mut collector = Collector::new(self.spec.needs.clone(), self.spec.changes());
        let reach = collector.reach();
        reach
            .read
            .extend(self.spec.reads.iter().map(std::path::PathBuf::from));
        if self.spec.changes_system {
            reach.write.push("/".into());
        }
        if self.spec.is_undone_by_files() {
            reach.write.push(context.state_dir().join("quarantine"));
            reach.read.push(context.state_dir().join("undo"));
        }
        input.demand(&mut collector)?;
        Ok(Prepared {
            demands: collector.finish(),
            call: Arc::new(Typed::<T, W> {
                input,
                work: PhantomData,
            }),
        })
    }
}

impl<T: Tool, W: Work<T>> ErasedTool for BuiltIn<T, W> {
    fn spec(&self) -> &Spec {
        &self.spec
    }

    fn input_schema(&self) -> &Value {
        &self.input_schema
    }

    fn output_schema(&self) -> Value {
        schema::of::<T::Output>()
    }

    fn prepare(&self, arguments: Value, context: &Context) -> Result<Prepared, ToolError> {
        schema::check(&self.input_schema, &arguments).map_err(ToolError::Invalid)?;
        let mut input = T::Input::deserialize(arguments)
            .map_err(|error| ToolError::Invalid(error.to_string()))?;
        T::complete(&mut input);
        input.resolve(context)?;
        T::relate(&mut input, context)?;
        self.prepared(input, context)
    }

    fn resume(&self, input: &Value, context: &Context) -> Result<Prepared, ToolError> {
        let input =
            T::Input::deserialize(input).map_err(|error| ToolError::Invalid(error.to_string()))?;
        self.prepared(input, context)
    }
}

/// A call of a built-in tool, with its typed arguments.
struct Typed<T: Tool, W> {
    input: T::Input,
    work: PhantomData<fn() -> W>,
}

impl<T: Tool, W> Typed<T, W> {
    fn done(&self, output: &T::Output) -> Result<Done, ToolError> {
        Ok(Done {
            summary: T::summarize(&self.input, output),
            output: to_value(output)?,
        })
    }
}

impl<T: Tool, W: Work<T>> Call for Typed<T, W> {
    fn input(&self) -> Result<Value, ToolError> {
        to_value(&self.input)
    }

    fn capture(&self, capture: &mut Capture, context: &Context) -> Result<(), ToolError> {
        W::capture(&self.input, capture, context)
    }

    fn act(&self, context: &Context) -> Result<Done, ToolError> {
        let done = self.done(&W::act(&self.input, context)?)?;
        if W::LOOKS {
            arrives(&done.output)?;
        }
        Ok(done)
    }

    fn found_done(
        &self,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<Done>, ToolError> {
        W::found_done(&self.input, interrupted, context)?
            .map(|output| self.done(&output))
            .transpose()
    }
}

fn to_value<T: Serialize>(value: &T) -> Result<Value, ToolError> {
    serde_json::to_value(value).map_err(|error| ToolError::Failed(error.to_string()))
}
