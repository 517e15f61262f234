//! The operator model's own half: everything but the transformer.
//!
//! 1. **It understands, it does not invent.** One pass over a goal (and over
//!    what was done for it so far) gives the next act and, for each argument,
//!    a span of that text, with how sure the model is. Nothing else comes out.
//! 2. **The transformer is the runtime's.** This crate turns text into token
//!    ids, and the runtime's token states into a proposal. It does no I/O but
//!    reading its own files, and needs no model library.
//! 3. **Hostile text is text.** Control characters, emoji, markers such as
//!    `[SEP]` written by a user: they become ordinary tokens or nothing.
//! 4. **What decides is data.** Labels, slots, thresholds and temperature are
//!    in `operator.json`, written by `train.py` beside the weights they fit.
//!
//! Whether a proposal is allowed, complete and of the right types is the
//! orchestrator's to check, against the registry.

mod decode;
mod heads;
mod operator;
mod safetensors;
pub mod skills;
mod tokenizer;
pub mod values;

pub use heads::{Decision, Heads, SlotSpan, Thresholds};
pub use operator::{Act, Argument, Done, Encoded, Operator, Proposal, Source, TokenSource};
pub use tokenizer::{Piece, Tokenizer};

use std::path::PathBuf;

/// The longest sequence that is given to the model, in tokens.
///
/// It was trained on sequences of up to 96; the trunk has positions for 512.
pub const MAX_TOKENS: usize = 256;

/// Why the model's files cannot be used, or a text cannot be encoded.
#[derive(Debug, thiserror::Error)]
pub enum BrainError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path} is not usable: {detail}")]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// The goal does not fit into one sequence.
    #[error("the goal is too long for the operator model: {tokens} tokens, at most {limit}")]
    GoalTooLong {
        /// Tokens of the goal.
        tokens: usize,
        /// How many fit.
        limit: usize,
    },
    /// The states are not those of the sequence.
    #[error("the model's states do not fit: {detail}")]
    States {
        /// What was expected and what came.
        detail: String,
    },
}
