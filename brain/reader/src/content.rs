//! Unquoted contents: the words that an order wants written, from their first to their last.

use std::ops::Range;

use crate::lists::one_of;
use crate::mention::{Mention, MentionKind};
use crate::token::{self, PATH, TEXT, Token};
use crate::verbs;

/// Verbs whose object may be a text.
const WRITING: [&str; 25] = [
    "add", "append", "chuck", "drop", "dump", "echo", "enter", "insert", "jot", "log", "note",
    "pop", "print", "put", "record", "save", "scribble", "slap", "stick", "store", "tack", "toss",
    "type", "write", "writing",
];

/// Between an order's content and the path that it goes to.
const PREPOSITIONS: [&str; 13] = [
    "to", "into", "in", "inside", "as", "at", "on", "onto", "under", "within", ">", "»", "unto",
];

/// Between the preposition and the path.
const BEFORE_PATH: [&str; 33] = [
    "the",
    "a",
    "an",
    "my",
    "our",
    "your",
    "this",
    "that",
    "file",
    "new",
    "end",
    "bottom",
    "top",
    "start",
    "tail",
    "foot",
    "of",
    "folder",
    "called",
    "named",
    "at",
    "path",
    "document",
    "text",
    "note",
    "place",
    "beginning",
    "very",
    "log",
    "to",
    "in",
    "file:",
    ">",
];

/// Before a word that is a noun, not a verb.
const DETERMINERS: [&str; 19] = [
    "a", "an", "the", "my", "our", "your", "his", "her", "its", "their", "this", "that", "any",
    "no", "some", "each", "every", "of", "new",
];

/// What is made, not written.
const THINGS: [&str; 18] = [
    "file",
    "files",
    "folder",
    "folders",
    "directory",
    "directories",
    "dir",
    "page",
    "copy",
    "copies",
    "link",
    "symlink",
    "shortcut",
    "document",
    "backup",
    "script",
    "archive",
    "symlinks",
];

/// What stands for a text said elsewhere.
const PRONOUNS: [&str; 12] = [
    "it",
    "that",
    "this",
    "them",
    "those",
    "these",
    "everything",
    "all",
    "so",
    "him",
    "her",
    "something",
];

/// Names of texts: `the word pending`, `a line saying`.
const TEXTS: [&str; 22] = [
    "word",
    "words",
    "line",
    "lines",
    "text",
    "string",
    "phrase",
    "sentence",
    "message",
    "number",
    "letters",
    "letter",
    "characters",
    "entry",
    "note",
    "comment",
    "paragraph",
    "value",
    "reminder",
    "name",
    "title",
    "following",
];

/// Words after which the content stands.
const SAYING: [&str; 9] = [
    "saying",
    "says",
    "stating",
    "states",
    "reading",
    "reads",
    "containing",
    "contains",
    "say",
];

/// All contents, in the order of the text. `known`: quoted texts, paths and addresses.
pub(crate) fn find(text: &str, known: &[Mention]) -> Vec<Mention> {
    let tokens = token::split(text, known);
    let mut found: Vec<Mention> = Vec::new();
    for at in 0..tokens.len() {
        if found
            .iter()
            .any(|content| content.span.end > tokens[at].span.start)
        {
            continue;
        }
        let content = before_path(text, &tokens, at).or_else(|| after_word(text, &tokens, at));
        found.extend(content);
    }
    found
}

/// `write CONTENT to PATH`.
fn before_path(text: &str, tokens: &[Token], at: usize) -> Option<Mention> {
    let verb = tokens.get(at)?;
    let before = at.checked_sub(1).and_then(|before| tokens.get(before));
    let noun = before.is_some_and(|word| DETERMINERS.contains(&word.text.as_str()));
    if !WRITING.contains(&verb.text.as_str()) || noun {
        return None;
    }
    let path = at + 1 + tokens[at + 1..].iter().position(|token| token.is(PATH))?;
    let filler = |token: &&Token| BEFORE_PATH.contains(&token.text.as_str());
    let fillers = tokens[at + 1..path].iter().rev().take_while(filler).count();
    // The preposition may look like a filler: `at the top of`.
    let run = path - fillers - 1..path;
    let preposition = run
        .clone()
        .find(|index| *index > at && PREPOSITIONS.contains(&tokens[*index].text.as_str()))?;
    let words = without_heads(tokens, at + 1..preposition)?;
    let certain = !tokens[words.clone()].iter().any(ends_sentence);
    mention(text, tokens, words, certain)
}

/// Does a sentence end here, so that the words after it may be no content?
fn ends_sentence(token: &Token) -> bool {
    matches!(token.text.as_str(), "." | "?" | ";" | "\n" | TEXT)
}

/// `a file that says CONTENT`, `put this into PATH: CONTENT`.
fn after_word(text: &str, tokens: &[Token], at: usize) -> Option<Mention> {
    if !introduces(tokens, at) {
        return None;
    }
    let mut start = at + 1;
    if tokens.get(start).is_some_and(|token| token.is(":")) {
        start += 1;
    }
    let whole = tokens[at].is(":") || tokens[start - 1].is(":");
    let (end, certain) = match whole {
        true => (tokens.len(), true),
        false => end_of(tokens, start),
    };
    // `(scratch that: to PATH)`: a place, no text.
    let place = tokens
        .get(start)
        .is_some_and(|first| PREPOSITIONS.contains(&first.text.as_str()))
        && tokens.get(start + 1).is_some_and(|second| second.is(PATH));
    if place {
        return None;
    }
    let words = match whole {
        true => start..end,
        false => start..without_place(tokens, start, end),
    };
    if tokens
        .get(start)
        .is_none_or(|first| first.is(TEXT) || first.is(PATH))
    {
        return None;
    }
    mention(text, tokens, words, certain)
}

/// Does the content stand after this word?
fn introduces(tokens: &[Token], at: usize) -> bool {
    let word = |offset: usize| {
        let index = (at + 1).checked_sub(offset + 1);
        index
            .and_then(|index| tokens.get(index))
            .map_or("", |token| token.text.as_str())
    };
    let (this, before, before_that) = (word(0), word(1), word(2));
    let writes = writes(&tokens[..at]);
    match this {
        ":" => {
            writes
                && tokens
                    .get(at + 1)
                    .is_some_and(|next| next.span.start > tokens[at].span.end)
        }
        "text" | "content" | "contents" | "words" | "word" | "line" | "message" | "body"
        | "inside" => {
            writes
                && (before == "with"
                    || before_that == "with" && matches!(before, "the" | "a" | "this"))
        }
        "say" | "read" | "contain" => {
            one_of("should must shall to it just only", before)
                && writes
                && (before != "to" || before_that != "me")
        }
        "reading"
            if one_of(
                "before after by while when for without of is am are was keep stop",
                before,
            ) =>
        {
            false
        }
        "says" | "reads" | "states" | "contains" => {
            writes
                && matches!(
                    before,
                    "that"
                        | "which"
                        | "it"
                        | "and"
                        | "just"
                        | "only"
                        | "simply"
                        | "now"
                        | "then"
                        | PATH
                )
        }
        word if SAYING.contains(&word) => writes,
        _ => false,
    }
}

/// Is something being written or made, and nothing looked for?
fn writes(before: &[Token]) -> bool {
    let from = before
        .iter()
        .rposition(|token| matches!(token.text.as_str(), "." | "!" | "?" | ";" | "\n"));
    let sentence = &before[from.map_or(0, |at| at + 1)..];
    let mut sentence = sentence.iter().map(|token| token.text.as_str());
    let making = |word: &str| {
        WRITING.contains(&word)
            || THINGS.contains(&word)
            || one_of(
                "create make new append touch fill set replace let line note second want generate edit update change overwrite",
                word,
            )
    };
    let looking = |word: &str| {
        verbs::is_look(word) && word != "say"
            || matches!(word, "which" | "what" | "where" | "any" | "who")
    };
    let words: Vec<&str> = sentence.by_ref().collect();
    words.iter().any(|word| making(word)) && !words.iter().any(|word| looking(word))
}

/// Where a content without quotes ends, and whether that is certain.
fn end_of(tokens: &[Token], start: usize) -> (usize, bool) {
    let verb = |at: usize| {
        let word = tokens.get(at).map_or("", |token| token.text.as_str());
        verbs::is_change(word) || verbs::is_look(word)
    };
    for at in start + 1..tokens.len() {
        let word = tokens[at].text.as_str();
        let next = tokens.get(at + 1).map_or("", |token| token.text.as_str());
        match word {
            "," if next == "then" => return (at, true),
            "," if next == "and" && tokens.get(at + 2).is_some_and(|third| third.is("then")) => {
                return (at, true);
            }
            "and" if next == "then" => return (at, true),
            ";" | "\n" => return (at, true),
            "." if next.is_empty() => return (at, true),
            "." if verb(at + 1) => return (at, false),
            "," if next == "and" && verb(at + 2) => return (at, false),
            "," | "and" | "then" if verb(at + 1) => return (at, false),
            _ => {}
        }
    }
    (tokens.len(), true)
}

/// Without `in it`, `to PATH` at the end.
fn without_place(tokens: &[Token], start: usize, end: usize) -> usize {
    let Some(last) = end.checked_sub(1).and_then(|last| tokens.get(last)) else {
        return end;
    };
    if !matches!(last.text.as_str(), PATH | "it" | "there" | "inside") {
        return end;
    }
    let filler = |token: &&Token| BEFORE_PATH.contains(&token.text.as_str());
    let fillers = tokens[start..end - 1]
        .iter()
        .rev()
        .take_while(filler)
        .count();
    let preposition = |index: &usize| PREPOSITIONS.contains(&tokens[*index].text.as_str());
    let from = (end - 1).saturating_sub(fillers + 1).max(start);
    match (from..end - 1).find(preposition) {
        Some(preposition) if preposition > start => preposition,
        _ if last.is("there") || last.is("inside") => end - 1,
        _ => end,
    }
}

/// Without `down`, `the word`, `a line saying`; nothing when what is left is no text.
fn without_heads(tokens: &[Token], range: Range<usize>) -> Option<Range<usize>> {
    let Range { mut start, end } = range;
    let word = |at: usize| match at < end {
        true => tokens[at].text.as_str(),
        false => "",
    };
    while one_of("down me just please in there", word(start)) && start + 1 < end {
        start += 1;
    }
    let determiner = DETERMINERS.contains(&word(start)) || matches!(word(start), "these" | "one");
    let noun = (start..(start + 3).min(end)).find(|at| TEXTS.contains(&word(*at)));
    if let Some(noun) = noun.filter(|noun| determiner || *noun == start) {
        let said = (noun + 1..(noun + 4).min(end)).find(|at| {
            one_of(
                "saying says reading reads : containing say read stating",
                word(*at),
            )
        });
        let definite = one_of("the this these word words text line", word(start));
        let goes_on = one_of("of from in that which with about for on", word(noun + 1));
        match said {
            Some(said) => start = said + 1,
            None if definite && !goes_on => start = noun + 1,
            None => {}
        }
    }
    let thing = (start..(start + 4).min(end)).any(|at| THINGS.contains(&word(at)))
        && (DETERMINERS.contains(&word(start))
            || matches!(word(start), "another" | "one" | "empty")
            || THINGS.contains(&word(start)));
    let only = end - start == 1;
    let refers = only && PRONOUNS.contains(&word(start))
        || word(start) == "the" && word(start + 1) == "same";
    let quoted = only && word(start) == TEXT;
    let path = (start..end).any(|at| word(at) == PATH);
    (start < end && !thing && !refers && !quoted && !path).then_some(start..end)
}

fn mention(text: &str, tokens: &[Token], words: Range<usize>, certain: bool) -> Option<Mention> {
    let first = tokens.get(words.start)?;
    let last = tokens.get(words.end.checked_sub(1)?)?;
    if words.is_empty() {
        return None;
    }
    let span = first.span.start..last.span.end;
    let value = text.get(span.clone())?;
    // A full stop at the very end is the sentence's.
    let ends = span.end == text.trim_end().len() && value.ends_with('.') && !value.ends_with("..");
    let span = span.start..span.end - usize::from(ends);
    Some(Mention {
        kind: MentionKind::Content { certain },
        value: text.get(span.clone())?.to_owned(),
        span,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_go_to_their_end() {
        let check = |text: &str, expected: &[(&str, bool)]| {
            let found = crate::mention::find(text);
            let contents: Vec<(&str, bool)> = found
                .iter()
                .filter_map(|mention| match mention.kind {
                    MentionKind::Content { certain } => Some((mention.value.as_str(), certain)),
                    _ => None,
                })
                .collect();
            assert_eq!(contents, expected, "{text}");
        };
        check("write hello to /srv/a.txt", &[("hello", true)]);
        check("put never again in /srv/a", &[("never again", true)]);
        check(
            "write go to bed early to /srv/a",
            &[("go to bed early", true)],
        );
        check(
            "please write do not delete this to the file /srv/a",
            &[("do not delete this", true)],
        );
        check(
            "append a line saying seven of nine to /srv/crew",
            &[("seven of nine", true)],
        );
        check("put the word pending into /srv/a", &[("pending", true)]);
        check(
            "write the number 12 to /srv/a and the number 13 to /srv/b",
            &[("12", true)],
        );
        check(
            "stick the line never delete prod on a friday at the bottom of /srv/rules.txt",
            &[("never delete prod on a friday", true)],
        );
        check(
            "lemme have a new file /srv/i.txt that says: stop nginx and cry",
            &[("stop nginx and cry", true)],
        );
        check(
            "create /srv/a with inside: Lindenweg 4",
            &[("Lindenweg 4", true)],
        );
        check(
            "make please file in /srv/a with one word only: armed",
            &[("armed", true)],
        );
        check(
            "put a file dear.txt in /srv/a that says Dear Sir.",
            &[("Dear Sir", true)],
        );
        check(
            "create the directory /srv/www and put a page saying welcome in it",
            &[("welcome", true)],
        );
        check(
            "a file /srv/a saying do not disturb, then restart memory",
            &[("do not disturb", true)],
        );
        check(
            "a file /srv/a saying wait here and restart memory",
            &[("wait here", false)],
        );
        check("write Hello. Bye to /srv/a", &[("Hello. Bye", false)]);
        check(
            "the second line of /etc/motd should read wet paint",
            &[("wet paint", true)],
        );
        check("write \"x\" to /srv/a", &[]);
        check("write the line \"x\" to /srv/a", &[]);
        check("put /srv/a in /srv/b", &[]);
        check("put it in /srv/b", &[]);
        check("put a copy in /srv/b", &[]);
        check("show the log in /srv/b", &[]);
        check("find files containing foo in /srv", &[]);
        check("read the note about bread in /srv/b", &[]);
        check("ok so three things: delete /srv/a, read /srv/b", &[]);
    }
}
