//! The services that orders name. Pure.

use aios_reader::{Clause, Family, Mood, Reading};

use crate::plan::live;

/// What can be ordered of a service.
const OF_SERVICES: [Family; 4] = [Family::Start, Family::Stop, Family::Restart, Family::Kill];

/// Words that are a service's name only beside `service`.
const AROUND: [&str; 4] = ["service", "daemon", "agent", "services"];

/// Does an order start, stop or restart something?
pub(super) fn are_meant(reading: &Reading) -> bool {
    reading.clauses.iter().any(is_about_services)
}

fn is_about_services(clause: &Clause) -> bool {
    matches!(clause.mood, Mood::Order | Mood::AskAct(_))
        && clause
            .families
            .iter()
            .any(|family| OF_SERVICES.contains(family))
}

/// The services that a clause names, by their names here.
pub(super) fn named(clause: &Clause, words: &str, services: &[String]) -> Vec<String> {
    if !is_about_services(clause) {
        return Vec::new();
    }
    let words: Vec<&str> = words
        .split(|c: char| c.is_whitespace() || ",;()?!\"'".contains(c))
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty() && !word.starts_with('/'))
        .collect();
    let mut found: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let next = words
            .get(at + 1)
            .copied()
            .unwrap_or_default()
            .to_lowercase();
        let said = match AROUND.contains(&next.as_str()) {
            true => format!("{word} {next}"),
            false => (*word).to_owned(),
        };
        if AROUND.contains(&word.to_lowercase().as_str()) {
            continue;
        }
        if let Ok(name) = live::service(&said, services)
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}
