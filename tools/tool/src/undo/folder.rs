//! Removing a folder that an act made.

use rustix::fs::AtFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::{Inverse, Sealed, Step, Undoing};
use crate::argument::FILES;
use crate::demand::lock;
use crate::error::ToolError;
use crate::file::fingerprint::{self, ABSENT};
use crate::file::place::Place;

/// Removes a folder that was made, when nothing is in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveFolder {
    /// Which.
    pub path: String,
}

impl Inverse for RemoveFolder {
    fn locks(&self) -> Vec<String> {
        vec![lock(FILES, &self.path)]
    }

    fn state(&self) -> Result<String, ToolError> {
        match Place::open_if_any(&self.path)? {
            None => Ok(ABSENT.to_owned()),
            Some(place) => fingerprint::of_folder_itself(&place),
        }
    }

    fn before(&self) -> &str {
        ABSENT
    }

    /// The folder must be empty, but for folders that are removed as well.
    fn check(&self, all: &[Sealed]) -> Result<(), ToolError> {
        let removed = |child: &Place| {
            all.iter().any(|sealed| {
                matches!(&sealed.step, Step::RemoveFolder(folder) if child.shown() == folder.path)
            })
        };
        match Place::open(&self.path)?
            .children()?
            .iter()
            .find(|child| !removed(child))
        {
            None => Ok(()),
            Some(child) => Err(ToolError::Precondition(format!(
                "the folder {} is not empty ({} is in it); undo first what was put there",
                self.path,
                child.shown()
            ))),
        }
    }

    fn take_back(&self, _undoing: &Undoing<'_>, _index: usize) -> Result<(), ToolError> {
        remove_folder(&Place::open(&self.path)?)
    }

    fn undone(&self) -> String {
        format!("{} is gone again", self.path)
    }
}

fn remove_folder(place: &Place) -> Result<(), ToolError> {
    match rustix::fs::unlinkat(&place.parent, &place.name, AtFlags::REMOVEDIR) {
        Ok(()) => place.sync_parent(),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Err(ToolError::Precondition(format!(
            "the folder {} is not empty; undo first what was put there",
            place.shown()
        ))),
        Err(error) => Err(place.error(error)),
    }
}
