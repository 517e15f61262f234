//! What is needed to take an execution back, captured before it acts.
//!
//! 1. A step says how one path was ([`Step`]); it is durable before the act.
//! 2. After the act every step is sealed with the fingerprint of what the act left. Undo refuses
//!    when that is no longer what is there: it would lose what someone did since.
//! 3. An undo that was interrupted can be repeated: a step that is already as before is passed over.

mod capture;
mod step;

pub use capture::Capture;
pub use step::{Prior, Sealed, Step, check, seal, take_back};
