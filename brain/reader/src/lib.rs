//! Reads what an operator wrote, before anybody tries to understand it. Pure functions.
//!
//! 1. **Mentions**: quoted texts, paths, addresses of the web, numbers and unquoted contents.
//!    Each has its bytes in the goal and its value; a value is never changed.
//! 2. **Clauses**, each with its [`Mood`]: an order, a ban, a question about an act, a question
//!    about a state, a statement, or unclear.
//! 3. **What follows**: whether a change is ordered ([`Reading::permits`]), and which parts of
//!    the goal were left out by what was done ([`Reading::left_out`]).
//!
//! The rules err on the side of doing nothing: where a clause is no clear order, no change
//! follows from it. English only.
//!
//! What must not live here: anything that knows tools, services or models.

mod clause;
mod content;
mod coverage;
mod lists;
mod mask;
mod mention;
mod mood;
mod permit;
mod quotes;
mod rules;
mod segment;
mod token;
mod verbs;

pub use clause::Clause;
pub use coverage::{LeftOut, Used};
pub use mask::{Masked, Place};
pub use mention::{Mention, MentionKind};
pub use mood::{Form, Mood};
pub use permit::{Change, Objection};
pub use verbs::Family;

/// A goal, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// What the operator wrote.
    pub text: String,
    /// In the order of the text; they do not overlap.
    pub mentions: Vec<Mention>,
    /// In the order of the text.
    pub clauses: Vec<Clause>,
}

/// Reads a goal.
pub fn read(text: &str) -> Reading {
    let mentions = mention::find(text);
    let tokens = token::split(text, &mentions);
    let clauses = clause::split(&tokens, &mentions);
    Reading {
        text: text.to_owned(),
        mentions,
        clauses,
    }
}

impl Reading {
    /// Does any clause order something that could be a change?
    pub fn orders(&self) -> bool {
        self.clauses.iter().any(|clause| clause.mood == Mood::Order)
    }

    /// Does any clause want something looked at or answered?
    pub fn asks(&self) -> bool {
        let asks = |clause: &Clause| matches!(clause.mood, Mood::AskState | Mood::AskAct(_));
        self.clauses.iter().any(asks)
    }

    /// The clause's words, as they were written.
    pub fn words(&self, clause: &Clause) -> &str {
        self.text
            .get(clause.span.clone())
            .unwrap_or_default()
            .trim()
    }

    /// The mentions of a clause.
    pub fn mentions_of<'a>(&'a self, clause: &'a Clause) -> impl Iterator<Item = &'a Mention> {
        let inside = |mention: &&Mention| clause.span.contains(&mention.span.start);
        self.mentions.iter().filter(inside)
    }
}
