//! What belongs together in a goal, and what points back: `notes.txt in /srv`, `the last five
//! lines`, `restart it`. Pure.
//!
//! The model says which words are an argument. This makes of them what was meant, by rules that
//! a reader of the goal would agree to; where none holds, the argument stays as it was said.

use std::ops::Range;

use aios_brain::{Argument, Source, values};
use aios_goals::{Goal, Task};
use aios_reader::{Clause, Family, Mention, MentionKind, Mood, Reading};
use aios_tool::argument::Kind;
use serde_json::Value;

use crate::registry::parameters::Parameter;

/// The arguments as they were meant. `parameters` are those of the act, `families` what the change
/// that it makes may be called; of an act that only looks, nothing.
pub fn cohere(
    goal: &Goal,
    families: &[Family],
    parameters: &[Parameter],
    said: Vec<Argument>,
) -> Vec<Argument> {
    let reading = aios_reader::read(&goal.text);
    let words = Words {
        reading: &reading,
        goal,
    };
    let mut meant = said.clone();
    for argument in &mut meant {
        let Some(parameter) = parameters.iter().find(|one| one.name == argument.name) else {
            continue;
        };
        let whole = match parameter.kind {
            Kind::Path if parameter.changes => words
                .in_its_clause(argument, families)
                .or_else(|| words.path(argument, &said)),
            Kind::Path => words.path(argument, &said),
            Kind::Count if counts_from_the_end(parameter) => words.from_the_end(argument),
            _ => None,
        };
        if let Some(whole) = whole {
            argument.text = whole;
        }
    }
    for parameter in parameters {
        if meant.iter().any(|argument| argument.name == parameter.name) {
            continue;
        }
        let pointed = match parameter.kind {
            Kind::Count if counts_from_the_end(parameter) => words.one_line(),
            kind if parameter.required => words.pointed_to(kind),
            _ => None,
        };
        meant.extend(pointed.map(|text| Argument {
            name: parameter.name.clone(),
            text,
            source: Source::Goal,
            bytes: 0..0,
            confidence: 1.0,
        }));
    }
    meant
}

/// A number of lines, of which a negative one counts from the end.
fn counts_from_the_end(parameter: &Parameter) -> bool {
    parameter.name == "lines"
        && parameter.schema["minimum"]
            .as_i64()
            .is_none_or(|least| least < 0)
}

/// Words before a number by which it counts from the end.
const LAST: [&str; 8] = [
    "last", "final", "bottom", "tail", "newest", "latest", "closing", "ending",
];

/// Words between a name and the folder that it is in.
const WITHIN: [&str; 9] = [
    "in", "inside", "under", "within", "at", "from", "of", "into", "below",
];

/// Words that may stand between them, too.
const FOLDER: [&str; 8] = [
    "the",
    "folder",
    "directory",
    "dir",
    "my",
    "our",
    "file",
    "path",
];

/// Words that point to what was spoken of before.
const POINTING: [&str; 14] = [
    "it",
    "its",
    "that",
    "this",
    "them",
    "there",
    "one",
    "same",
    "thing",
    "copy",
    "again",
    "too",
    "afterwards",
    "result",
];

struct Words<'a> {
    reading: &'a Reading,
    goal: &'a Goal,
}

impl Words<'_> {
    /// The whole path, of a name and its folder.
    fn path(&self, argument: &Argument, said: &[Argument]) -> Option<String> {
        let here = &argument.bytes;
        if here.is_empty() || argument.source != Source::Goal {
            return None;
        }
        let mention = |span: &Range<usize>| {
            let mut mentions = self.reading.mentions.iter();
            mentions.find(|mention| mention.span == *span)
        };
        let used = |other: &Mention| {
            said.iter()
                .any(|one| one.name != argument.name && one.bytes.contains(&other.span.start))
        };
        // `notes.txt in /srv/a` was tagged as one.
        let inside: Vec<&Mention> = self.mentions(|other| here.contains(&other.span.start));
        if let [name, folder] = inside[..]
            && is_name(name)
            && folder.kind == MentionKind::Path
        {
            return Some(join(&folder.value, &name.value));
        }
        if argument.text.starts_with('/') {
            // `notes.txt in [/srv/a]`: the folder alone was tagged.
            let folder = mention(here).filter(|mention| mention.kind == MentionKind::Path)?;
            let before = self.mentions(|other| other.span.end <= folder.span.start);
            let name = before.last().filter(|name| is_name(name) && !used(name))?;
            let joined = self.lie_within(name.span.end..folder.span.start);
            return joined.then(|| join(&folder.value, &name.value));
        }
        if argument.text.starts_with('~') || argument.text.contains("://") {
            return None;
        }
        let name = argument.text.trim_end_matches(['.', ',']).to_owned();
        let folders: Vec<&Mention> = self.mentions(|other| other.kind == MentionKind::Path);
        let after = folders.iter().find(|folder| folder.span.start >= here.end);
        let after = after.filter(|folder| self.lie_within(here.end..folder.span.start));
        let before = folders
            .iter()
            .rev()
            .find(|folder| folder.span.end <= here.start);
        let before = before.filter(|folder| !used(folder) && self.led_by(folder));
        let inside = folders
            .iter()
            .find(|folder| !used(folder) && self.led_by(folder));
        if let Some(folder) = after.or(before).or(inside) {
            return Some(join(&folder.value, &name));
        }
        // `rename /srv/a/old to new`: beside where it was.
        let source = said
            .iter()
            .find(|one| one.name == "source" && one.text.starts_with('/'));
        if let Some(source) = source.filter(|_| argument.name == "destination") {
            let (folder, _) = source.text.trim_end_matches('/').rsplit_once('/')?;
            return Some(join(folder, &name));
        }
        // `… and in it a file notes.txt`
        let made = self
            .goal
            .tasks
            .iter()
            .rev()
            .find(|task| task.act == "fs.mkdir");
        Some(join(made?.arguments.get("path")?.as_str()?, &name))
    }

    /// `delete A and B; then make C`: of a second act not what an earlier one had, when its own
    /// clause names something else.
    fn in_its_clause(&self, argument: &Argument, families: &[Family]) -> Option<String> {
        let had = |value: &str| {
            let mut values = self
                .goal
                .tasks
                .iter()
                .flat_map(|task| task.arguments.values());
            values.any(|one| one.as_str() == Some(value))
        };
        let own = |clause: &Clause| {
            clause.mood == Mood::Order && clause.families.iter().any(|one| families.contains(one))
        };
        let clauses = self.reading.clauses.iter();
        let here = clauses
            .clone()
            .find(|clause| clause.span.contains(&argument.bytes.start));
        if !had(&argument.text) || here.is_none_or(own) {
            return None;
        }
        let mut others = clauses.filter(|clause| own(clause)).flat_map(|clause| {
            let paths = self.reading.mentions_of(clause);
            paths.filter(|mention| mention.kind == MentionKind::Path && !had(&mention.value))
        });
        let other = others.next()?;
        others.next().is_none().then(|| other.value.clone())
    }

    /// So many lines, counted from the end where the words say so.
    fn from_the_end(&self, argument: &Argument) -> Option<String> {
        let number = values::number(&argument.text)?;
        let text = &self.reading.text;
        let before = text.get(..argument.bytes.start)?.to_lowercase();
        let after = text.get(argument.bytes.end..)?.to_lowercase();
        let last = before.split_whitespace().rev().take(3);
        let last = last.take_while(|word| !word.ends_with([',', '.', ';']));
        let is_last = last.into_iter().any(|word| LAST.contains(&word));
        let after: Vec<&str> = after.split_whitespace().take(6).collect();
        let ends = after.windows(2).any(|two| {
            two[0] == "the" && ["end", "bottom"].contains(&two[1].trim_end_matches([',', '.', '?']))
        });
        (is_last || ends && !argument.bytes.is_empty()).then(|| format!("-{number}"))
    }

    /// `the last line`, `the first line`: one, from the end or not; `the last lines`: some.
    fn one_line(&self) -> Option<String> {
        let lower = self.reading.text.to_lowercase();
        let words: Vec<&str> = lower
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        const SOME: &str = "10";
        words.windows(3).chain(words.windows(2)).find_map(|some| {
            let last = LAST.contains(&some[0]);
            let first = ["first", "top", "opening"].contains(&some[0]);
            let count = match &some[1..] {
                ["line"] => "1",
                ["lines"] | ["few" | "couple" | "several", "lines"] => SOME,
                _ => return None,
            };
            match (last, first) {
                (true, _) => Some(format!("-{count}")),
                (_, true) => Some(count.to_owned()),
                _ => None,
            }
        })
    }

    /// What a pronoun points to: the same kind of thing in what was done before for the goal.
    fn pointed_to(&self, kind: Kind) -> Option<String> {
        let points = |clause: &Clause| {
            let words = self.reading.words(clause).to_lowercase();
            let mut words = words.split(|c: char| !c.is_alphanumeric());
            words.any(|word| POINTING.contains(&word))
        };
        if !self.reading.clauses.iter().any(points) {
            return None;
        }
        let of_kind: fn(&str) -> bool = match kind {
            Kind::Path => {
                |name| matches!(name, "path" | "destination" | "directory" | "repository")
            }
            Kind::Service => |name| name == "service",
            Kind::Package => |name| name == "package",
            _ => return None,
        };
        let text = |task: &Task| {
            // What was made or put somewhere, before what it was made of.
            let arguments = task.arguments.iter().filter(|(name, _)| of_kind(name));
            let texts: Vec<&str> = arguments
                .filter_map(|(_, value)| Value::as_str(value))
                .collect();
            texts.first().map(|text| (*text).to_owned())
        };
        self.goal.tasks.iter().rev().find_map(text)
    }

    fn mentions(&self, which: impl Fn(&Mention) -> bool) -> Vec<&Mention> {
        let mentions = self.reading.mentions.iter();
        mentions.filter(|mention| which(mention)).collect()
    }

    /// Do the bytes between a name and a path say that the one is in the other?
    fn lie_within(&self, between: Range<usize>) -> bool {
        let Some(text) = self.reading.text.get(between) else {
            return false;
        };
        let lower = text.to_lowercase();
        let mut words = lower.split_whitespace();
        let first = words.next().unwrap_or_default();
        WITHIN.contains(&first) && words.all(|word| FOLDER.contains(&word))
    }

    /// `in /srv/a, …`: does a word that says "in" stand before the folder?
    fn led_by(&self, folder: &Mention) -> bool {
        let before = self
            .reading
            .text
            .get(..folder.span.start)
            .unwrap_or_default();
        let lower = before.to_lowercase();
        let mut words = lower.split_whitespace().rev();
        let word = words.find(|word| !FOLDER.contains(word));
        word.is_some_and(|word| ["in", "inside", "under", "within", "into"].contains(&word))
    }
}

fn is_name(mention: &Mention) -> bool {
    let quoted = mention.kind == MentionKind::Quoted
        && !mention.value.contains(['/', ' ', '\n'])
        && mention.value.contains('.');
    mention.kind == MentionKind::Name || quoted
}

fn join(folder: &str, name: &str) -> String {
    format!(
        "{}/{}",
        folder.trim_end_matches('/'),
        name.trim_start_matches("./")
    )
}

#[cfg(test)]
#[path = "cohere_tests.rs"]
mod tests;
