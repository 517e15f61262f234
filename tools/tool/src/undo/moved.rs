//! Moving back what an act moved.

use serde::{Deserialize, Serialize};

use super::{Inverse, Sealed, Undoing, moved_away};
use crate::argument::FILES;
use crate::demand::lock;
use crate::error::ToolError;
use crate::file::fingerprint::{self, ABSENT};
use crate::file::name;
use crate::file::place::Place;
use crate::file::tree;

/// Moves something back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveBack {
    /// Where it was.
    pub from: String,
    /// Where the act moved it.
    pub to: String,
    /// What tells the folder that it was in from every other, to find the folder when it was moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
}

impl MoveBack {
    /// For a move that is about to be made.
    pub fn new(from: String, to: String) -> Self {
        let folder = moved_away::identity(&parent(&from));
        Self { from, to, folder }
    }

    /// Opens the old place, or says where its folder is now.
    fn source(&self) -> Result<Place, ToolError> {
        Place::open(&self.from).map_err(|error| {
            let folder = parent(&self.from);
            let now = self.folder.as_deref();
            match now.and_then(|identity| moved_away::find(&folder, identity)) {
                Some(now) => moved_away::refusal(&folder, &now),
                None => error,
            }
        })
    }

    /// The place where the act moved it.
    ///
    /// # Errors
    /// When its directory cannot be opened.
    pub fn destination(&self) -> Result<Place, ToolError> {
        Place::open(&self.to)
    }

    /// Post-condition of the move: it is there and no longer here, nor kept aside here by an
    /// execution of this id.
    ///
    /// # Errors
    /// `Unverified`, saying what does not hold.
    pub fn happened(&self, execution: &str) -> Result<(), ToolError> {
        let (from, to) = (&self.from, &self.to);
        let is_there = |path: &str| match Place::open_if_any(path)? {
            Some(place) => place.stat().map(|stat| stat.is_some()),
            None => Ok(false),
        };
        let fault = |text: String| Err(ToolError::Unverified(text));
        if let Ok(Some(place)) = Place::open_if_any(from)
            && !matches!(tree::aside(&place, execution).stat(), Ok(None))
        {
            return fault(format!("a part of {from} is still there"));
        }
        match (is_there(from)?, is_there(to)?) {
            (false, true) => Ok(()),
            (true, _) => fault(format!("{from} is still there")),
            (false, false) => fault(format!("{to} is not there")),
        }
    }
}

impl Inverse for MoveBack {
    fn locks(&self) -> Vec<String> {
        vec![lock(FILES, &self.from), lock(FILES, &self.to)]
    }

    fn state(&self) -> Result<String, ToolError> {
        fingerprint::at(&self.to)
    }

    fn before(&self) -> &str {
        ABSENT
    }

    /// The old place must be free.
    fn check(&self, _all: &[Sealed]) -> Result<(), ToolError> {
        match self.source()?.stat()? {
            None => Ok(()),
            Some(_) => Err(ToolError::Precondition(format!(
                "something new is at {}; undoing would lose it",
                self.from
            ))),
        }
    }

    /// What is no longer where the act moved it is where it was before, or it is lost.
    fn is_back(&self, after: &str) -> Result<(), ToolError> {
        let Self { from, to, .. } = self;
        let now = fingerprint::at(from)?;
        if now == after {
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

    /// How far a move came only the move itself can tell.
    fn resumes_itself(&self) -> bool {
        true
    }

    fn take_back(&self, undoing: &Undoing<'_>, _index: usize) -> Result<(), ToolError> {
        let (to, from) = (Place::open(&self.to)?, self.source()?);
        tree::relocate(&to, &from, undoing.name, undoing.resumed)
    }

    fn undone(&self) -> String {
        format!("{} is back", self.from)
    }
}

/// The folder of a path, both in their written form.
fn parent(path: &str) -> String {
    let path = name::decode(path);
    name::encode(path.parent().unwrap_or(&path))
}
