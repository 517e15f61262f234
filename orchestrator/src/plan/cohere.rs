//! What belongs together in a goal, and what points back: `notes.txt in /srv`, `the last five
//! lines`, `restart it`. Pure.
//!
//! The model says which words are an argument. This makes of them what was meant, by rules that
//! a reader of the goal would agree to; where none holds, the argument stays as it was said.

use std::ops::Range;

use aios_brain::{Argument, Source, values};
use aios_goals::Goal;
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
            Kind::Count if counts_lines_meant(parameter) => words.lines_meant(argument),
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
            Kind::Count if counts_lines_meant(parameter) => words.one_line(),
            kind if parameter.required => words.pointed_to(kind, families),
            _ => None,
        };
        meant.extend(pointed.map(|text| Argument {
            name: parameter.name.clone(),
            text,
            source: Source::Goal,
            bytes: 0..0,
            is_exact: false,
            confidence: 1.0,
        }));
    }
    meant
}

/// A number of lines, of which a negative one counts from the end.
fn counts_lines_meant(parameter: &Parameter) -> bool {
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
const POINTING: [&str; 4] = ["it", "its", "them", "there"];

/// Words after which a path is not what is acted on.
const BESIDE: [&str; 12] = [
    "in",
    "from",
    "to",
    "as",
    "like",
    "on",
    "under",
    "inside",
    "at",
    "than",
    "because",
    "described",
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
        let clause = self.clause_at(here.start);
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
            && self.lie_within(name.span.end..folder.span.start)
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
        let said_so = mention(here).is_some_and(is_name);
        let name = argument.text.trim_end_matches(['.', ',']).to_owned();
        if !said_so && name.contains(char::is_whitespace) {
            return None; // `the trash` is no name of a file
        }
        let folders: Vec<&Mention> = self.mentions(|other| other.kind == MentionKind::Path);
        let after = folders.iter().find(|folder| folder.span.start >= here.end);
        let after = after.filter(|folder| self.lie_within(here.end..folder.span.start));
        let before = folders
            .iter()
            .rev()
            .find(|folder| folder.span.end <= here.start);
        let ordered = |folder: &Mention| {
            let its = self.clause_at(folder.span.start);
            its == clause || its.is_some_and(|its| matches!(its.mood, Mood::Order | Mood::Unknown))
        };
        let leads = |folder: &Mention| !used(folder) && self.led_by(folder) && ordered(folder);
        let before = before.filter(|folder| leads(folder));
        let inside = folders.iter().find(|folder| leads(folder));
        if let Some(folder) = after.or(before).or(inside) {
            return Some(join(&folder.value, &name));
        }
        // `rename /srv/a/old to new`: beside where it was.
        let source = said
            .iter()
            .find(|one| one.name == "source" && one.text.starts_with('/'));
        let renames = said_so || self.says(&["rename", "call", "name", "called", "named"]);
        if let Some(source) = source.filter(|_| argument.name == "destination" && renames) {
            let (folder, _) = source.text.trim_end_matches('/').rsplit_once('/')?;
            return Some(join(folder, &name));
        }
        // `… and in it a file notes.txt`
        let made = self
            .goal
            .tasks
            .iter()
            .rev()
            .find(|task| task.act == "fs.mkdir")
            .filter(|_| self.says(&["it", "there", "inside", "therein"]))?;
        Some(join(made.arguments.get("path")?.as_str()?, &name))
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
        let here = self.clause_at(argument.bytes.start);
        if argument.source != Source::Goal || !had(&argument.text) || here.is_none_or(own) {
            return None;
        }
        let clauses = self.reading.clauses.iter();
        let names_it = |clause: &&Clause| own(clause) && !self.points(clause);
        let mut others = clauses.filter(names_it).flat_map(|clause| {
            let paths = self.reading.mentions_of(clause);
            paths.filter(|mention| {
                mention.kind == MentionKind::Path
                    && !had(&mention.value)
                    && !self.is_beside(mention)
            })
        });
        let other = others.next()?;
        others.next().is_none().then(|| other.value.clone())
    }

    /// So many lines, counted from the end where the words say so.
    fn lines_meant(&self, argument: &Argument) -> Option<String> {
        if argument.source != Source::Goal {
            return None;
        }
        let number = values::number(&argument.text)?;
        let text = &self.reading.text;
        let before = text.get(..argument.bytes.start)?.to_lowercase();
        let after = text.get(argument.bytes.end..)?.to_lowercase();
        let last = before.split_whitespace().rev().take(3);
        let last = last.take_while(|word| !word.ends_with([',', '.', ';', ':']));
        let is_last = last.into_iter().any(|word| LAST.contains(&word));
        let after: Vec<&str> = after.split_whitespace().take(6).collect();
        let ends = after.windows(2).any(|two| {
            two[0] == "the" && ["end", "bottom"].contains(&two[1].trim_end_matches([',', '.', '?']))
        });
        (is_last || ends && !argument.bytes.is_empty()).then(|| format!("-{number}"))
    }

    /// `the last line`, `the first line`: one, from the end or not; `the last lines`: some.
    fn one_line(&self) -> Option<String> {
        // Without the letters of paths and texts.
        let lower = self.reading.masked().text.to_lowercase();
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

    /// What a pronoun points to: the same kind of thing in what was done last for the goal. What
    /// would be lost is not guessed, when that act had two things.
    fn pointed_to(&self, kind: Kind, families: &[Family]) -> Option<String> {
        if !self
            .reading
            .clauses
            .iter()
            .any(|clause| self.points(clause))
        {
            return None;
        }
        let of_kind: fn(&str) -> bool = match kind {
            Kind::Path => |name| matches!(name, "path" | "destination" | "source" | "repository"),
            Kind::Service => |name| name == "service",
            Kind::Package => |name| name == "package",
            _ => return None,
        };
        let task = self.goal.tasks.last()?;
        let arguments = task.arguments.iter().filter(|(name, _)| of_kind(name));
        // By their names: where something was put comes before what it was made of.
        let texts: Vec<&str> = arguments
            .filter_map(|(_, value)| Value::as_str(value))
            .collect();
        let loses = [
            Family::Delete,
            Family::Stop,
            Family::Kill,
            Family::Move,
            Family::Write,
        ];
        let unsure = texts.len() > 1 && families.iter().any(|family| loses.contains(family));
        texts
            .first()
            .filter(|_| !unsure)
            .map(|text| (*text).to_owned())
    }

    /// Does a word of the clause point to something?
    fn points(&self, clause: &Clause) -> bool {
        let words = self.reading.words(clause).to_lowercase();
        let mut words = words.split(|c: char| !c.is_alphanumeric());
        words.any(|word| POINTING.contains(&word))
    }

    /// Is one of these words said, outside of paths and texts?
    fn says(&self, wanted: &[&str]) -> bool {
        let lower = self.reading.masked().text.to_lowercase();
        let mut words = lower.split(|c: char| !c.is_alphanumeric());
        words.any(|word| wanted.contains(&word))
    }

    /// Does the word before the mention say that it is not what is acted on?
    fn is_beside(&self, mention: &Mention) -> bool {
        let before = self
            .reading
            .text
            .get(..mention.span.start)
            .unwrap_or_default();
        let lower = before.to_lowercase();
        let mut words = lower.split_whitespace().rev();
        let word = words.find(|word| !FOLDER.contains(word));
        word.is_some_and(|word| BESIDE.contains(&word))
    }

    fn clause_at(&self, byte: usize) -> Option<&Clause> {
        let mut clauses = self.reading.clauses.iter();
        clauses.find(|clause| clause.span.contains(&byte))
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
