//! One step of taking an execution back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::AtFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::fs::fingerprint::{self, ABSENT};
use crate::fs::install::{self, Replace, temporary_name};
use crate::fs::meta::Meta;
use crate::fs::place::Place;
use crate::fs::tree;

/// How a path was before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prior {
    /// Nothing was there.
    Absent,
    /// A file.
    File {
        /// All but its content.
        meta: Meta,
        /// Where its content is kept.
        content: PathBuf,
    },
    /// A symbolic link.
    Symlink {
        /// Owner and times.
        meta: Meta,
        /// Where it pointed to.
        target: Vec<u8>,
    },
}

/// How to take back what the act did to one path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// Put back what was there.
    Restore {
        /// Where.
        path: String,
        /// What.
        prior: Prior,
        /// Its fingerprint.
        fingerprint: String,
    },
    /// Remove a folder that was made, when nothing is in it.
    RemoveFolder {
        /// Which.
        path: String,
    },
    /// Move back.
    MoveBack {
        /// Where it was.
        from: String,
        /// Where the act moved it.
        to: String,
    },
}

/// A step, and what the act left where it works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sealed {
    /// The step.
    #[serde(flatten)]
    pub step: Step,
    /// The fingerprint of what the act left.
    pub after: String,
}

impl Step {
    /// The paths that it changes.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Restore { path, .. } | Self::RemoveFolder { path } => vec![path],
            Self::MoveBack { from, to } => vec![from, to],
        }
    }

    /// What is true of the path once the step is taken back, for people.
    pub fn undone(&self) -> String {
        match self {
            Self::Restore {
                path,
                prior: Prior::Absent,
                ..
            }
            | Self::RemoveFolder { path } => format!("{path} is gone again"),
            Self::Restore { path, .. } => format!("{path} is as it was before"),
            Self::MoveBack { from, .. } => format!("{from} is back"),
        }
    }

    fn fingerprint(&self) -> Result<String, ToolError> {
        match (self, Place::open_if_any(self.target())?) {
            (_, None) => Ok(ABSENT.to_owned()),
            (Self::RemoveFolder { .. }, Some(place)) => fingerprint::of_folder_itself(&place),
            (_, Some(place)) => fingerprint::of(&place),
        }
    }

    /// Where the act left something.
    fn target(&self) -> &str {
        match self {
            Self::Restore { path, .. } | Self::RemoveFolder { path } => path,
            Self::MoveBack { to, .. } => to,
        }
    }

    /// The fingerprint of how it was before, where the act left something.
    fn before(&self) -> &str {
        match self {
            Self::Restore { fingerprint, .. } => fingerprint,
            Self::RemoveFolder { .. } | Self::MoveBack { .. } => ABSENT,
        }
    }
}

/// Notes what the act left.
///
/// # Errors
/// When it cannot be read.
pub fn seal(steps: Vec<Step>) -> Result<Vec<Sealed>, ToolError> {
    let sealed = |step: Step| {
        let after = step.fingerprint()?;
        Ok(Sealed { step, after })
    };
    steps.into_iter().map(sealed).collect()
}

/// Can all steps be taken back? Changes nothing. `resumed`: an undo was begun before; how far it
/// moved things back only the move itself can tell.
///
/// # Errors
/// `Precondition` with the first reason why not.
pub fn check(steps: &[Sealed], resumed: bool) -> Result<(), ToolError> {
    steps
        .iter()
        .rev()
        .try_for_each(|sealed| match &sealed.step {
            Step::MoveBack { .. } if resumed => Ok(()),
            _ if !needed(sealed)? => Ok(()),
            Step::MoveBack { from, .. } => free(from),
            Step::RemoveFolder { path } => empty(path, steps),
            Step::Restore { .. } => Ok(()),
        })
}

/// Is there something to take back? Not when it is already as before.
fn needed(sealed: &Sealed) -> Result<bool, ToolError> {
    let now = sealed.step.fingerprint()?;
    if now == sealed.after {
        return Ok(true);
    }
    if now == sealed.step.before() {
        if let Step::MoveBack { from, to } = &sealed.step {
            is_back(from, to, &sealed.after)?;
        }
        return Ok(false);
    }
    let what = if now == ABSENT { "removed" } else { "changed" };
    Err(ToolError::Precondition(format!(
        "{} was {what} since; undoing would lose that",
        sealed.step.target()
    )))
}

/// What is no longer where the act moved it is where it was before, or it is lost.
fn is_back(from: &str, to: &str, moved: &str) -> Result<(), ToolError> {
    let now = match Place::open_if_any(from)? {
        Some(place) => fingerprint::of(&place)?,
        None => ABSENT.to_owned(),
    };
    if now == moved {
        return Ok(());
    }
    let instead = if now == ABSENT {
        "nothing"
    } else {
        "something else"
    };
    Err(ToolError::Precondition(format!(
        "what was at {from} was moved to {to} and is gone from there, and {instead} is at {from}; \
         it cannot be brought back"
    )))
}

/// Moving back needs the old place to be free.
fn free(from: &str) -> Result<(), ToolError> {
    match Place::open(from)?.stat()? {
        None => Ok(()),
        Some(_) => Err(ToolError::Precondition(format!(
            "something new is at {from}; undoing would lose it"
        ))),
    }
}

/// Removing a folder needs it to be empty, but for folders that are removed as well.
fn empty(path: &str, steps: &[Sealed]) -> Result<(), ToolError> {
    let removed = |child: &Place| {
        steps.iter().any(|sealed| {
            matches!(&sealed.step, Step::RemoveFolder { path } if child.path == Path::new(path))
        })
    };
    match Place::open(path)?
        .children()?
        .iter()
        .find(|child| !removed(child))
    {
        None => Ok(()),
        Some(child) => Err(ToolError::Precondition(format!(
            "the folder {path} is not empty ({} is in it); undo first what was put there",
            child.path.display()
        ))),
    }
}

/// Takes all steps back, the last first, and checks each. `resumed`: an undo of this name may have
/// died anywhere in it.
///
/// # Errors
/// What cannot be taken back, and why; steps after it in time are taken back already.
pub fn take_back(steps: &[Sealed], execution: &str, resumed: bool) -> Result<(), ToolError> {
    for sealed in steps.iter().rev() {
        let moves = matches!(sealed.step, Step::MoveBack { .. });
        if moves && resumed || needed(sealed)? {
            apply(&sealed.step, execution, resumed)?;
        }
        let now = sealed.step.fingerprint()?;
        if now != sealed.step.before() {
            return Err(ToolError::Unverified(format!(
                "{} is not as it was before",
                sealed.step.paths().join(" and ")
            )));
        }
        if let Step::MoveBack { from, to } = &sealed.step {
            is_back(from, to, &sealed.after)
                .map_err(|error| ToolError::Unverified(error.to_string()))?;
        }
    }
    Ok(())
}

fn apply(step: &Step, execution: &str, resumed: bool) -> Result<(), ToolError> {
    match step {
        Step::Restore { path, prior, .. } => restore(&Place::open(path)?, prior, execution),
        Step::RemoveFolder { path } => remove_folder(&Place::open(path)?),
        Step::MoveBack { from, to } => {
            tree::relocate(&Place::open(to)?, &Place::open(from)?, execution, resumed)
        }
    }
}

fn restore(place: &Place, prior: &Prior, execution: &str) -> Result<(), ToolError> {
    match prior {
        Prior::Absent => {
            // Out of sight at once; the rest may take a while.
            let temporary = place.sibling(&temporary_name(execution));
            tree::remove(&temporary)?;
            install::into_place(place, &temporary, Replace::No)?;
            tree::remove(&temporary)?;
            place.sync_parent()
        }
        Prior::File { meta, content } => {
            let mut kept = File::open(content)
                .map_err(|error| ToolError::io(format!("reading {}", content.display()), error))?;
            install::install(place, execution, meta, Replace::Yes, |file| {
                io::copy(&mut kept, file).map(drop)
            })?;
            meta.apply_times(place)
        }
        Prior::Symlink { meta, target } => {
            let temporary = place.sibling(&temporary_name(execution));
            tree::remove(&temporary)?;
            rustix::fs::symlinkat(&target[..], &temporary.parent, &temporary.name)
                .map_err(|error| place.error(error))?;
            meta.apply(&temporary)?;
            install::into_place(&temporary, place, Replace::Yes)
        }
    }
}

fn remove_folder(place: &Place) -> Result<(), ToolError> {
    match rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR) {
        Ok(()) => place.sync_parent(),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(ToolError::Precondition(format!(
            "the folder {} is not empty; undo first what was put there",
            place.path.display()
        ))),
        Err(error) => Err(place.error(error)),
    }
}
