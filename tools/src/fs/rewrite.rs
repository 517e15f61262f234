//! Changes whose result follows from what a file holds: `fs.edit`, `text.patch`.

use aios_tool::argument::WritePath;
use aios_tool::prelude::*;
use aios_tool::undo::Step;

use super::put::{self, New, Put};

/// What the file holds afterwards, made from what it holds.
pub trait Rewriting {
    /// The new content.
    ///
    /// # Errors
    /// `Precondition` when the content is not such that it can be changed so.
    fn rewritten(&self, content: &[u8]) -> Result<Vec<u8>, ToolError>;
}

/// What would change.
///
/// # Errors
/// As [`put::put`], and what [`Rewriting::rewritten`] says.
pub fn preview(
    path: &WritePath,
    how: &impl Rewriting,
    context: &Context,
) -> Result<Preview, ToolError> {
    let new = how.rewritten(&content(path)?)?;
    put::foreseen(path, context, New::Whole(&new))
}

/// Keeps the file, when it can be changed.
///
/// # Errors
/// As [`preview`].
pub fn capture(
    path: &WritePath,
    how: &impl Rewriting,
    capture: &mut Capture,
) -> Result<(), ToolError> {
    how.rewritten(&content(path)?)?;
    capture.keep(path)
}

/// Changes the file, whole and at once.
///
/// # Errors
/// As [`preview`]; `Unverified` when the file holds something else afterwards.
pub fn act(path: &WritePath, how: &impl Rewriting, context: &Context) -> Result<Put, ToolError> {
    let new = how.rewritten(&content(path)?)?;
    let put = put::put(path, context, New::Whole(&new))?;
    super::has_content(path, &new)?;
    Ok(put)
}

/// After a crash: was what was kept changed into what is there?
///
/// # Errors
/// When what was kept cannot be read.
pub fn found_done(
    path: &WritePath,
    how: &impl Rewriting,
    steps: &[Step],
) -> Result<Option<Put>, ToolError> {
    let [Step::Restore(step)] = steps else {
        return Ok(None);
    };
    let Some(prior) = step.kept_content()? else {
        return Ok(None);
    };
    let new = how.rewritten(&prior)?;
    Ok(super::has_content(path, &new).is_ok().then_some(Put {
        prior_size: Some(prior.len() as u64),
        size: new.len() as u64,
        privileges_dropped: false,
    }))
}

/// The content of a file that may be changed.
fn content(path: &WritePath) -> Result<Vec<u8>, ToolError> {
    put::may_be_written(path)?;
    let place = path.place()?;
    place.existing()?;
    super::whole_content(&place)
}
