//! Approval: which changes that agents make run without a person, and what a person is asked.
//!
//! 1. [`rules`] decides, purely, by the configuration, by what persons decided to be always so, and by
//!    the tool's risk.
//! 2. Of a change for which a person is to be asked, a preview is made and kept in the [`book`], which
//!    outlives a restart. The caller is told that the call waits.
//! 3. A decision is about what was shown: it names the preview's digest. Before the act the preview is
//!    made again, under the locks of the call. When something else would happen now, a person is asked
//!    again.
//! 4. An approval is for one call, and only until it expires. The same call, repeated with its id, is
//!    made or refused by it.

pub mod book;
pub mod rules;

pub use book::{Asked, Book, Decision, Standing};
pub use rules::{Rules, Verdict};
