//! A goal in, a proposal out: encoding before the trunk, reading its states after.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use aios_reader::{Masked, read};

use crate::heads::{Decision, Heads, SlotSpan, Thresholds};
use crate::tokenizer::Tokenizer;
use crate::{BrainError, MAX_TOKENS};

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Call this tool or skill, where [`Proposal::confidence`] is enough for it.
    Call(String),
    /// Nothing that a tool does was asked for.
    None,
    /// Everything asked for is in the history.
    Done,
    /// The goal does not say enough, or the model is not sure that it is done: ask the operator.
    Ask,
}

/// What the model proposes; nothing in it has been checked against the registry.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The next act.
    pub act: Act,
    /// Calibrated probability of the likeliest label, 0 to 1.
    pub confidence: f32,
    /// How sure it has to be.
    pub thresholds: Thresholds,
    /// Other labels, best first.
    pub alternatives: Vec<(String, f32)>,
    /// Arguments, at most one for each parameter.
    pub arguments: Vec<Argument>,
}

/// One argument: a mention's value, or an exact substring of the goal or of a history entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The parameter.
    pub name: String,
    /// As it was said.
    pub text: String,
    /// Where it was said.
    pub source: Source,
    /// Its bytes there; none: not known.
    pub bytes: Range<usize>,
    /// Is it a mention's value, to the last byte, and not words of a sentence?
    pub is_exact: bool,
    /// The least certain of its tokens' probabilities, 0 to 1.
    pub confidence: f32,
}

/// Which text a token or an argument is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The goal.
    Goal,
    /// The history entry of this number.
    History(usize),
}

/// Which bytes of which text a token stands for: of the goal as it was written, where a
/// placeholder's token stands for the whole mention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenSource {
    /// The text.
    pub source: Source,
    /// First byte in it.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A sequence for the trunk, and what its tokens stand for.
#[derive(Clone, Debug, PartialEq)]
pub struct Encoded {
    /// `[CLS] goal [SEP] entry [SEP] …`: what the runtime's `Encode` takes.
    pub ids: Vec<u32>,
    /// For each token its text; `None` for `[CLS]` and `[SEP]`.
    pub tokens: Vec<Option<TokenSource>>,
    masked: Masked,
    history: Vec<String>,
}

/// An act that was carried out for the goal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// The tool or skill.
    pub act: String,
    /// Its arguments as text, by parameter.
    pub arguments: BTreeMap<String, String>,
    /// Did it succeed?
    pub succeeded: bool,
}

/// Tokenizer and heads of the operator model.
pub struct Operator {
    /// Text to token ids.
    pub tokenizer: Tokenizer,
    /// Token states to a decision.
    pub heads: Heads,
}

/// Characters of an argument that is no mention of the goal; as in training.
const HISTORY_ARGUMENT_CHARS: usize = 48;

impl Operator {
    /// Reads vocabulary, labels and heads from the folder.
    pub fn load(dir: &Path) -> Result<Self, BrainError> {
        Ok(Self {
            tokenizer: Tokenizer::load(dir)?,
            heads: Heads::load(dir)?,
        })
    }

    /// The sequence for a goal, its mentions masked, and for what was done for it so far,
    /// oldest first.
    ///
    /// A goal that does not fit is an error. Of the history, the oldest entries
    /// that do not fit are left out.
    pub fn encode(&self, goal: &str, done: &[Done]) -> Result<Encoded, BrainError> {
        let masked = read(goal).masked();
        let history: Vec<String> = done.iter().map(|done| self.entry(&masked, done)).collect();
        let mut encoded = Encoded {
            ids: vec![self.tokenizer.cls],
            tokens: vec![None],
            masked: masked.clone(),
            history: history.clone(),
        };
        self.append(&mut encoded, &masked.text, Source::Goal);
        let limit = MAX_TOKENS;
        if encoded.ids.len() > limit {
            return Err(BrainError::GoalTooLong {
                tokens: encoded.ids.len() - 2,
                limit: limit - 2,
            });
        }
        let mut room = limit - encoded.ids.len();
        let lengths = history
            .iter()
            .map(|entry| self.tokenizer.encode(entry).len() + 1);
        let kept = lengths
            .rev()
            .take_while(|n| room.checked_sub(*n).map(|r| room = r).is_some());
        let first = history.len() - kept.count();
        for (index, entry) in history.iter().enumerate().skip(first) {
            self.append(&mut encoded, entry, Source::History(index));
        }
        Ok(encoded)
    }

    /// What one finished act looks like to the model: `fs.mkdir path1 ok`.
    fn entry(&self, masked: &Masked, done: &Done) -> String {
        let mut entry = done.act.clone();
        let parameters = self.heads.parameters(&done.act).iter();
        for value in parameters.filter_map(|name| done.arguments.get(name)) {
            entry.push(' ');
            match masked.called(value) {
                Some(placeholder) => entry.push_str(placeholder),
                None => entry.extend(value.chars().take(HISTORY_ARGUMENT_CHARS)),
            }
        }
        entry.push_str(if done.succeeded { " ok" } else { " failed" });
        entry
    }

    fn append(&self, encoded: &mut Encoded, text: &str, source: Source) {
        for piece in self.tokenizer.encode(text) {
            let bytes = piece.start..piece.end;
            let bytes = match source {
                Source::Goal => encoded.masked.original(bytes),
                Source::History(_) => bytes,
            };
            encoded.ids.push(piece.id);
            encoded.tokens.push(Some(TokenSource {
                source,
                start: bytes.start,
                end: bytes.end,
            }));
        }
        encoded.ids.push(self.tokenizer.sep);
        encoded.tokens.push(None);
    }

    /// What the trunk's states (row-major, one row a token) say about the sequence.
    pub fn decide(&self, encoded: &Encoded, states: &[f32]) -> Result<Proposal, BrainError> {
        let decision = self
            .heads
            .decide(states, encoded.ids.len(), self.heads.width())?;
        let arguments = arguments(encoded, &decision.slots);
        let Decision {
            act: label,
            confidence,
            alternatives,
            ..
        } = decision;
        let thresholds = self.heads.thresholds();
        let act = match label.as_str() {
            "none" => Act::None,
            "ask" => Act::Ask,
            "done" if confidence >= thresholds.done => Act::Done,
            "done" => Act::Ask,
            _ => Act::Call(label),
        };
        Ok(Proposal {
            act,
            confidence,
            thresholds,
            alternatives,
            arguments,
        })
    }
}

/// The surest span of each slot, as text.
fn arguments(encoded: &Encoded, spans: &[SlotSpan]) -> Vec<Argument> {
    let mut arguments: Vec<Argument> = Vec::new();
    for found in spans.iter().filter_map(|span| argument(encoded, span)) {
        match arguments
            .iter_mut()
            .find(|argument| argument.name == found.name)
        {
            None => arguments.push(found),
            Some(known) if known.confidence < found.confidence => *known = found,
            Some(_) => {}
        }
    }
    arguments
}

fn argument(encoded: &Encoded, span: &SlotSpan) -> Option<Argument> {
    let first = (*encoded.tokens.get(span.token_start)?)?;
    let last = (*encoded.tokens.get(span.token_end.checked_sub(1)?)?)?;
    if first.source != last.source {
        return None;
    }
    let bytes = first.start..last.end;
    let (text, is_exact) = match first.source {
        Source::Goal => match encoded.masked.mention(&bytes) {
            Some(value) => (value, true),
            None => (clean(encoded.masked.goal().get(bytes.clone())?), false),
        },
        Source::History(index) => {
            let text = clean(encoded.history.get(index)?.get(bytes.clone())?);
            match encoded.masked.value(text) {
                Some(value) => (value, true),
                None => (text, false),
            }
        }
    };
    (!text.is_empty()).then(|| Argument {
        name: span.slot.clone(),
        text: text.to_owned(),
        source: first.source,
        bytes,
        is_exact,
        confidence: span.confidence,
    })
}

/// Without the white space, quotes and commas around it.
///
/// A quote goes only with its partner or when it has none: `print("hello")`
/// stays as it is. Full stops stay too: [`crate::values`] knows where they are
/// part of a value.
fn clean(text: &str) -> &str {
    let mut text = text.trim();
    loop {
        let before = text.len();
        for (open, close) in QUOTES {
            text = unquote(text, open, close);
        }
        text = text.trim_end_matches([',', ';', ':']).trim();
        if text.len() == before {
            return text;
        }
    }
}

const QUOTES: [(char, char); 6] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('“', '”'),
    ('‘', '’'),
    ('«', '»'),
];

fn unquote(text: &str, open: char, close: char) -> &str {
    let quotes = text.chars().filter(|c| *c == open || *c == close).count();
    match text
        .strip_prefix(open)
        .and_then(|rest| rest.strip_suffix(close))
    {
        Some(inner) if quotes == 2 => inner.trim(),
        _ if quotes == 1 => text.trim_start_matches(open).trim_end_matches(close),
        _ => text,
    }
}

#[cfg(test)]
#[path = "operator_tests.rs"]
mod tests;
