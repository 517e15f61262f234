//! The guard: what a plan may become, held against what the operator wrote. Pure.
//!
//! Every plan, whoever made it, passes here before it becomes a task; a [`Cleared`] plan
//! cannot be made elsewhere.
//!
//! 1. **Only an order leads to a change.** A question about an act is answered with what can be
//!    looked at, a ban with a word; what a clause forbids, only asks about or takes back is not
//!    touched ([`aios_reader::Reading::permits`]).
//! 2. **What was said is what is written**: the content of a writing act is a text of the goal,
//!    byte for byte ([`texts`]).
//! 3. **Done means all of it**: a plan that calls a goal done is refused while a path, text,
//!    number, service or clause of its orders was left out ([`done`]).
//!
//! A call that the operator named himself, with its arguments, is an order.

mod done;
mod look;
mod services;
mod texts;

use aios_goals::Goal;
use aios_reader::{Change, Mood, Objection, Reading, read};

use crate::plan::{Next, Plan};
use crate::registry::{Act, Catalog};

/// A plan that may become a task, or the end of its goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Cleared(Plan);

impl Cleared {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.0
    }

    /// For tests of what follows from a plan.
    #[cfg(test)]
    pub(crate) fn unchecked(plan: Plan) -> Self {
        Self(plan)
    }
}

/// So sure of a change must a plan be that words which the reader does not know may order it
/// (brain/README.md, "Two witnesses", says what was measured).
const SURE: f64 = 0.9;

/// Told when nothing was done for a question about an act.
pub const ASKED: &str = "nothing was done: you asked about it, you did not order it";

/// Told when nothing was done for a ban.
pub const FORBIDDEN: &str =
    "nothing was done, as you said; this holds for this goal only, not for later ones";

/// What is known about a goal when a plan for it is judged.
#[derive(Clone, Copy)]
pub struct Seen<'a> {
    /// The goal, with what was done for it.
    pub goal: &'a Goal,
    /// What there is to do.
    pub catalog: &'a Catalog,
    /// The services that are there.
    pub services: &'a [String],
}

/// Does the goal forbid, and neither order nor ask anything?
fn only_forbids(reading: &Reading) -> bool {
    let is = |mood: Mood| reading.clauses.iter().any(|clause| clause.mood == mood);
    let open = is(Mood::Unclear) || is(Mood::Unknown) || reading.orders() || reading.asks();
    is(Mood::Ban) && !open
}

/// The names of services matter for this goal: it may order something about one.
pub fn wants_services(goal: &Goal) -> bool {
    goal.call.is_none() && services::are_meant(&read(&goal.text))
}

/// The plan, or what is done instead of it.
pub fn clear(seen: Seen<'_>, plan: Plan) -> Cleared {
    if seen.goal.call.is_some() {
        return Cleared(plan);
    }
    let reading = read(&seen.goal.text);
    let judge = Judge {
        seen,
        reading: &reading,
        is_sure: plan.confidence >= SURE && matches!(plan.next, Next::Act(_)),
    };
    let only_forbids = seen.goal.tasks.is_empty() && only_forbids(&reading);
    let next = match plan.next.clone() {
        Next::Act(act) if !only_forbids || seen.catalog.changes(act.name()) => judge.act(act),
        _ if only_forbids => Next::Done {
            note: FORBIDDEN.to_owned(),
        },
        Next::Act(act) => judge.act(act),
        Next::Done { .. } => judge.done(),
        Next::Refuse(reason) => judge.refusal(reason),
    };
    Cleared(settled(plan, next))
}

/// The plan with another end; its record says that the guard changed it.
fn settled(plan: Plan, next: Next) -> Plan {
    if next == plan.next {
        return plan;
    }
    Plan {
        reason: format!("{}; changed by the guard", plan.reason),
        next,
        ..plan
    }
}

struct Judge<'a> {
    seen: Seen<'a>,
    reading: &'a Reading,
    /// Is whoever planned this very act sure that it was ordered?
    is_sure: bool,
}

impl Judge<'_> {
    fn act(&self, act: Act) -> Next {
        if !self.seen.catalog.changes(act.name()) {
            return Next::Act(act);
        }
        let act = match self.with_its_text(act) {
            Ok(act) => act,
            Err(reason) => return self.not_done(&reason),
        };
        match self.objection(&act) {
            None => Next::Act(act),
            Some(Objection::NoOrder) => self.not_ordered(&act),
            Some(objection) => match self.what_was_ordered(&act) {
                Some(ordered) => Next::Act(ordered),
                None => self.objected(act.name(), objection),
            },
        }
    }

    /// The act with the text that the goal means.
    fn with_its_text(&self, act: Act) -> Result<Act, String> {
        let text = texts::settled(&self.seen, self.reading, &act)?;
        let Some(arguments) = text else {
            return Ok(act);
        };
        let settled = self.seen.catalog.act(act.name(), arguments);
        settled.map_err(|fault| fault.to_string())
    }

    /// What speaks against the act's calls.
    fn objection(&self, act: &Act) -> Option<Objection<'_>> {
        act.calls().iter().find_map(|call| {
            if !self.seen.catalog.changes(&call.tool) {
                return None;
            }
            let change = Change {
                families: self.seen.catalog.families(&call.tool),
                changed: &self.seen.catalog.changed(call),
                verbs: self.seen.catalog.verbs(&call.tool),
                is_ban: self.seen.catalog.is_ban(&call.tool),
            };
            self.reading.permits(&change, self.is_sure).err()
        })
    }

    /// Nothing is ordered: look instead, or say that nothing was done.
    fn not_ordered(&self, act: &Act) -> Next {
        let is =
            |mood: fn(&Mood) -> bool| self.reading.clauses.iter().any(|clause| mood(&clause.mood));
        if is(|mood| matches!(mood, Mood::AskAct(_))) {
            return self.look_or_say();
        }
        let act = shown(act);
        if is(|mood| matches!(mood, Mood::Unclear | Mood::Unknown)) {
            return Next::Refuse(format!(
                "nothing was done: I cannot tell whether this is an order. Shall I do {act}? Then say it as an order"
            ));
        }
        if is(|mood| *mood == Mood::AskState) {
            return Next::Refuse(format!(
                "nothing was done: you asked, and I understood only {act}, which would change something"
            ));
        }
        if is(|mood| *mood == Mood::Ban) {
            return Next::Done {
                note: FORBIDDEN.to_owned(),
            };
        }
        Next::Refuse(format!(
            "nothing was done: this tells me something and orders nothing. If you want {act}, say it as an order"
        ))
    }

    /// A look at what the question is about that was not taken yet; else the answer.
    fn look_or_say(&self) -> Next {
        if let Some(look) = look::next(&self.seen, self.reading) {
            return Next::Act(look);
        }
        match self.seen.goal.tasks.is_empty() {
            true => Next::Refuse(format!(
                "{ASKED}, and there is nothing here that I could look at to answer you"
            )),
            false => Next::Done {
                note: ASKED.to_owned(),
            },
        }
    }

    /// Something is ordered, but not this.
    fn objected(&self, name: &str, objection: Objection<'_>) -> Next {
        if !self.seen.goal.tasks.is_empty() && self.left_out().is_empty() {
            return self.done(); // the rest of the goal is done
        }
        let why = match objection {
            Objection::NoOrder => "nothing was ordered".to_owned(),
            Objection::Forbidden(clause) => format!("you said {:?}", self.reading.words(clause)),
            Objection::OnlyAsked(clause) => {
                format!("{:?} is no order to change it", self.reading.words(clause))
            }
            Objection::Corrected(clause) => format!(
                "you took it back with {:?}; say the whole once more as you mean it",
                self.reading.words(clause)
            ),
        };
        self.not_done(&format!("{name} was not done: {why}"))
    }

    /// The plan gives up. All that was ordered may be done already; a question about an act can still be answered with a look.
    fn refusal(&self, reason: String) -> Next {
        if self.is_surely_done() {
            return self.done();
        }
        if let Some(next) = self.the_same_for_others() {
            return next;
        }
        let only_asked = !self.reading.orders() && self.asks_about_acts();
        match look::next(&self.seen, self.reading).filter(|_| only_asked) {
            Some(look) => Next::Act(look),
            None if only_asked && !self.seen.goal.tasks.is_empty() => Next::Done {
                note: ASKED.to_owned(),
            },
            None => Next::Refuse(reason),
        }
    }
}

fn shown(act: &Act) -> String {
    let values: Vec<String> = act
        .arguments()
        .values()
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect();
    format!("{} {}", act.name(), values.join(" "))
        .trim_end()
        .to_owned()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
