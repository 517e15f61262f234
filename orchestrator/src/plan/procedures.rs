//! The reactive level: what was done for the same words before, without a model. Pure.

use std::collections::HashMap;

use aios_goals::{Arguments, End, Goal, Task};
use serde_json::Value;

/// Procedures that are kept; when there are more, all are forgotten and learnt anew.
const KEPT: usize = 1024;

/// One act of a procedure.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    /// Tool or skill.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// Where a goal is on its way along a procedure.
#[derive(Clone, Debug, PartialEq)]
pub enum Followed {
    /// This act is next.
    Next(Act),
    /// All is done.
    End,
}

/// Acts by the words that asked for them.
#[derive(Clone, Debug, Default)]
pub struct Procedures {
    known: HashMap<String, Vec<Act>>,
}

impl Procedures {
    /// Learns from a goal, if it succeeded and its words alone determine what to do; if it
    /// failed, what was known for its words is forgotten.
    pub fn learn(&mut self, goal: &Goal) {
        if let Some(End::Failed { .. }) = goal.end() {
            self.known.remove(&normalised(&goal.text));
        }
        if !goal.has_succeeded() || goal.call.is_some() || goal.tasks.is_empty() {
            return;
        }
        let acts = acts(goal);
        if !acts.iter().all(|act| said(act, &goal.text)) {
            return;
        }
        if self.known.len() >= KEPT {
            self.known.clear();
        }
        self.known.insert(normalised(&goal.text), acts);
    }

    /// What is next for the goal, if its words are known and it did what they mean so far.
    pub fn follow(&self, goal: &Goal) -> Option<Followed> {
        let acts = self.find(&goal.text)?;
        let mut pairs = goal.tasks.iter().zip(acts);
        if goal.tasks.len() > acts.len() || !pairs.all(|(task, act)| task.act == act.name) {
            return None;
        }
        let next = acts.get(goal.tasks.len()).cloned();
        Some(next.map_or(Followed::End, Followed::Next))
    }

    /// What to do for these words.
    pub fn find(&self, text: &str) -> Option<&[Act]> {
        let acts = self.known.get(&normalised(text))?;
        acts.iter().all(|act| said(act, text)).then_some(acts)
    }

    /// Forgets what is done for these words: it did not work.
    pub fn forget(&mut self, text: &str) {
        self.known.remove(&normalised(text));
    }
}

fn acts(goal: &Goal) -> Vec<Act> {
    let act = |task: &Task| Act {
        name: task.act.clone(),
        arguments: task.arguments.clone(),
    };
    goal.tasks.iter().map(act).collect()
}

/// Is every argument in these words, letter by letter? One that was seen meanwhile (the service
/// that was failing then) would be another one now; one in other letters is another file.
fn said(act: &Act, text: &str) -> bool {
    act.arguments.values().all(|value| match value {
        Value::String(value) => text.contains(value),
        value => text.contains(&value.to_string()),
    })
}

/// The words without what seldom makes a difference: case, white space, the final stop.
fn normalised(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    let words = words.join(" ").to_lowercase();
    words
        .trim_end_matches(['.', '!', '?'])
        .trim_end()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aios_goals::State;

    fn ended(end: End) -> State {
        State::Ended { end, at: 1 }
    }

    fn failed() -> State {
        let reason = String::new();
        ended(End::Failed { reason })
    }

    fn goal(text: &str, act: &str, arguments: &str) -> Goal {
        let answer = String::new();
        Goal {
            text: text.into(),
            state: ended(End::Succeeded { answer }),
            tasks: vec![Task {
                act: act.into(),
                arguments: serde_json::from_str(arguments).unwrap(),
                ..Task::default()
            }],
            ..Goal::default()
        }
    }

    #[test]
    fn the_same_words_are_known_and_others_not() {
        let mut procedures = Procedures::default();
        procedures.learn(&goal(
            "Write hello to /srv/A.txt",
            "fs.write",
            r#"{"path":"/srv/A.txt","content":"hello"}"#,
        ));
        let check =
            |text: &str, expected| assert_eq!(procedures.find(text).is_some(), expected, "{text}");
        check("write  hello to /srv/A.txt.", true);
        check("write hello to /srv/a.txt", false);
        check("write HELLO to /srv/A.txt", false);
        check("write hello to /srv/B.txt", false);
    }

    #[test]
    fn only_what_the_words_alone_determine_is_learnt() {
        let check = |goal: Goal, expected| {
            let mut procedures = Procedures::default();
            procedures.learn(&goal);
            assert_eq!(
                procedures.find(&goal.text).is_some(),
                expected,
                "{}",
                goal.text
            );
        };
        check(
            goal(
                "restart memory",
                "service.restart",
                r#"{"service":"memory"}"#,
            ),
            true,
        );
        check(
            goal("is port 9090 open?", "net.check_port", r#"{"port":9090}"#),
            true,
        );
        check(
            goal(
                "restart what fails",
                "service.restart",
                r#"{"service":"memory"}"#,
            ),
            false,
        );
        let failed = Goal {
            state: failed(),
            ..goal("list", "fs.list", "{}")
        };
        check(failed, false);
    }

    #[test]
    fn what_did_not_work_is_forgotten() {
        let mut procedures = Procedures::default();
        procedures.learn(&goal("cpu", "monitor.cpu", "{}"));
        procedures.learn(&Goal {
            state: failed(),
            ..goal("CPU?", "monitor.cpu", "{}")
        });
        assert_eq!(procedures.find("cpu"), None);
    }
}
