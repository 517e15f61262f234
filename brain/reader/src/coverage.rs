//! What of a goal was left out by what was done.

use crate::Reading;
use crate::clause::Clause;
use crate::lists::one_of;
use crate::mention::{Mention, MentionKind};
use crate::mood::Mood;
use crate::permit::{plain, within};
use crate::token::PATH;
use crate::verbs::{self, Family};

/// One act that was carried out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Used {
    /// Did it change anything?
    pub changes: bool,
    /// What kinds of change it may be called.
    pub families: Vec<Family>,
    /// All its arguments, as text.
    pub values: Vec<String>,
}

/// A part of the goal for which nothing was done.
#[derive(Clone, Debug, PartialEq)]
pub enum LeftOut<'a> {
    /// No act used it.
    Mention(&'a Mention),
    /// No act carries it out.
    Clause(&'a Clause),
}

/// What a number may be counted in: seconds in minutes, bytes in kilobytes …
const UNITS: [u64; 12] = [
    1,
    60,
    3_600,
    86_400,
    604_800,
    1_000,
    1_024,
    1_000_000,
    1_048_576,
    1_000_000_000,
    1_073_741_824,
    1_099_511_627_776,
];

impl Reading {
    /// What the acts left out of what was ordered and asked.
    pub fn left_out(&self, acts: &[Used]) -> Vec<LeftOut<'_>> {
        let wanted = |clause: &&Clause| {
            matches!(
                clause.mood,
                Mood::Order | Mood::AskState | Mood::Unclear | Mood::Unknown
            )
        };
        let mut left: Vec<LeftOut<'_>> = Vec::new();
        for clause in self.clauses.iter().filter(wanted) {
            let unused = self
                .mentions_of(clause)
                .filter(|mention| !self.is_taken_back(mention) && !is_used(mention, acts));
            left.extend(unused.map(LeftOut::Mention));
        }
        let undone = self.undone(acts);
        // Its mention says it already.
        let undone = undone.into_iter().filter(|clause| {
            !left.iter().any(|other| matches!(other, LeftOut::Mention(mention) if clause.span.contains(&mention.span.start)))
        });
        let undone: Vec<LeftOut<'_>> = undone.map(LeftOut::Clause).collect();
        left.extend(undone);
        left
    }

    /// Was it corrected by a later clause?
    fn is_taken_back(&self, mention: &Mention) -> bool {
        let Some(correction) = self
            .clauses
            .iter()
            .find(|clause| clause.corrects && clause.span.start >= mention.span.end)
        else {
            return false;
        };
        let before =
            self.mentions.iter().rev().find(|other| {
                other.span.end <= correction.span.start && other.kind == mention.kind
            });
        let replaced = self.mentions.iter().any(|other| {
            other.span.start >= correction.span.start
                && std::mem::discriminant(&other.kind) == std::mem::discriminant(&mention.kind)
        });
        replaced && before == Some(mention)
    }

    /// The orders, and the looks that follow them, that no act carries out.
    fn undone(&self, acts: &[Used]) -> Vec<&Clause> {
        let mut free: Vec<&Used> = acts.iter().filter(|act| act.changes).collect();
        let looked = acts.iter().any(|act| !act.changes);
        let mut undone = Vec::new();
        let mut ordered = false;
        for clause in &self.clauses {
            match clause.mood {
                Mood::Order if (is_act(clause) || repeats(clause)) && !clause.corrects => {
                    ordered = true;
                    let fits = |act: &&Used| {
                        clause.families.is_empty()
                            || act.families.is_empty()
                            || act
                                .families
                                .iter()
                                .any(|family| clause.families.contains(family))
                    };
                    match free.iter().position(fits) {
                        Some(at) => drop(free.remove(at)),
                        None => undone.push(clause),
                    }
                }
                // `… and show it to me`: asks for more than what the change itself answers.
                Mood::AskState if ordered && !looked && wants_look(clause) => undone.push(clause),
                _ => {}
            }
        }
        undone
    }
}

/// Does the clause name an act of its own? `, in two minutes` does not.
fn is_act(clause: &Clause) -> bool {
    let first = |word: &String| verbs::is_change(word);
    clause.words.iter().take(6).any(first)
        && !clause
            .words
            .first()
            .is_some_and(|word| one_of("if when before after once since because", word.as_str()))
}

/// `then /srv/b likewise`: the act of the clause before it, once more.
fn repeats(clause: &Clause) -> bool {
    let again = |word: &String| one_of("likewise too also same", word.as_str());
    clause.words.iter().any(again) && clause.words.iter().any(|word| word == PATH)
}

/// `then show it`, but not `and tell me when it is done`.
fn wants_look(clause: &Clause) -> bool {
    let word = |at: usize| clause.words.get(at).map_or("", String::as_str);
    let looks = (0..4).any(|at| {
        one_of(
            "show list read print display cat ls check what what's how is which count give tell",
            word(at),
        )
    });
    let reports = clause.words.iter().any(|word| {
        one_of(
            "done finished when ready went worked succeeded complete happened result",
            word.as_str(),
        )
    });
    looks && !reports
}

fn is_used(mention: &Mention, acts: &[Used]) -> bool {
    let mut values = acts.iter().flat_map(|act| &act.values);
    match mention.kind {
        MentionKind::Path => {
            let path = plain(&mention.value);
            values.any(|value| {
                let value = plain(value);
                value == path || within(value, path) || value.contains(&mention.value)
            })
        }
        MentionKind::Number(number) => values.any(|value| {
            let exact = UNITS
                .iter()
                .any(|unit| value.parse() == Ok(number.saturating_mul(*unit)));
            exact
                || value
                    .split(|c: char| !c.is_ascii_digit())
                    .any(|part| part.parse() == Ok(number))
                || value.to_lowercase().contains(&mention.value.to_lowercase())
        }),
        MentionKind::Name => {
            let name = mention.value.to_lowercase();
            values.any(|value| value.to_lowercase().contains(&name))
        }
        _ => values.any(|value| value.contains(mention.value.trim())),
    }
}
