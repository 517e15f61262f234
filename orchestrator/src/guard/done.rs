//! Is all of a goal done? Pure.

use std::ops::Range;

use aios_goals::{Arguments, Execution, Task, TaskState, engine};
use aios_reader::{Clause, LeftOut, Mention, MentionKind, Mood, Used};
use serde_json::Value;

use super::{ASKED, Judge, look, services};
use crate::plan::Next;
use crate::registry::Act;

/// What stands between an act and the same act for something else.
const AND: &str = "and";

impl Judge<'_> {
    /// The goal's end, or what is still to be done, or why it is not done.
    pub(super) fn done(&self) -> Next {
        if !self.reading.orders()
            && self.asks_about_acts()
            && let Some(look) = look::next(&self.seen, self.reading)
        {
            return Next::Act(look);
        }
        let left = self.left_out();
        if let Some(next) = self.the_same_for_others() {
            return next;
        }
        if left.is_empty() {
            return Next::Done { note: self.note() };
        }
        if !self.reading.orders() && self.only_about_acts() {
            return self.look_or_say();
        }
        self.not_done(&format!("not done: {}", left.join(", ")))
    }

    /// Is nothing left, not even what is unclear? Then a plan that does not know how to go on has
    /// been led astray by a ban or by words that are to be written.
    pub(super) fn is_surely_done(&self) -> bool {
        let is_open = |clause: &Clause| match clause.mood {
            Mood::Unclear | Mood::Unknown | Mood::AskAct(_) => true,
            Mood::AskState => self.used().iter().all(|act| act.changes),
            _ => false,
        };
        !self.seen.goal.tasks.is_empty()
            && self.reading.orders()
            && !self.reading.clauses.iter().any(is_open)
            && self.left_out().is_empty()
    }

    /// The same act on the one thing that was ordered and not done, instead of one that may not be
    /// touched: `delete A but not B` with a plan to delete B.
    pub(super) fn what_was_ordered(&self, act: &Act) -> Option<Act> {
        let mut all = act.arguments().iter();
        let (parameter, _) = all.next().filter(|(_, value)| value.is_string())?;
        if all.next().is_some() {
            return None;
        }
        let kinds = self.seen.catalog.families(act.name());
        let used = self.used();
        let left = self.reading.left_out(&used);
        let mut ordered = left.iter().filter_map(|part| match part {
            LeftOut::Mention(mention) if mention.kind == MentionKind::Path => Some(*mention),
            _ => None,
        });
        let one = ordered.next().filter(|_| ordered.next().is_none())?;
        let clause = self
            .reading
            .clauses
            .iter()
            .find(|clause| clause.span.contains(&one.span.start))?;
        let fits = clause.mood == Mood::Order
            && clause.families.iter().any(|family| kinds.contains(family));
        if !fits {
            return None;
        }
        let mut arguments = Arguments::new();
        arguments.insert(parameter.clone(), one.value.clone().into());
        let ordered = self.seen.catalog.act(act.name(), arguments).ok()?;
        self.objection(&ordered).is_none().then_some(ordered)
    }

    /// The goal ends without success: what was done, and how to take it back, belongs to it.
    pub(super) fn not_done(&self, why: &str) -> Next {
        let done = engine::done_so_far(self.seen.goal);
        match done.is_empty() {
            true => Next::Refuse(format!("nothing was done: {why}")),
            false => Next::Refuse(format!("not all of it was done. {why}")),
        }
    }

    pub(super) fn asks_about_acts(&self) -> bool {
        let asks = |clause: &Clause| matches!(clause.mood, Mood::AskAct(_));
        self.reading.clauses.iter().any(asks)
    }

    fn only_about_acts(&self) -> bool {
        self.reading
            .clauses
            .iter()
            .all(|clause| clause.mood != Mood::AskState)
    }

    /// What to say beside the answer.
    fn note(&self) -> String {
        let asked: Vec<&Clause> = self
            .reading
            .clauses
            .iter()
            .filter(|clause| matches!(clause.mood, Mood::AskAct(_)))
            .collect();
        match (asked.as_slice(), self.reading.orders()) {
            ([], _) => String::new(),
            (_, false) => ASKED.to_owned(),
            ([first, ..], true) => format!(
                "nothing was done about {:?}: that asks, it orders nothing",
                self.reading.words(first)
            ),
        }
    }

    /// What was left out, in the operator's words.
    pub(super) fn left_out(&self) -> Vec<String> {
        let used = self.used();
        let mut left: Vec<String> = Vec::new();
        for part in self.reading.left_out(&used) {
            left.push(match part {
                LeftOut::Mention(mention) => match mention.kind {
                    MentionKind::Path | MentionKind::Url => mention.value.clone(),
                    _ => format!("{:?}", mention.value),
                },
                LeftOut::Clause(clause) => format!("{:?}", self.reading.words(clause)),
            });
        }
        for clause in self
            .reading
            .clauses
            .iter()
            .filter(|clause| clause.mood == Mood::Order)
        {
            let named = services::named(clause, self.reading.words(clause), self.seen.services);
            let missed = named.into_iter().filter(|name| {
                !used
                    .iter()
                    .any(|act| act.values.iter().any(|value| value == name))
            });
            left.extend(missed.map(|name| format!("the service {name}")));
        }
        left.dedup();
        left
    }

    /// Every call that was made for the goal.
    fn used(&self) -> Vec<Used> {
        let made = |execution: &Execution| {
            let values = execution.arguments.values().map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            Used {
                changes: self.seen.catalog.changes(&execution.tool),
                families: self.seen.catalog.families(&execution.tool).to_vec(),
                values: values.collect(),
            }
        };
        let tasks = self.seen.goal.tasks.iter();
        tasks
            .filter(|task| task.state == TaskState::Succeeded)
            .flat_map(|task| &task.executions)
            .map(made)
            .collect()
    }

    /// What was done once and is ordered for something else, too.
    pub(super) fn the_same_for_others(&self) -> Option<Next> {
        self.the_same_for_another()
            .or_else(|| self.the_same_in_a_row())
    }

    /// `write 12 to A and 13 to B`, `move A to B and C to D`: the act once more, with the next
    /// mentions of the clause in the places of those that it had.
    fn the_same_in_a_row(&self) -> Option<Next> {
        let used = self.used();
        let left: Vec<&Mention> = self
            .reading
            .left_out(&used)
            .into_iter()
            .filter_map(|part| match part {
                LeftOut::Mention(mention) => Some(mention),
                LeftOut::Clause(_) => None,
            })
            .collect();
        let tasks = self.seen.goal.tasks.iter();
        let task = tasks
            .rev()
            .find(|task| task.state == TaskState::Succeeded)?;
        let mut had = Vec::with_capacity(task.arguments.len());
        for (parameter, value) in &task.arguments {
            had.push((self.mention_of(value)?, parameter, value));
        }
        had.sort_by_key(|(mention, ..)| mention.span.start);
        let next = left.get(..had.len()).filter(|next| next.len() > 1)?;
        let clause = |mention: &Mention| {
            let mut clauses = self.reading.clauses.iter();
            clauses.position(|clause| clause.span.contains(&mention.span.start))
        };
        let here = clause(had.last()?.0)?;
        if self.reading.clauses.get(here)?.mood != Mood::Order {
            return None;
        }
        let mut arguments = Arguments::new();
        for (place, ((before, parameter, value), mention)) in had.iter().zip(next).enumerate() {
            let (from, joint) = match place.checked_sub(1) {
                Some(last) => (next[last].span.end, self.between(had[last].0, before)),
                None => (had.last()?.0.span.end, AND.to_owned()),
            };
            let said = self.joint(from..mention.span.start);
            let alike =
                std::mem::discriminant(&before.kind) == std::mem::discriminant(&mention.kind);
            if !alike || clause(mention) != Some(here) || said != joint {
                return None;
            }
            let value = match (value.is_number(), mention.kind) {
                (true, MentionKind::Number(number)) => number.into(),
                _ => mention.value.clone().into(),
            };
            arguments.insert((*parameter).clone(), value);
        }
        let act = self.seen.catalog.act(&task.act, arguments).ok()?;
        match self.act(act) {
            Next::Act(act) => Some(Next::Act(act)),
            _ => None,
        }
    }

    /// The words between two mentions that say how the one stands to the other.
    fn between(&self, one: &Mention, other: &Mention) -> String {
        self.joint(one.span.end..other.span.start)
    }

    /// The words of a part of the goal, without those that only say what kind of thing follows.
    fn joint(&self, bytes: Range<usize>) -> String {
        const KINDS: [&str; 9] = [
            "the",
            "a",
            "an",
            "number",
            "word",
            "text",
            "file",
            "folder",
            "directory",
        ];
        let text = self.reading.text.get(bytes).unwrap_or_default();
        let lower = text
            .to_lowercase()
            .replace(',', " and ")
            .replace(" and  and ", " and ");
        let words = lower
            .split_whitespace()
            .filter(|word| !KINDS.contains(word));
        words.collect::<Vec<_>>().join(" ")
    }

    /// The mention that has exactly this value.
    fn mention_of(&self, value: &Value) -> Option<&Mention> {
        let same = |mention: &&Mention| match (value, mention.kind) {
            (Value::Number(number), MentionKind::Number(said)) => number.as_u64() == Some(said),
            (Value::String(text), _) => *text == mention.value,
            _ => false,
        };
        self.reading.mentions.iter().find(same)
    }

    /// `delete A and B`: what was done to the one is done to the other, when they stand in one
    /// clause and the act has no other argument.
    fn the_same_for_another(&self) -> Option<Next> {
        let used = self.used();
        let left = self.reading.left_out(&used);
        let other = left.iter().find_map(|part| match part {
            LeftOut::Mention(mention) if mention.kind == MentionKind::Path => Some(*mention),
            _ => None,
        })?;
        let clause = self
            .reading
            .clauses
            .iter()
            .find(|clause| clause.span.contains(&other.span.start))?;
        let task = self
            .seen
            .goal
            .tasks
            .iter()
            .rev()
            .find(|task| self.is_of(task, clause))?;
        let (parameter, _) = only_argument(task)?;
        let mut arguments = Arguments::new();
        arguments.insert(parameter.to_owned(), other.value.clone().into());
        let act = self.seen.catalog.act(&task.act, arguments).ok()?;
        let allowed = !self.seen.catalog.changes(act.name()) || self.objection(&act).is_none();
        allowed.then_some(Next::Act(act))
    }

    /// Is the task's only argument a path of this clause, and all of the clause's verbs its kind?
    fn is_of(&self, task: &Task, clause: &Clause) -> bool {
        let Some((_, value)) = only_argument(task) else {
            return false;
        };
        let here = self
            .reading
            .mentions_of(clause)
            .any(|mention| mention.kind == MentionKind::Path && mention.value == value);
        let kinds = self.seen.catalog.families(&task.act);
        let fits = match self.seen.catalog.changes(&task.act) {
            true => clause.families.iter().any(|family| kinds.contains(family)),
            false => clause.families.is_empty(),
        };
        here && fits && task.state == TaskState::Succeeded
    }
}

/// The task's argument, if it has exactly one, and that is a text.
fn only_argument(task: &Task) -> Option<(&str, &str)> {
    let mut all = task.arguments.iter();
    let (name, value) = all.next()?;
    match all.next() {
        None => Some((name, value.as_str()?)),
        Some(_) => None,
    }
}
