//! Where a goal's sentences and their parts begin and end.

use std::ops::Range;

use crate::lists::one_of;
use crate::token::{PATH, TEXT, Token};
use crate::verbs::{self, Tense};

/// How a clause is joined to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    /// A new sentence.
    Sentence,
    /// A comma, a colon, a bracket.
    Comma,
    /// And, or.
    And,
    /// But, so, please: a new start.
    Then,
    /// Then: goes on after the clause before.
    After,
    /// Except, but not: what an order leaves out.
    Except,
}

#[derive(Debug)]
pub(crate) struct Segment {
    /// Its tokens.
    pub(crate) range: Range<usize>,
    pub(crate) join: Join,
    /// A question mark ends its sentence.
    pub(crate) question: bool,
}

/// All parts of a goal, in its order; `tokens` are those of [`without_asides`].
pub(crate) fn split(tokens: &[Token]) -> Vec<Segment> {
    let mut segments = segments(tokens);
    mark_questions(tokens, &mut segments);
    segments
}

/// The last segment of a sentence has its question mark; it holds for the sentence's others, too,
/// but for those before a `then` or `but`.
fn mark_questions(tokens: &[Token], segments: &mut [Segment]) {
    let mut question = false;
    let mut last = true;
    for segment in segments.iter_mut().rev() {
        let end = tokens
            .get(segment.range.end)
            .map_or("", |token| token.text.as_str());
        let ends = matches!(end, "." | "!" | "?" | ";" | "\n") || last;
        last = false;
        if ends {
            // `??`, `?!`
            let marks = tokens[segment.range.end..]
                .iter()
                .take_while(|token| matches!(token.text.as_str(), "?" | "!"));
            question = marks.into_iter().any(|token| token.is("?"));
        }
        segment.question = question;
    }
}

/// Beginnings that want a verb; what stands between commas after them is an aside
/// (`do not, I implore you, touch …`).
const BEGUN: [&str; 34] = [
    "do not",
    "don't",
    "please do not",
    "please don't",
    "never",
    "please never",
    "refrain",
    "please refrain",
    "could you",
    "would you",
    "can you",
    "will you",
    "could you please",
    "would you please",
    "can you please",
    "who",
    "why",
    "what",
    "when",
    "how",
    "where",
    "which",
    "should i",
    "did you",
    "have you",
    "would it",
    "is it",
    "may i",
    "might i",
    "could i",
    "i would",
    "i should",
    "i want",
    "i'd",
];

/// An aside has at most so many words.
const ASIDE_MAX: usize = 12;

/// Without the asides after a beginning.
pub(crate) fn without_asides(tokens: &[Token]) -> Vec<Token> {
    let mut kept: Vec<Token> = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if let Some(end) = aside_end(&kept, tokens, at) {
            // The comma that ends it may begin another.
            at = match aside_end(&kept, tokens, end) {
                Some(_) => end,
                None => end + 1,
            };
            continue;
        }
        kept.push(tokens[at].clone());
        at += 1;
    }
    kept
}

/// Where the aside that begins with the comma at `at` ends, if it is one.
fn aside_end(kept: &[Token], tokens: &[Token], at: usize) -> Option<usize> {
    if !tokens[at].is(",") {
        return None;
    }
    let from = kept.iter().rposition(|token| {
        matches!(
            token.text.as_str(),
            "." | "!" | "?" | ";" | "," | "\n" | ":"
        )
    });
    let begun: Vec<&str> = kept[from.map_or(0, |from| from + 1)..]
        .iter()
        .map(|token| token.text.as_str())
        .collect();
    let begun = begun.join(" ");
    let begun = begun
        .strip_prefix("and ")
        .or(begun.strip_prefix("but "))
        .unwrap_or(&begun);
    if !BEGUN.contains(&begun) {
        return None;
    }
    let inside = tokens[at + 1..].iter().take(ASIDE_MAX);
    let length = inside.clone().position(|token| token.is(","))?;
    let plain = tokens[at + 1..at + 1 + length].iter().all(|token| {
        !token.is(PATH)
            && !token.is(TEXT)
            && !matches!(
                token.text.as_str(),
                "principle" | "theory" | "hypothetically" | "theoretically"
            )
            && !verbs::is_change(&token.text)
            && !matches!(token.text.as_str(), "." | "!" | "?" | ";")
    });
    plain.then_some(at + 1 + length)
}

fn segments(tokens: &[Token]) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut start = 0;
    let mut join = Join::Sentence;
    let mut at = 0;
    let mut close = |range: Range<usize>, join: Join| {
        if !range.is_empty() {
            segments.push(Segment {
                range,
                join,
                question: false,
            });
        }
    };
    while at < tokens.len() {
        let Some((next, width)) = boundary(tokens, start, at) else {
            at += 1;
            continue;
        };
        close(start..at, join);
        join = next;
        at += width;
        start = at;
        // The word that begins it (`without`, `not`) is part of it.
        at = at.max(start) + usize::from(width == 0);
    }
    close(start..tokens.len(), join);
    segments
}

/// Does a new clause begin here? How it is joined, and how many tokens the joint has.
fn boundary(tokens: &[Token], start: usize, at: usize) -> Option<(Join, usize)> {
    let word = |offset: usize| {
        tokens
            .get(at + offset)
            .map_or("", |token| token.text.as_str())
    };
    match word(0) {
        "." | "!" | "?" | "\n" => Some((Join::Sentence, 1)),
        ";" => Some((Join::Sentence, 1)),
        "…" | "—" | "(" | ")" | ":" => Some((Join::Comma, 1)),
        "-" => {
            let apart = |at: usize| {
                let (Some(one), Some(two)) = (tokens.get(at), tokens.get(at + 1)) else {
                    return false;
                };
                one.span.end < two.span.start
            };
            (at > 0 && apart(at - 1) && apart(at)).then_some((Join::Comma, 1))
        }
        "," if gives_a_reason(&tokens[start..at]) => {
            Some(after_comma(&word).unwrap_or((Join::Comma, 1)))
        }
        "," => after_comma(&word),
        "and" | "or" | "nor" | "plus" | "so" if at > start => conjunction(&word, 0),
        "but" | "then" | "yet" if at > start => {
            let excepts = matches!(
                before(tokens, at),
                "everything" | "all" | "anything" | "any" | "every"
            );
            match excepts || word(1) == "not" && !verb_follows(&word, 2) {
                true => Some((Join::Except, 1)),
                false if before(tokens, at) == "nothing" => None,
                false if word(0) == "then" => Some((Join::After, 1)),
                false => Some((Join::Then, 1)),
            }
        }
        "except" | "excluding" | "apart" if at > start => Some((Join::Except, 0)),
        "other" if word(1) == "than" && at > start => Some((Join::Except, 0)),
        "rather" | "instead" if matches!(word(1), "than" | "of") && at > start => {
            Some((Join::Except, 0))
        }
        "without" if at > start && change_follows(&word) => Some((Join::Except, 0)),
        _ if ends_a_condition(&tokens[start..at], word(0)) => Some((Join::Comma, 0)),
        _ => None,
    }
}

/// `since we moved, the folder can go`: what follows the reason is a clause, whatever it begins with.
fn gives_a_reason(clause: &[Token]) -> bool {
    let first = clause.first().map_or("", |token| token.text.as_str());
    let second = clause.get(1).map_or("", |token| token.text.as_str());
    one_of("since because as", first) && !one_of("well soon usual long far of for to", second)
}

/// `if nginx is down restart it`: the order after a condition, without a comma between them.
fn ends_a_condition(clause: &[Token], verb: &str) -> bool {
    let words: Vec<&str> = clause.iter().map(|token| token.text.as_str()).collect();
    let ("if", Some(last)) = (words.first().copied().unwrap_or_default(), words.last()) else {
        return false;
    };
    let state = |word: &&str| {
        one_of(
            "is are isn't aren't was exists exist fails failed stopped there has hasn't missing doesn't",
            word,
        )
    };
    let belongs = one_of(
        "if i you we they he she it to not don't didn't should would could can must may might will and or \
         the a an my our your this that every each any no is are be been for of its",
        last,
    );
    verbs::is_change(verb) && !belongs && words.iter().any(state)
}

fn before(tokens: &[Token], at: usize) -> &str {
    at.checked_sub(1)
        .and_then(|at| tokens.get(at))
        .map_or("", |token| token.text.as_str())
}

fn verb_follows<'a>(word: &impl Fn(usize) -> &'a str, at: usize) -> bool {
    verbs::is_change(word(at)) || verbs::is_look(word(at))
}

/// `without deleting …`, `without touching …`.
fn change_follows<'a>(word: &impl Fn(usize) -> &'a str) -> bool {
    (1..5).any(|at| {
        verbs::tense(word(at)) == Some(Tense::Gerund)
            || verbs::is_any_change(word(at)) && word(at).ends_with("ing")
    })
}

fn after_comma<'a>(word: &impl Fn(usize) -> &'a str) -> Option<(Join, usize)> {
    match word(1) {
        "and" | "or" | "so" | "plus" | "nor" => {
            conjunction(word, 1).or_else(|| starts(word(2), false).then_some((Join::And, 2)))
        }
        "but" => match word(2) == "not" && !verb_follows(word, 3) {
            true => Some((Join::Except, 2)),
            false => Some((Join::Then, 2)),
        },
        "then" => Some((Join::After, 2)),
        "not" if !verb_follows(word, 2) => Some((Join::Except, 1)),
        "except" | "excluding" | "without" => Some((Join::Except, 1)),
        next => starts(next, true).then_some((Join::Comma, 1)),
    }
}

fn conjunction<'a>(word: &impl Fn(usize) -> &'a str, at: usize) -> Option<(Join, usize)> {
    let next = word(at + 1);
    let adverb = one_of(
        "thereupon also subsequently thereafter immediately straight next quickly maybe perhaps",
        next,
    );
    match next {
        "then" => Some((Join::After, at + 2)),
        "not" if !verb_follows(word, at + 2) => Some((Join::Except, at + 1)),
        _ if adverb && verb_follows(word, at + 2) => Some((Join::Then, at + 1)),
        next if starts(next, false) => match word(at) {
            "so" | "plus" => Some((Join::Then, at + 1)),
            _ if fresh(next) => Some((Join::Then, at + 1)),
            _ => Some((Join::And, at + 1)),
        },
        _ => None,
    }
}

/// Words that begin an independent clause even after `and`.
fn fresh(word: &str) -> bool {
    one_of(
        "please just only now afterwards finally lastly kindly leave keep hands don't do never could would can will",
        word,
    )
}

/// Can a clause begin with this word?
fn starts(word: &str, comma: bool) -> bool {
    let always = one_of(
        "please kindly don't do never no nobody hands leave keep let let's make can could would will won't shall should may might must is are was were does did has i i'm i'd i'll i've we we'll you you're he she they it's what what's why who when where how which tell give get go just only also after before if afterwards finally lastly stay refrain avoid nothing thanks ensure have see",
        word,
    );
    let later = one_of(
        "actually wait instead rather sorry scratch there there's that that's it because since as unless ok okay right eh correct isn't didn't haven't be whatever otherwise though any none oh hmm yes yeah cheers clear got innit understood my first second third next hypothetically any1 this say now nor or well alright once for",
        word,
    );
    always || comma && later || verbs::is_change(word) || verbs::is_look(word)
}
