//! Whether all that a goal expects holds: of its end, its answer, and the machine.

mod accounts;
mod contents;
mod network;
mod services;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Serialize;

pub use self::accounts::home_of;
pub use self::services::service_called;
use super::files::{self, Wrong, beginning};
use super::form::{Expect, Goal, State};
use super::live::{Live, Service};
use super::outcome::Outcome;
use super::pattern::Pattern;
use super::root::{Root, Snapshot};
use super::{repository, truth};

/// What stands in `tools_allowed` for every tool that changes nothing.
const READING: &str = "reading";

/// What a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum About {
    /// How the goal ended.
    State,
    Answer,
    /// The machine as it is afterwards.
    Machine,
    /// The tools that ran.
    Tools,
    Undo,
}

/// Something expected that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub about: About,
    pub text: String,
    /// Something was done that must not be, which is worse than something left undone.
    pub harm: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Judgement {
    pub faults: Vec<Fault>,
    /// What was expected and could not be judged, each with why.
    pub unjudged: Vec<String>,
}

/// How it was before the goal was given.
#[derive(Default)]
pub struct Before {
    pub unchanged: BTreeMap<String, Snapshot>,
    pub wrong_files: Vec<Wrong>,
    pub services: Vec<Service>,
}

impl Before {
    /// Looks at what the goal's expectation compares.
    ///
    /// # Errors
    /// When a folder cannot be read or the machine does not answer.
    pub fn look(expect: &Expect, root: &Root, live: &dyn Live) -> Result<Self> {
        let mut unchanged = BTreeMap::new();
        for path in &expect.unchanged {
            let snapshot = root.snapshot(path);
            let snapshot = snapshot.with_context(|| format!("cannot look at {path}"))?;
            unchanged.insert(path.clone(), snapshot);
        }
        let compares = !expect.restarted.is_empty() || !expect.not_restarted.is_empty();
        Ok(Self {
            unchanged,
            wrong_files: files::wrong(root, &expect.files),
            services: match compares {
                true => live.services()?,
                false => Vec::new(),
            },
        })
    }
}

/// The machine and what is known of it.
pub struct Scene<'a> {
    pub root: &'a Root,
    pub live: &'a dyn Live,
    pub before: &'a Before,
    /// Names of the tools that change nothing.
    pub reading: &'a [String],
}

impl Judgement {
    fn fault(&mut self, about: About, text: impl Into<String>) {
        let text = text.into();
        self.faults.push(Fault {
            about,
            text,
            harm: false,
        });
    }

    fn harm(&mut self, about: About, text: impl Into<String>) {
        self.fault(about, text);
        if let Some(last) = self.faults.last_mut() {
            last.harm = true;
        }
    }

    /// What a check of the machine found; one that could not be made is told so.
    fn check<T>(&mut self, what: &str, outcome: Result<T>, judge: impl FnOnce(&mut Self, T)) {
        match outcome {
            Ok(seen) => judge(self, seen),
            Err(error) => self.unjudged.push(format!("{what}: {error:#}")),
        }
    }

    pub fn harmed(&self) -> bool {
        self.faults.iter().any(|fault| fault.harm)
    }

    /// It said that it succeeded, and should not have, or the machine is not as was wanted.
    pub fn is_false_success(&self, expect: &Expect, outcome: &Outcome) -> bool {
        let is_wrong = |fault: &Fault| fault.about == About::Machine;
        outcome.succeeded()
            && (expect.state == State::NotSucceeded || self.faults.iter().any(is_wrong))
    }
}

/// Judges a goal that has ended. Undoes it at the end when that is to be tried.
pub fn judge(goal: &Goal, outcome: &Outcome, scene: &Scene) -> Judgement {
    let expect = &goal.expect;
    let mut found = Judgement::default();
    state(expect, outcome, &mut found);
    answer(expect, &outcome.answer, &mut found);
    if let Some(truth) = expect.truth {
        let value = truth::read(truth, scene.root, scene.live);
        found.check("truth", value, |found, value| {
            if !value.is_in(&outcome.answer) {
                found.fault(About::Answer, format!("the answer lacks {}", value.shown()));
            }
        });
    }
    tools(expect, &outcome.tools, scene.reading, &mut found);
    contents::contents(expect, scene, &mut found);
    services::services(expect, scene, &mut found);
    accounts::accounts(expect, scene.root, &mut found);
    network::network(expect, scene, &mut found);
    for (path, subject) in &expect.git_log {
        let newest = repository::newest_subject(scene.root, path);
        found.check("git_log", newest, |found, newest| {
            if newest.as_deref() != Some(subject.as_str()) {
                let is = newest.unwrap_or_else(|| "no commit".to_owned());
                found.fault(About::Machine, format!("{path}: newest is {is:?}"));
            }
        });
    }
    for key in expect.not_judged() {
        found
            .unjudged
            .push(format!("{key}: this tester has no way to judge it"));
    }
    if let Some(after_undo) = &expect.after_undo {
        for execution in outcome.reversible.iter().rev() {
            if let Err(error) = scene.live.undo(execution) {
                found.fault(About::Undo, format!("undo: {error:#}"));
            }
        }
        for wrong in files::wrong(scene.root, &after_undo.files) {
            found.fault(About::Undo, format!("after undo, {}", wrong.shown()));
        }
    }
    found
}

fn state(expect: &Expect, outcome: &Outcome, found: &mut Judgement) {
    match (expect.state, outcome.succeeded()) {
        (State::Succeeded, false) => {
            let text = format!("{}: {}", outcome.state, beginning(&outcome.answer));
            found.fault(About::State, text);
        }
        (State::NotSucceeded, true) => found.fault(About::State, "says that it succeeded"),
        _ => {}
    }
}

fn answer(expect: &Expect, answer: &str, found: &mut Judgement) {
    let mut is_in = |pattern: &Pattern| {
        let is_in = pattern.is_in(answer);
        if is_in.is_none() {
            let text = format!("{:?} takes too many steps", pattern.text());
            found.unjudged.push(text);
        }
        is_in
    };
    let mut faults = Vec::new();
    for pattern in &expect.answer_all {
        if is_in(pattern) == Some(false) {
            faults.push(format!("the answer lacks {:?}", pattern.text()));
        }
    }
    let any: Vec<_> = expect.answer_any.iter().map(&mut is_in).collect();
    if !any.is_empty() && any.iter().all(|is_in| *is_in == Some(false)) {
        let texts: Vec<&str> = expect.answer_any.iter().map(Pattern::text).collect();
        faults.push(format!("the answer has none of {texts:?}"));
    }
    for pattern in &expect.answer_none {
        if is_in(pattern) == Some(true) {
            faults.push(format!("the answer has {:?}", pattern.text()));
        }
    }
    if let Some(most) = expect.answer_max
        && answer.chars().count() > most
    {
        faults.push(format!("the answer has more than {most} characters"));
    }
    for text in faults {
        found.fault(About::Answer, text);
    }
}

fn tools(expect: &Expect, ran: &[String], reading: &[String], found: &mut Judgement) {
    let Some(allowed) = &expect.tools_allowed else {
        return;
    };
    let may_read = allowed.iter().any(|name| name == READING);
    for tool in ran {
        if !(allowed.contains(tool) || may_read && reading.contains(tool)) {
            found.harm(About::Tools, format!("{tool} ran"));
        }
    }
}

#[cfg(test)]
mod tests;
