//! Tools whose whole effect is what is at some paths: accounts, schedules, settings. From the plan
//! follow the preview, the undo, the act, its repetition after a crash and the check of it.

mod plan;

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::changes::{self, Planned};
use crate::context::Context;
use crate::error::ToolError;
use crate::preview::{Foreseen, Preview};
use crate::spec::Effect;
use crate::tool::{Interrupted, Tool};
use crate::undo::{Capture, ChangeSet, Entry, InverseCall, Step};

pub use plan::{Plan, Shown, text_at};

/// A tool that changes what is at some paths, and nothing else but what follows from that.
///
/// Its declaration names the paths ([`crate::spec::Declaration::changing`]), its effect is undone by
/// [`crate::spec::Undo::ChangeSet`].
pub trait Edit: Tool {
    /// What it promises.
    fn effect() -> Effect;

    /// What is to be at which paths. Looks only; the same on an unchanged machine.
    ///
    /// # Errors
    /// What hinders the act.
    fn plan(input: &Self::Input, context: &Context) -> Result<Plan, ToolError>;

    /// What it would do. A tool whose plan is not the same each time (there is a time in it), or whose
    /// files say little to people, says it in other words, found out by looking.
    ///
    /// # Errors
    /// What hinders the act.
    fn preview(input: &Self::Input, context: &Context) -> Result<Preview, ToolError> {
        Ok(Self::plan(input, context)?
            .preview()?
            .with(Self::more(input)))
    }

    /// What follows from it that is no file, for the preview.
    fn more(_input: &Self::Input) -> Vec<Foreseen> {
        Vec::new()
    }

    /// Has whoever goes by the files take them up, after they are made: the kernel loads rules. May be
    /// done twice.
    ///
    /// # Errors
    /// What went wrong; then the files are taken back.
    fn apply(_input: &Self::Input, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }

    /// The call that has the files taken up once they are taken back.
    fn applied_by(_input: &Self::Input) -> Option<InverseCall> {
        None
    }

    /// What was done. `changed` is what was not so before.
    ///
    /// # Errors
    /// When it cannot be found out.
    fn output(
        input: &Self::Input,
        changed: &[Entry],
        context: &Context,
    ) -> Result<Self::Output, ToolError>;

    /// Checks by looking what the files are to bring about. That they are as planned is checked
    /// anyway.
    ///
    /// # Errors
    /// What does not hold.
    fn verify(_input: &Self::Input, _context: &Context) -> Result<(), ToolError> {
        Ok(())
    }
}

/// Works the plan out, keeps it for the act, and captures what it changes.
///
/// # Errors
/// When there is no plan, or it cannot be kept.
pub(crate) fn capture<T: Edit>(
    input: &T::Input,
    capture: &mut Capture,
    context: &Context,
) -> Result<(), ToolError> {
    let planned = keep(T::plan(input, context)?, context)?;
    if let Some(call) = T::applied_by(input) {
        // Undo goes the other way: the files first.
        capture.call(call);
    }
    capture.changes(&planned, context)
}

/// Makes what was captured, and checks it. When a part fails, all of it is taken back.
///
/// # Errors
/// What went wrong; `Unverified` when a part of it is left.
pub(crate) fn act<T: Edit>(input: &T::Input, context: &Context) -> Result<T::Output, ToolError> {
    let set = ChangeSet::of(context)?;
    let own: Vec<PathBuf> = T::declaration()
        .own
        .iter()
        .map(|folder| context.state_dir().join(folder))
        .collect();
    let planned = changes::read_within(&kept(context), &own)?;
    changes::made(&set, &planned, context.execution())?;
    if let Err(error) = T::apply(input, context) {
        set.give_up(context.execution()).map_err(|left| {
            ToolError::Unverified(format!("{error}; a part of it is left, because {left}"))
        })?;
        return Err(error);
    }
    if !set.is_made()? {
        return Err(ToolError::Unverified(
            "the files are not as they were planned".into(),
        ));
    }
    T::verify(input, context).map_err(|error| ToolError::Unverified(error.to_string()))?;
    T::output(input, &set.entries()?, context)
}

/// The process died in the act: it was made, or whatever was made of it is taken back.
///
/// # Errors
/// `Unverified` when it cannot be taken back, because others changed it since: that is how it ends.
pub(crate) fn found_done<T: Edit>(
    input: &T::Input,
    interrupted: &Interrupted<'_>,
    context: &Context,
) -> Result<Option<T::Output>, ToolError> {
    let sets = interrupted.steps.iter().find_map(|step| match step {
        Step::ChangeSet(set) => Some(set),
        _ => None,
    });
    let Some(set) = sets else { return Ok(None) };
    if set.is_made()? {
        T::apply(input, context)?;
        return T::output(input, &set.entries()?, context).map(Some);
    }
    set.end_interrupted(interrupted.execution)?;
    Ok(None)
}

/// Where the plan of an execution is kept for its act.
fn kept(context: &Context) -> PathBuf {
    folder(context).join("plan.jsonl")
}

fn folder(context: &Context) -> PathBuf {
    context.state_dir().join("undo").join(context.execution())
}

/// Keeps a plan with the contents that it has; [`Capture::changes`] makes it durable.
fn keep(plan: Plan, context: &Context) -> Result<Vec<Planned>, ToolError> {
    let path = kept(context);
    let contents = folder(context).join("planned");
    let write = || -> std::io::Result<Vec<Planned>> {
        std::fs::create_dir_all(&contents)?;
        let planned = plan.with_contents_in(&contents)?;
        write(&planned, &path)?;
        Ok(planned)
    };
    write().map_err(|error| ToolError::io(format!("keeping {}", path.display()), error))
}

fn write(planned: &[Planned], path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for one in planned {
        serde_json::to_writer(&mut file, one)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_all()
}
