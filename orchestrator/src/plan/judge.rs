//! Whether what the operator model proposes is done: against the registry, the services that are
//! there, and what was done before. Pure.

use std::time::Duration;

use aios_brain::{Act as Proposed, Argument, Proposal};
use aios_goals::{Arguments, Goal, Level};
use aios_tool::argument::Kind;

use super::cohere::cohere;
use super::exact::Command;
use super::{Next, Plan, bind, done};
use crate::registry::Catalog;

/// An act of less confidence is not near enough to be named.
const NEAR: f64 = 0.01;

/// Must the services that are there be known to check it?
pub fn names_a_service(proposal: &Proposal, catalog: &Catalog) -> bool {
    let Proposed::Call(act) = &proposal.act else {
        return false;
    };
    let services = catalog.named(act, Kind::Service);
    let mut said = proposal.arguments.iter();
    said.any(|argument| services.contains(&argument.name))
}

/// The model's proposal, checked.
pub fn operational(
    goal: &Goal,
    proposal: Proposal,
    catalog: &Catalog,
    services: &[String],
) -> Plan {
    let alternatives: Vec<(String, f64)> = proposal
        .alternatives
        .iter()
        .map(|(act, confidence)| (act.clone(), f64::from(*confidence)))
        .collect();
    let (next, why) = judge(goal, &proposal, &alternatives, catalog, services);
    Plan {
        next,
        level: Some(Level::Operational),
        confidence: f64::from(proposal.confidence),
        alternatives,
        reason: format!("{why}; reactive: not known; tactical and strategic: not there"),
        cost: Duration::ZERO,
    }
}

/// A command in shell words, checked.
pub fn commanded(goal: &Goal, command: Command, catalog: &Catalog, services: &[String]) -> Plan {
    let (next, why) = checked(goal, command.act, command.said, catalog, services);
    super::reactive(next, &format!("a command in shell words: {why}"))
}

fn judge(
    goal: &Goal,
    proposal: &Proposal,
    alternatives: &[(String, f64)],
    catalog: &Catalog,
    services: &[String],
) -> (Next, &'static str) {
    let begun = !goal.tasks.is_empty();
    match &proposal.act {
        Proposed::Done if begun => (done(), "the model sees nothing more to do"),
        // Not success: what was asked for is not all done.
        Proposed::None | Proposed::Ask if begun => (
            Next::Refuse(beyond(UNSURE_OF_THE_REST, alternatives)),
            "the model does not understand the rest",
        ),
        Proposed::Done | Proposed::None => (
            Next::Refuse(beyond("this is beyond what I can do", alternatives)),
            "the model finds nothing that a tool does",
        ),
        Proposed::Ask => (
            Next::Refuse(beyond("I am not sure what is wanted", alternatives)),
            "the model is not sure enough",
        ),
        Proposed::Call(act) if !is_sure(act, proposal, catalog) => {
            let mut nearest = alternatives.to_vec();
            nearest.insert(0, (act.clone(), f64::from(proposal.confidence)));
            let what = match begun {
                true => UNSURE_OF_THE_REST,
                false => "I am not sure what is wanted",
            };
            (
                Next::Refuse(beyond(what, &nearest)),
                "the model is not sure enough",
            )
        }
        Proposed::Call(act) => checked(goal, act, proposal.arguments.clone(), catalog, services),
    }
}

/// Said when acts are done and the model does not know how to go on.
const UNSURE_OF_THE_REST: &str =
    "the tasks above are done, but I am not sure that they are all you asked for";

/// A wrong look costs little, a wrong change much.
fn is_sure(act: &str, proposal: &Proposal, catalog: &Catalog) -> bool {
    let enough = match catalog.changes(act) {
        true => proposal.thresholds.change,
        false => proposal.thresholds.look,
    };
    proposal.confidence >= enough
}

/// The act with what was said for it, against the registry.
fn checked(
    goal: &Goal,
    act: &str,
    said: Vec<Argument>,
    catalog: &Catalog,
    services: &[String],
) -> (Next, &'static str) {
    let parameters = match catalog.parameters(act) {
        Ok(parameters) => parameters,
        Err(fault) => {
            return (
                Next::Refuse(fault.to_string()),
                "the registry has no such tool",
            );
        }
    };
    let families = match catalog.changes(act) {
        true => catalog.families(act),
        false => &[],
    };
    let said = cohere(goal, families, &parameters, said);
    let arguments = match bind::bind(act, &parameters, &said, services) {
        Ok(arguments) => arguments,
        Err(error) => {
            return (
                Next::Refuse(error.to_string()),
                "the arguments do not make a call",
            );
        }
    };
    if done_before(goal, act, &arguments) {
        return (done(), "it repeats what is done");
    }
    match catalog.act(act, arguments) {
        Ok(act) => (
            Next::Act(act),
            "it was proposed, and the registry accepts it",
        ),
        Err(fault) => (Next::Refuse(fault.to_string()), "the registry rejects it"),
    }
}

fn done_before(goal: &Goal, act: &str, wanted: &Arguments) -> bool {
    goal.tasks
        .iter()
        .any(|task| task.act == act && task.arguments == *wanted)
}

fn beyond(what: &str, alternatives: &[(String, f64)]) -> String {
    let acts = alternatives
        .iter()
        .filter(|(act, confidence)| act.contains('.') && *confidence >= NEAR)
        .take(3)
        .map(|(act, confidence)| format!("{act} ({:.0} %)", confidence * 100.0));
    let acts: Vec<String> = acts.collect();
    if acts.is_empty() {
        return format!("{what}; `aiosctl tools list` shows what there is");
    }
    format!("{what}; the nearest acts: {}", acts.join(", "))
}
