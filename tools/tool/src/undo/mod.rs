//! What is needed to take an execution back, captured before it acts.
//!
//! 1. A [`Step`] says how one thing was; it is durable before the act. Each kind of step is an
//!    [`Inverse`]: of one file, of a folder, of a move, of many changes together, or of an act that
//!    another call takes back.
//! 2. After the act every step is sealed with the state that the act left. Undo refuses when that is
//!    no longer what is there: it would lose what someone did since.
//! 3. An undo that was interrupted can be repeated: a step that is already as before is passed over,
//!    and a call is repeated under its own id, by which the daemon knows it again.

mod call;
mod capture;
mod change_set;
mod folder;
mod kept;
mod metadata;
mod moved;
mod moved_away;
mod restore;
mod step;

use serde_json::Value;

use crate::error::ToolError;

pub use call::InverseCall;
pub use capture::{Capture, Kept};
pub use change_set::{ChangeSet, Entry};
pub use folder::RemoveFolder;
pub use metadata::{Owned, RestoreMetadata};
pub use moved::MoveBack;
pub use restore::{Prior, Restore};
pub use step::{Sealed, Step, check, seal, take_back};

/// What takes one thing back that an act did.
pub trait Inverse {
    /// The keys of what it changes, as [`crate::demand::lock`] makes them.
    fn locks(&self) -> Vec<String>;

    /// How the thing is now that the act changed, as a line that differs when somebody changes it.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn state(&self) -> Result<String, ToolError>;

    /// How it was before the act.
    fn before(&self) -> &str;

    /// Could it be taken back now? Changes nothing. `all` are the steps that are taken back with
    /// it.
    ///
    /// # Errors
    /// `Precondition` with the reason why not.
    fn check(&self, all: &[Sealed]) -> Result<(), ToolError>;

    /// Is it back, now that what the act left is gone? `after` is the state that the act left.
    ///
    /// # Errors
    /// `Precondition` with what is missing: then it is lost.
    fn is_back(&self, after: &str) -> Result<(), ToolError> {
        let _ = after;
        Ok(())
    }

    /// Is it for itself to find out what a try that was interrupted has already done?
    fn resumes_itself(&self) -> bool {
        false
    }

    /// Does [`Self::check`] alone find out what was changed since, and [`Self::take_back`] what is
    /// still to be done? Then [`Self::state`] says nothing.
    fn judges_itself(&self) -> bool {
        false
    }

    /// Takes it back.
    ///
    /// # Errors
    /// Why it cannot be.
    fn take_back(&self, undoing: &Undoing<'_>, index: usize) -> Result<(), ToolError>;

    /// What is true once it is taken back, for people.
    fn undone(&self) -> String;
}

/// One undo under way.
#[derive(Clone, Copy)]
pub struct Undoing<'a> {
    /// Its name: of temporary files, and of the calls that it makes.
    pub name: &'a str,
    /// An undo of this name may have died anywhere in it.
    pub resumed: bool,
    /// Makes the calls that take something back.
    pub calls: &'a dyn Calls,
}

/// Whoever can make a call.
pub trait Calls {
    /// Makes a call once: under an id that was seen before, the former answer comes.
    ///
    /// # Errors
    /// Why the call was refused, or how it failed.
    fn call(&self, call_id: &str, tool: &str, arguments: &Value) -> Result<(), ToolError>;
}
