//! What can be looked at to answer a question about an act. Pure.

use aios_goals::Arguments;
use aios_reader::{MentionKind, Mood, Reading};
use aios_tool::argument::Kind;

use super::{Seen, services};
use crate::registry::Act;

/// The look at a file.
pub(super) const MARK: &str = "fs.stat";

/// The look at a service.
const SERVICE: &str = "service.status";

/// The next look that was not taken yet: at each path and service that the goal names.
pub(super) fn next(seen: &Seen<'_>, reading: &Reading) -> Option<Act> {
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
    looks.into_iter().find_map(|(tool, kind, value)| {
        let parameter = seen.catalog.named(tool, kind).into_iter().next()?;
        let arguments = Arguments::from_iter([(parameter, value.into())]);
        let mut tasks = seen.goal.tasks.iter();
        if tasks.any(|task| task.act == tool && task.arguments == arguments) {
            return None; // taken already
        }
        seen.catalog.act(tool, arguments).ok()
    })
}
