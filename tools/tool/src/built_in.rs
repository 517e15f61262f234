//! Tools of this program: from their types to the form that a registry keeps.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::argument::{Arguments as _, VERBS};
use crate::context::Context;
use crate::demand::Collector;
use crate::edit::{self, Edit};
use crate::error::ToolError;
use crate::format::bytes;
use crate::preview::Preview;
use crate::schema;
use crate::spec::{Kind, Spec};
use crate::tool::{Call, Change, Done, ErasedTool, Interrupted, Look, Prepared, Tool};
use crate::undo::Capture;

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

/// How a built-in tool does its work: as a [`Look`], a [`Change`] or an [`Edit`].
trait Work<T: Tool>: Send + Sync + 'static {
    /// Does it look only?
    const LOOKS: bool;

    fn preview(_: &T::Input, _: &Context) -> Result<Preview, ToolError> {
        Err(ToolError::Invalid(format!(
            "{} changes nothing, so there is nothing to show beforehand",
            T::declaration().name
        )))
    }
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
struct Editing;

impl<T: Look> Work<T> for Looking {
    const LOOKS: bool = true;

    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
        T::look(input, context)
    }
}

impl<T: Change> Work<T> for Changing {
    const LOOKS: bool = false;

    fn preview(input: &T::Input, context: &Context) -> Result<Preview, ToolError> {
        T::preview(input, context)
    }

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

impl<T: Edit> Work<T> for Editing {
    const LOOKS: bool = false;

    fn preview(input: &T::Input, context: &Context) -> Result<Preview, ToolError> {
        T::preview(input, context)
    }

    fn capture(input: &T::Input, into: &mut Capture, context: &Context) -> Result<(), ToolError> {
        edit::capture::<T>(input, into, context)
    }

    fn act(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
        edit::act::<T>(input, context)
    }

    fn found_done(
        input: &T::Input,
        interrupted: &Interrupted<'_>,
        context: &Context,
    ) -> Result<Option<T::Output>, ToolError> {
        edit::found_done::<T>(input, interrupted, context)
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

/// A tool of this program whose whole effect is what is at some paths.
pub fn edit<T: Edit>() -> Arc<dyn ErasedTool> {
    Arc::new(BuiltIn::<T, Editing>::new(Kind::Change(T::effect())))
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
        reach
            .write
            .extend(self.spec.writes.iter().map(std::path::PathBuf::from));
        if self.spec.changes_own_state {
            reach.write.push(context.state_dir().join("tools"));
        }
        let own = self
            .spec
            .own
            .iter()
            .map(|folder| context.state_dir().join(folder));
        match self.spec.changes() {
            true => reach.write.extend(own),
            false => reach.read.extend(own),
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

    fn preview(&self, context: &Context) -> Result<Preview, ToolError> {
        W::preview(&self.input, context)
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
