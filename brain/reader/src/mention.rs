//! What a goal names by its letters: quoted texts, paths, addresses, numbers, contents.

use std::ops::Range;

use crate::{content, quotes};

/// A part of the goal that stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What it is.
    pub kind: MentionKind,
    /// Its bytes in the goal, with the quotes around it.
    pub span: Range<usize>,
    /// Its value: exactly what was written, without the quotes around it.
    pub value: String,
}

/// What a mention is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MentionKind {
    /// A text in quotes of any kind, a block between braces, or a block of code.
    Quoted,
    /// An absolute path, in quotes or not.
    Path,
    /// An address of the web.
    Url,
    /// A name without its folder: `report.txt`, `called photos`.
    Name,
    /// A whole number, in digits or in words.
    Number(u64),
    /// Unquoted words that are to be written, to their end.
    Content {
        /// Is it certain where they end?
        certain: bool,
    },
}

/// All mentions of the text, in its order; they do not overlap.
pub(crate) fn find(text: &str) -> Vec<Mention> {
    let mut found = quotes::find(text);
    found.extend(outside(text, &found, paths_and_urls));
    found.sort_by_key(|mention| mention.span.start);
    for content in content::find(text, &found) {
        let inside = |mention: &Mention| content.span.contains(&mention.span.start);
        found.retain(|mention| !inside(mention));
        found.push(content);
    }
    found.sort_by_key(|mention| mention.span.start);
    found.extend(outside(text, &found, names));
    found.sort_by_key(|mention| mention.span.start);
    found.extend(outside(text, &found, numbers));
    found.sort_by_key(|mention| mention.span.start);
    found
}

/// What `look` finds between the mentions that are known.
fn outside(
    text: &str,
    known: &[Mention],
    look: fn(&str, Range<usize>) -> Vec<Mention>,
) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut from = 0;
    for mention in known {
        found.extend(look(text, from..mention.span.start));
        from = from.max(mention.span.end);
    }
    found.extend(look(text, from..text.len()));
    found
}

/// What follows a path or an address in a sentence, and is no part of it.
const AFTER: [char; 12] = ['.', ',', ';', ':', '!', '?', ')', ']', '}', '"', '\'', '…'];

fn paths_and_urls(text: &str, range: Range<usize>) -> Vec<Mention> {
    let mut found = Vec::new();
    for (start, word) in words(text, range) {
        // An opening bracket before it, or what it is assigned to: `(/srv/a`, `path=/srv/a`.
        let lead = word.len()
            - word
                .trim_start_matches(['(', '[', '<', '>', '=', ',', ';'])
                .len();
        let word = &word[lead..];
        let word = match word.split_once(['=', ':']) {
            Some((name, value))
                if is_name(name) && value.starts_with('/') && !value.starts_with("//") =>
            {
                value
            }
            _ => word,
        };
        let end = start + lead + word_offset(text, start + lead, word) + word.len();
        let kept = trimmed(word);
        let begin = end - word.len();
        let kind = if kept.contains("://") {
            MentionKind::Url
        } else if is_path(kept) {
            MentionKind::Path
        } else {
            continue;
        };
        found.push(Mention {
            kind,
            span: begin..begin + kept.len(),
            value: kept.to_owned(),
        });
    }
    found
}

/// How many bytes after `from` the part `word` of the text begins.
fn word_offset(text: &str, from: usize, word: &str) -> usize {
    text.get(from..)
        .and_then(|rest| rest.find(word))
        .unwrap_or(0)
}

/// Without what ends the sentence; a bracket goes only when it was not opened within.
fn trimmed(word: &str) -> &str {
    let mut kept = word;
    while let Some(last) = kept.chars().next_back() {
        let opened = last == ')' && kept.matches('(').count() >= kept.matches(')').count();
        if !AFTER.contains(&last) || opened {
            break;
        }
        kept = &kept[..kept.len() - last.len_utf8()];
    }
    match kept {
        "" if word.starts_with('/') => "/",
        kept => kept,
    }
}

fn is_path(word: &str) -> bool {
    // Not `//` (a comment), not `/` between words.
    word == "/" || word.starts_with('/') && !word.starts_with("//") && word.len() > 1
}

fn is_name(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}

/// Words after which a name stands.
const CALLED: [&str; 4] = ["called", "named", "titled", "labelled"];

/// Words after `called` that are no name.
const NO_NAMES: [&str; 8] = ["the", "a", "an", "it", "that", "this", "after", "by"];

/// The longest ending of a file's name.
const ENDING_MAX: usize = 5;

fn names(text: &str, range: Range<usize>) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut called = false;
    for (start, word) in words(text, range) {
        let kept = word.trim_end_matches(AFTER);
        let lower = kept.to_lowercase();
        let named = called && is_name(kept) && !NO_NAMES.contains(&lower.as_str());
        if named || has_ending(kept) {
            found.push(Mention {
                kind: MentionKind::Name,
                span: start..start + kept.len(),
                value: kept.to_owned(),
            });
        }
        called = CALLED.contains(&lower.as_str()) || called && lower == "simply";
    }
    found
}

/// How many bytes the number of an order in a list has: `1. ` or `2) `.
pub(crate) fn list_mark(text: &str) -> usize {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let rest = &text[digits..];
    let marked = rest.starts_with(". ") || rest.starts_with(") ");
    if (1..=2).contains(&digits) && marked {
        digits + 2
    } else {
        0
    }
}

/// Has the last part of the path an ending: is it a file, by its letters?
pub(crate) fn is_file_by_name(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty());
    ending.is_some_and(|(_, ending)| {
        (1..=ENDING_MAX).contains(&ending.len())
            && ending.chars().all(|c| c.is_ascii_alphanumeric())
            && ending.chars().any(|c| c.is_ascii_alphabetic())
    })
}

/// `dear.txt`, `backup.tar.gz`; not `10.0.0.1`, `e.g.`, `example.com/x`.
fn has_ending(word: &str) -> bool {
    let Some((stem, ending)) = word.rsplit_once('.') else {
        return false;
    };
    let letters = ending.chars().any(|c| c.is_ascii_alphabetic());
    is_name(stem)
        && stem.len() > 1
        && (1..=ENDING_MAX).contains(&ending.len())
        && letters
        && ending.chars().all(|c| c.is_ascii_alphanumeric())
}

/// Words between white space, with where they start.
fn words(text: &str, range: Range<usize>) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let part = text.get(range.clone()).unwrap_or_default();
    let mut at = range.start;
    for word in part.split(char::is_whitespace) {
        if !word.is_empty() {
            found.push((at, word));
        }
        at += word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// Number words that are seldom anything else; `one` mostly is.
const NUMBERS: [(&str, u64); 28] = [
    ("two", 2),
    ("three", 3),
    ("four", 4),
    ("five", 5),
    ("six", 6),
    ("seven", 7),
    ("eight", 8),
    ("nine", 9),
    ("ten", 10),
    ("eleven", 11),
    ("twelve", 12),
    ("thirteen", 13),
    ("fourteen", 14),
    ("fifteen", 15),
    ("sixteen", 16),
    ("seventeen", 17),
    ("eighteen", 18),
    ("nineteen", 19),
    ("twenty", 20),
    ("thirty", 30),
    ("forty", 40),
    ("fifty", 50),
    ("sixty", 60),
    ("seventy", 70),
    ("eighty", 80),
    ("ninety", 90),
    ("hundred", 100),
    ("thousand", 1000),
];

/// `three things`: the number counts what the goal itself says.
const COUNTED_HERE: [&str; 5] = ["things", "steps", "times", "tasks", "jobs"];

fn numbers(text: &str, range: Range<usize>) -> Vec<Mention> {
    let all = words(text, range);
    let mut found = Vec::new();
    for (index, (start, word)) in all.iter().enumerate() {
        let lead = word.len() - word.trim_start_matches(['(', '[']).len();
        let kept = word[lead..].trim_end_matches(AFTER);
        let lower = kept.to_lowercase();
        let value = match kept.parse::<u64>() {
            Ok(value) => Some(value),
            Err(_) => NUMBERS
                .iter()
                .find(|(name, _)| *name == lower)
                .map(|(_, value)| *value),
        };
        // `1. Stop it.`: counts the orders.
        let marks = *start < list_mark(text);
        let next = all
            .get(index + 1)
            .map(|(_, next)| next.trim_end_matches(AFTER).to_lowercase());
        let counts = next.is_some_and(|next| COUNTED_HERE.contains(&next.as_str()));
        if let Some(value) = value.filter(|_| !counts && !marks) {
            found.push(Mention {
                kind: MentionKind::Number(value),
                span: start + lead..start + lead + kept.len(),
                value: kept.to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
#[path = "mention_tests.rs"]
mod tests;
