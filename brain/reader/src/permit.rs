//! Whether a change follows from what was ordered.

use crate::Reading;
use crate::clause::Clause;
use crate::lists::one_of;
use crate::mention::{Mention, MentionKind};
use crate::mood::Mood;
use crate::verbs::Family;

/// A change that somebody proposes.
#[derive(Clone, Debug, PartialEq)]
pub struct Change<'a> {
    /// What kinds of change it may be called.
    pub families: &'a [Family],
    /// The values of its arguments that name what is changed: paths, services, processes.
    pub changed: &'a [String],
    /// What people call the change, as verbs in their base form.
    pub verbs: &'a [String],
    /// Does it forbid something for later, as `disable` does? Then `don't let it start at boot` may
    /// be an order for it.
    pub is_ban: bool,
}

/// Why a change does not follow from the goal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Objection<'a> {
    /// Nothing was ordered.
    NoOrder,
    /// This clause forbids it.
    Forbidden(&'a Clause),
    /// This clause only asks about what would be changed, or tells something of it.
    OnlyAsked(&'a Clause),
    /// This clause takes back what would be changed.
    Corrected(&'a Clause),
}

impl Reading {
    /// Does this change follow from what was ordered? `witness`: somebody else, who is sure,
    /// takes for an order what the rules do not know; it can help nothing else.
    ///
    /// # Errors
    /// Why not.
    pub fn permits(&self, change: &Change<'_>, witness: bool) -> Result<(), Objection<'_>> {
        let orders_it = |clause: &Clause| witness && orders_a_ban(clause, change);
        if !(self.orders() || witness && self.may_order() || self.clauses.iter().any(orders_it)) {
            return Err(Objection::NoOrder);
        }
        let forbids = |clause: &&Clause| {
            clause.mood == Mood::Ban && !orders_it(clause) && self.forbids(clause, change)
        };
        if let Some(clause) = self.clauses.iter().find(forbids) {
            return Err(Objection::Forbidden(clause));
        }
        if let Some(clause) = self.correction(change) {
            return Err(Objection::Corrected(clause));
        }
        match self.only_asked(change) {
            Some(clause) => Err(Objection::OnlyAsked(clause)),
            None => Ok(()),
        }
    }

    /// Are there words that no rule knows, and none that ask about an act, forbid or are in doubt?
    fn may_order(&self) -> bool {
        let speaks_against =
            |clause: &Clause| matches!(clause.mood, Mood::Ban | Mood::AskAct(_) | Mood::Unclear);
        let unknown = |clause: &Clause| clause.mood == Mood::Unknown;
        self.clauses.iter().any(unknown) && !self.clauses.iter().any(speaks_against)
    }

    fn forbids(&self, clause: &Clause, change: &Change<'_>) -> bool {
        if is_bare(clause) {
            return true;
        }
        let kind = clause.any_change
            || clause.families.is_empty()
            || clause
                .families
                .iter()
                .any(|family| change.families.contains(family));
        if !kind {
            return false;
        }
        let things = self
            .mentions_of(clause)
            .filter(|mention| mention.kind == MentionKind::Path);
        let mut things = things.peekable();
        if things.peek().is_some() {
            return things.any(|thing| self.hits(thing, change));
        }
        let said = |value: &String| names(clause, value);
        if change.changed.iter().any(said) {
            return true;
        }
        // `… but don't delete it`, `don't delete anything`: of that kind, nothing. A ban of another
        // thing by a name that is not known here (`not the memory service`) bans no path.
        let vague = clause.words.iter().any(|word| {
            one_of(
                "it that this them anything everything any these those nothing",
                word.as_str(),
            )
        });
        let else_ = clause
            .words
            .iter()
            .any(|word| matches!(word.as_str(), "else" | "other" | "others" | "rest"));
        let ordered = self.clauses.iter().any(|order| {
            order.mood == Mood::Order
                && order
                    .families
                    .iter()
                    .any(|family| change.families.contains(family))
        });
        vague && !else_ && (!clause.families.is_empty() || clause.any_change) && !ordered
    }

    /// Is what would be changed the mention itself, within it, or around it?
    fn hits(&self, mention: &Mention, change: &Change<'_>) -> bool {
        let thing = plain(&mention.value);
        let destroys = change
            .families
            .iter()
            .any(|family| matches!(family, Family::Delete | Family::Move));
        change.changed.iter().any(|value| {
            let value = plain(value);
            value == thing || within(value, thing) || destroys && within(thing, value)
        })
    }

    /// The clause that takes back what this change would change.
    fn correction(&self, change: &Change<'_>) -> Option<&Clause> {
        let at = self.clauses.iter().position(|clause| clause.corrects)?;
        let clause = &self.clauses[at];
        let instead = self
            .mentions_after(clause.span.start)
            .find(|mention| mention.kind == MentionKind::Path)?;
        let before = self
            .mentions
            .iter()
            .rev()
            .filter(|mention| mention.span.end <= clause.span.start);
        let taken_back = before
            .clone()
            .find(|mention| mention.kind == MentionKind::Path)?;
        let again = self
            .mentions_after(clause.span.start)
            .any(|mention| mention.value == taken_back.value);
        let hit = change
            .changed
            .iter()
            .any(|value| plain(value) == plain(&taken_back.value));
        (hit && !again && instead.value != taken_back.value).then_some(clause)
    }

    fn mentions_after(&self, start: usize) -> impl Iterator<Item = &Mention> {
        self.mentions
            .iter()
            .filter(move |mention| mention.span.start >= start)
    }

    /// A clause that is no order, when what would be changed is named only there and no order
    /// refers to it (`is it there? then delete it`).
    fn only_asked(&self, change: &Change<'_>) -> Option<&Clause> {
        let refers = |clause: &Clause| {
            clause.mood == Mood::Order
                && clause.words.iter().any(|word| {
                    one_of("it that this them these those there one both same file folder directory all everything its so rid thing copy service", word.as_str())
                })
        };
        if self.clauses.iter().any(refers) {
            return None;
        }
        for value in change.changed.iter().filter(|value| value.starts_with('/')) {
            let here = |clause: &&Clause| {
                let mut paths = self
                    .mentions_of(clause)
                    .filter(|mention| mention.kind == MentionKind::Path);
                paths.any(|mention| {
                    plain(&mention.value) == plain(value)
                        || within(plain(value), plain(&mention.value))
                })
            };
            let ordered = self
                .clauses
                .iter()
                .filter(|clause| clause.mood == Mood::Order)
                .any(|clause| here(&clause));
            let asked = self.clauses.iter().filter(|clause| {
                matches!(
                    clause.mood,
                    Mood::AskAct(_) | Mood::AskState | Mood::Statement | Mood::Unclear
                )
            });
            if !ordered && let Some(clause) = asked.into_iter().find(here) {
                // A clause without a path of its own speaks of what was named before.
                let bare = self.clauses.iter().any(|clause| {
                    clause.mood == Mood::Order
                        && self
                            .mentions_of(clause)
                            .all(|mention| mention.kind != MentionKind::Path)
                });
                if !bare {
                    return Some(clause);
                }
            }
        }
        None
    }
}

/// `don't let it start at boot` may order to disable it. Nothing else that forbids does: neither
/// `don't disable it` nor `don't start it now`.
fn orders_a_ban(clause: &Clause, change: &Change<'_>) -> bool {
    let words = clause.words.join(" ");
    let words = words.strip_prefix("please ").unwrap_or(&words);
    let lets = ["do not", "don't", "never"].iter().any(|not| {
        let rest = words.strip_prefix(not).unwrap_or_default().trim_start();
        let verb = rest.strip_prefix("please ").unwrap_or(rest);
        one_of(
            "let allow permit",
            verb.split(' ').next().unwrap_or_default(),
        )
    });
    let called = |word: &String| {
        change
            .verbs
            .iter()
            .any(|verb| word.starts_with(verb.as_str()))
    };
    let ends = [Family::Delete, Family::Stop, Family::Kill, Family::Move];
    clause.mood == Mood::Ban
        && change.is_ban
        && lets
        && !clause.words.iter().any(called)
        && !clause
            .words
            .iter()
            .any(|word| one_of("off anyone anybody nobody", word))
        && !clause.families.iter().any(|family| ends.contains(family))
}

/// `… so don't`, `but do not do it`: takes everything back.
fn is_bare(clause: &Clause) -> bool {
    clause.words.iter().all(|word| {
        one_of("so but do don't not please it that yet actually just though tho now never no this really anything any of either doing", word.as_str())
    })
}

/// Does a word of the clause name the value, or the last part of its path?
fn names(clause: &Clause, value: &str) -> bool {
    let value = plain(value);
    let name = value.rsplit('/').next().unwrap_or(value).to_lowercase();
    let stem = name.split('.').next().unwrap_or(&name);
    let service = name
        .trim_start_matches("aios-")
        .trim_start_matches("agent-");
    clause
        .words
        .iter()
        .any(|word| word.len() > 1 && (*word == name || word == stem || word == service))
}

/// A path without the slash at its end.
pub(crate) fn plain(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.starts_with('/') => "/",
        plain => plain,
    }
}

/// Is the path inside the folder?
pub(crate) fn within(path: &str, folder: &str) -> bool {
    folder == "/"
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
}
