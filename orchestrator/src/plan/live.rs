//! Names that people use for what is there now: services. Pure.

/// What a person may say around a service's name.
const AROUND: [&str; 8] = [
    "the", "my", "our", "service", "services", "daemon", "server", "process",
];

/// How many near names an error lists.
const NEAREST: usize = 3;

/// The service that is meant by `said`: `the memory service`, `memory` and `aios-memory` are
/// `memory`, `the storage agent` is `agent-storage`.
///
/// # Errors
/// The nearest names, when none is meant.
pub fn service(said: &str, known: &[String]) -> Result<String, Vec<String>> {
    let words = words(said);
    let joined = words.join("-");
    let plain = joined.strip_prefix("aios-").unwrap_or(&joined);
    let mut candidates = vec![plain.to_owned()];
    if let Some(agent) = plain
        .strip_suffix("-agent")
        .or(plain.strip_prefix("agent-"))
    {
        candidates.push(format!("agent-{agent}"));
    }
    let found = candidates.iter().find_map(|candidate| {
        known
            .iter()
            .find(|name| name.eq_ignore_ascii_case(candidate))
    });
    match found {
        Some(name) => Ok(name.clone()),
        None => Err(nearest(plain, known)),
    }
}

/// The agent that is meant by `said`: `the storage agent` is `storage`. Whether there is one is
/// not known here.
pub fn agent(said: &str) -> Option<String> {
    let words = words(said);
    let name = words
        .iter()
        .find(|word| !matches!(word.as_str(), "agent" | "agents"))?;
    let name = name.strip_prefix("aios-").unwrap_or(name);
    Some(name.strip_prefix("agent-").unwrap_or(name).to_owned())
}

/// The words that can be part of a name, in lower case.
fn words(said: &str) -> Vec<String> {
    let lower = said.to_lowercase();
    let words = lower.split(|c: char| !(c.is_alphanumeric() || "-_.@".contains(c)));
    words
        .map(|word| word.trim_matches('.'))
        .filter(|word| !word.is_empty() && !AROUND.contains(word))
        .map(str::to_owned)
        .collect()
}

/// The names that differ least from `word`, nearest first.
pub fn nearest(word: &str, known: &[String]) -> Vec<String> {
    let mut ranked: Vec<_> = known
        .iter()
        .map(|name| (distance(word, name), name))
        .collect();
    ranked.sort();
    ranked
        .into_iter()
        .take(NEAREST)
        .map(|(_, name)| name.clone())
        .collect()
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_goes_by_its_domain() {
        let check = |said: &str, expected: Option<&str>| {
            assert_eq!(agent(said).as_deref(), expected, "{said}");
        };
        check("the storage agent", Some("storage"));
        check("agent-storage", Some("storage"));
        check("Storage", Some("storage"));
        check("the agent", None);
    }

    #[test]
    fn services_go_by_the_names_that_people_use() {
        let known = ["memory", "tools", "runtime", "agent-storage", "network"].map(str::to_owned);
        let check = |said: &str, expected: &str| {
            let found =
                service(said, &known).unwrap_or_else(|near| format!("? {}", near.join(" ")));
            assert_eq!(found, expected, "{said}");
        };
        check("memory", "memory");
        check("the memory service", "memory");
        check("aios-memory", "memory");
        check("Memory.", "memory");
        check("the storage agent", "agent-storage");
        check("agent-storage", "agent-storage");
        check("network", "network");
        check("tool", "? tools memory network"); // by distance, then by name
        check("../../etc", "? memory network tools");
        check("", "? tools memory network");
    }
}
