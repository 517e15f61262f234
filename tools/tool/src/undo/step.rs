//! The steps of taking an execution back, as they are stored.

use serde::{Deserialize, Serialize};

use super::{
    ChangeSet, Inverse, InverseCall, MoveBack, RemoveFolder, Restore, RestoreMetadata, Undoing,
    moved_away,
};
use crate::error::ToolError;
use crate::file::fingerprint::ABSENT;

/// How to take back one thing that an act did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Put back what was at a path.
    Restore(Restore),
    /// Remove a folder that was made.
    RemoveFolder(RemoveFolder),
    /// Move back.
    MoveBack(MoveBack),
    /// Give back owners and modes.
    RestoreMetadata(RestoreMetadata),
    /// Take many changes back together.
    ChangeSet(ChangeSet),
    /// Make another call.
    Call(InverseCall),
}

/// A step, and the state that the act left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// How the thing was after the act.
    pub after: String,
    /// What tells the thing that the act left from every other, to find it when it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl Step {
    /// What it does, whatever kind it is.
    pub fn inverse(&self) -> &dyn Inverse {
        match self {
            Self::Restore(step) => step,
            Self::RemoveFolder(step) => step,
            Self::MoveBack(step) => step,
            Self::RestoreMetadata(step) => step,
            Self::ChangeSet(step) => step,
            Self::Call(step) => step,
        }
    }
}

/// Notes the state that the act left.
///
/// # Errors
/// When it cannot be found out.
pub fn seal(steps: Vec<Step>) -> Result<Vec<Sealed>, ToolError> {
    let sealed = |step: Step| {
        let after = step.inverse().state()?;
        let identity = step.path().and_then(moved_away::identity);
        Ok(Sealed {
            step,
            after,
            identity,
        })
    };
    steps.into_iter().map(sealed).collect()
}

/// Can all steps be taken back? Changes nothing. `resumed`: an undo was begun before, and may have
/// done a part of them.
///
/// # Errors
/// `Precondition` with the first reason why not.
pub fn check(steps: &[Sealed], resumed: bool) -> Result<(), ToolError> {
    steps.iter().rev().try_for_each(|sealed| {
        let inverse = sealed.step.inverse();
        if inverse.judges_itself() {
            return inverse.check(steps);
        }
        if resumed && inverse.resumes_itself() || !needed(sealed)? {
            return Ok(());
        }
        inverse.check(steps)
    })
}

/// Is there something to take back? Not when it is already as before.
fn needed(sealed: &Sealed) -> Result<bool, ToolError> {
    let inverse = sealed.step.inverse();
    let now = inverse.state()?;
    if now == sealed.after {
        return Ok(true);
    }
    if now == inverse.before() {
        let back = inverse.is_back(&sealed.after);
        let is_known_back = back.is_ok() && matches!(sealed.step, Step::MoveBack(_));
        if now == ABSENT && sealed.after != ABSENT && !is_known_back {
            is_nowhere_else(sealed)?;
        }
        return back.map(|()| false);
    }
    if now == ABSENT {
        is_nowhere_else(sealed)?;
    }
    let what = if now == ABSENT { "removed" } else { "changed" };
    Err(ToolError::Precondition(format!(
        "{} was {what} since; undoing would lose that",
        sealed.step.changed()
    )))
}

/// Refuses when the thing is not gone but somewhere else, as when a folder above it was renamed.
fn is_nowhere_else(sealed: &Sealed) -> Result<(), ToolError> {
    let (Some(path), Some(identity)) = (sealed.step.path(), &sealed.identity) else {
        return Ok(());
    };
    match moved_away::find(path, identity) {
        None => Ok(()),
        Some(now) => Err(moved_away::refusal(path, &now)),
    }
}

impl Step {
    /// Where the thing is that the act left, if it is one thing.
    fn path(&self) -> Option<&str> {
        match self {
            Self::Restore(Restore { path, .. })
            | Self::RemoveFolder(RemoveFolder { path })
            | Self::MoveBack(MoveBack { to: path, .. }) => Some(path),
            Self::RestoreMetadata(_) | Self::ChangeSet(_) | Self::Call(_) => None,
        }
    }

    /// The thing that the act left, for people.
    fn changed(&self) -> &str {
        match self {
            Self::RestoreMetadata(step) => &step.path,
            Self::ChangeSet(_) => "what it changed",
            Self::Call(call) => &call.tool,
            one => one.path().unwrap_or_default(),
        }
    }
}

/// Takes all steps back, the last first, and checks each.
///
/// # Errors
/// What cannot be taken back, and why; steps after it in time are taken back already.
pub fn take_back(steps: &[Sealed], undoing: &Undoing<'_>) -> Result<(), ToolError> {
    for (index, sealed) in steps.iter().enumerate().rev() {
        let inverse = sealed.step.inverse();
        let alone = inverse.judges_itself() || undoing.resumed && inverse.resumes_itself();
        if alone || needed(sealed)? {
            inverse.take_back(undoing, index)?;
        }
        if inverse.state()? != inverse.before() {
            return Err(ToolError::Unverified(format!(
                "{} is not as it was before",
                sealed.step.changed()
            )));
        }
        let back = inverse.is_back(&sealed.after);
        back.map_err(|error| ToolError::Unverified(error.to_string()))?;
    }
    Ok(())
}
