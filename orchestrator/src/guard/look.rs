//! What can be looked at to answer a question about an act. Pure.

use aios_reader::{MentionKind, Mood, Reading};
use aios_tool::argument::Kind;
use serde_json::{Map, Value};

use super::{Seen, services};

/// The look at a file.
pub(super) const MARK: &str = "fs.stat";

/// The look at a service.
const SERVICE: &str = "service.status";

/// The next look that was not taken yet: at each path and service that the goal names.
pub(super) fn next(seen: &Seen<'_>, reading: &Reading) -> Option<(String, Map<String, Value>)> {
    let mut looks: Vec<(&str, Kind, String)> = Vec::new();
    for clause in reading
        .clauses
        .iter()
        .filter(|clause| clause.mood != Mood::Ban)
    {
        for mention in reading.mentions_of(clause) {
            if mention.kind == MentionKind::Path {
                looks.push((MARK, Kind::Path, mention.value.clone()));
            }
        }
        for service in services::named(clause, reading.words(clause), seen.services) {
            looks.push((SERVICE, Kind::Service, service));
        }
    }
    let mut looks = looks.into_iter().filter_map(|(tool, kind, value)| {
        let parameter = seen.catalog.named(tool, kind).into_iter().next()?;
        let arguments = Map::from_iter([(parameter, value.into())]);
        Some((tool.to_owned(), arguments))
    });
    looks.find(|(tool, arguments)| {
        let taken = seen.goal.tasks.iter().any(|task| {
            let known: Option<Map<String, Value>> = serde_json::from_str(&task.arguments_json).ok();
            task.act == *tool && known.as_ref() == Some(arguments)
        });
        !taken && seen.catalog.steps(tool, arguments).is_ok()
    })
}
