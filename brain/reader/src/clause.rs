//! Clauses: where a goal's sentences and their parts begin, and what each wants.

use std::ops::Range;

use crate::lists::{one_of, one_phrase_of};
use crate::mention::{Mention, MentionKind};
use crate::mood::{self, Form, Mood};
use crate::segment::{self, Join, Segment};
use crate::token::{PATH, TEXT, Token};
use crate::verbs::{self, Family, Tense};

/// A part of a goal that wants one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Clause {
    /// Its bytes in the goal.
    pub span: Range<usize>,
    /// What it wants.
    pub mood: Mood,
    /// What kinds of change its verbs may mean.
    pub families: Vec<Family>,
    /// Does it speak of any change at all (`do not touch`)?
    pub any_change: bool,
    /// Does it take back what was said before it (`no wait, …`)?
    pub corrects: bool,
    /// Its words in one spelling, with `§p` for paths and `§q` for texts.
    pub(crate) words: Vec<String>,
}

/// Splits the tokens into clauses.
pub(crate) fn split(tokens: &[Token], mentions: &[Mention]) -> Vec<Clause> {
    let tokens = &segment::without_asides(tokens);
    let segments = segment::split(tokens);
    let mut clauses: Vec<(Clause, Join, bool)> = Vec::new();
    for segment in &segments {
        let words = words(tokens, segment);
        let corrects = corrects(&words);
        if is_tag(&words) {
            retag(&mut clauses, &words);
            continue;
        }
        if words.is_empty() {
            continue;
        }
        let alone = alone(&words);
        let mut mood = match segment.join {
            Join::Except => Mood::Ban,
            _ => mood::of(&as_strs(&words), segment.question),
        };
        if let Some((before, _, _)) = clauses.last_mut()
            && segment.question
            && before.mood == Mood::Order
            && offers_a_choice(tokens, segment, &words)
        {
            before.mood = Mood::AskAct(Form::Explanation);
        }
        if let Some((before, _, _)) = clauses.last() {
            mood = inherited(before, segment, &words, mood, alone);
        }
        if let Some((before, _, _)) = clauses.last()
            && corrects
            && before.mood == Mood::Order
            && matches!(mood, Mood::Unclear | Mood::Unknown | Mood::Statement)
            && names_another(&words)
        {
            mood = Mood::Order;
        }
        let span = span(tokens, &segment.range, mentions);
        let clause = Clause {
            families: families(&words),
            any_change: words.iter().any(|word| verbs::is_any_change(word)) || hands_off(&words),
            span,
            mood,
            corrects,
            words,
        };
        clauses.push((clause, segment.join, alone));
    }
    let flags: Vec<bool> = clauses.iter().map(|(_, _, alone)| *alone).collect();
    let begins: Vec<bool> = clauses
        .iter()
        .map(|(_, join, _)| *join == Join::Sentence)
        .collect();
    let mut clauses: Vec<Clause> = clauses.into_iter().map(|(clause, _, _)| clause).collect();
    adopt_fragments(&mut clauses, &flags);
    take_back_what_is_asked(&mut clauses, &begins);
    if let [clause] = &mut clauses[..]
        && matches!(clause.mood, Mood::Unclear | Mood::Unknown)
    {
        let question = segments.iter().any(|segment| segment.question);
        clause.mood = mood::alone(clause.mood, &as_strs(&clause.words), question);
    }
    clauses
}

fn as_strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// `I want to delete it, is that safe?`, `before restarting it, what should I check?`: the clause
/// that follows in the same sentence makes a question of the order before it. `begins`: which
/// clauses begin a sentence.
fn take_back_what_is_asked(clauses: &mut [Clause], begins: &[bool]) {
    for at in 1..clauses.len() {
        let next = clauses[at].words.join(" ");
        let asks = ASKS_ABOUT_IT
            .iter()
            .any(|start| next == *start || next.starts_with(&format!("{start} ")));
        let first = clauses[at - 1].words.first().map_or("", String::as_str);
        let waits = one_of("before after upon on", first) && clauses[at].mood != Mood::Order;
        if clauses[at - 1].mood == Mood::Order && !begins[at] && (asks || waits) {
            let row = clauses[..at].iter_mut().rev();
            for clause in row.take_while(|clause| clause.mood == Mood::Order) {
                clause.mood = Mood::AskAct(Form::Advice);
            }
        }
    }
}

/// Beginnings of clauses that ask about the act before them.
const ASKS_ABOUT_IT: [&str; 40] = [
    "is that safe",
    "is it safe",
    "is this safe",
    "is that ok",
    "is it ok",
    "is that okay",
    "is it okay",
    "is that fine",
    "is that wise",
    "is it wise",
    "is that possible",
    "is it possible",
    "is that allowed",
    "is it allowed",
    "is that dangerous",
    "is that a good idea",
    "is it a good idea",
    "is that a bad idea",
    "is there enough",
    "is there a risk",
    "how",
    "how do i",
    "how can i",
    "how should i",
    "how do we",
    "what should i",
    "what do i",
    "what would happen",
    "what happens",
    "which is better",
    "which one",
    "can i",
    "may i",
    "should i",
    "good idea",
    "yes or no",
    "i'm not sure",
    "i am not sure",
    "not sure",
    "don't know",
];

/// A mention or a name by itself (`nginx. Restart it.`) wants what the next clause wants.
fn adopt_fragments(clauses: &mut [Clause], alone: &[bool]) {
    for at in (0..clauses.len()).rev() {
        let next = clauses.get(at + 1).map(|next| next.mood);
        if alone[at]
            && at == 0
            && let Some(next) = next
        {
            clauses[at].mood = next;
        }
    }
}

/// A clause of nothing but names and mentions.
fn alone(words: &[String]) -> bool {
    let light = |word: &str| {
        matches!(
            word,
            PATH | TEXT
                | "the"
                | "and"
                | "or"
                | "to"
                | "into"
                | "in"
                | "it"
                | "a"
                | "of"
                | "service"
                | "likewise"
                | "too"
                | "as"
                | "well"
                | "also"
                | "both"
        ) || word.chars().all(|c| c.is_ascii_digit())
    };
    let heavy = words.iter().filter(|word| !light(word)).count();
    let known = |word: &String| {
        verbs::tense(word).is_some() || verbs::is_look(word) || verbs::is_any_change(word)
    };
    heavy == 0 || heavy == 1 && words.len() == 1 && !words.iter().any(known)
}

/// `can you delete folders, or only files?`
fn offers_a_choice(tokens: &[Token], segment: &Segment, words: &[String]) -> bool {
    let joint = segment
        .range
        .start
        .checked_sub(1)
        .and_then(|at| tokens.get(at));
    let first = words.first().map_or("", String::as_str);
    joint.is_some_and(|joint| joint.is("or"))
        && one_of("only just not is does do can never must are", first)
}

/// What a clause takes over from the one before it, to which it is joined.
fn inherited(
    before: &Clause,
    segment: &Segment,
    words: &[String],
    mood: Mood,
    alone: bool,
) -> Mood {
    if alone && segment.join != Join::Except {
        return before.mood;
    }
    // `would you be a dear and delete it?`
    if before.mood == Mood::Statement && is_courtesy(before) {
        return mood::of(&as_strs(words), false);
    }
    // `in theory, …`, `careful: …`
    let before_words = before.words.join(" ");
    let cites = before
        .words
        .last()
        .is_some_and(|last| one_of("says said reads tells told states", last));
    if cites && mood == Mood::Order && before.mood != Mood::Order {
        return Mood::Statement;
    }
    if SETS_DOUBT.contains(&before_words.as_str()) && mood == Mood::Order {
        return Mood::AskAct(Form::Hypothetical);
    }
    // `tell me, would you delete it without asking?`
    let asks = [
        "tell me",
        "i wonder",
        "answer me",
        "be honest",
        "question",
        "quick question",
        "just curious",
        "curious",
        "a question",
    ];
    if asks.contains(&before.words.join(" ").as_str()) && mood == Mood::Order && segment.question {
        return Mood::AskAct(Form::Advice);
    }
    let bare = words
        .first()
        .is_some_and(|first| verbs::tense(first) == Some(Tense::Base));
    let negated = before.words.iter().any(|word| {
        one_of(
            "not never no nobody nothing nor neither refrain avoid forbid forbidden prohibited banned forbids",
            word.as_str(),
        ) || word.ends_with("n't")
    });
    // `do not delete, move or rename it`: the list has no object yet.
    let listing = before
        .words
        .last()
        .is_some_and(|last| verbs::tense(last).is_some());
    let conditional = before
        .words
        .first()
        .is_some_and(|first| first == "if" || first == "when");
    match before.mood {
        // `do not stop it or delete it`, `should I stop it and delete it?`, `I will stop and delete it`.
        Mood::Ban
            if bare
                && (listing
                    || words.iter().any(|word| word == "anything")
                    || negated && segment.join == Join::And) =>
        {
            Mood::Ban
        }
        Mood::Ban if bare && negated && segment.join == Join::After => Mood::Unclear,
        // `if it is down, restart it` is a condition, no question.
        Mood::AskAct(form) if bare && !conditional && segment.join != Join::Sentence => {
            Mood::AskAct(form)
        }
        Mood::Statement
            if matches!(segment.join, Join::And | Join::After)
                && bare
                && (first_person(before)
                    || before
                        .words
                        .first()
                        .is_some_and(|first| verbs::is_change(first))) =>
        {
            Mood::Statement
        }
        _ => mood,
    }
}

/// Clauses after which nothing is an order.
const SETS_DOUBT: [&str; 22] = [
    "in theory",
    "in principle",
    "hypothetically",
    "theoretically",
    "in your opinion",
    "in your view",
    "out of curiosity",
    "out of interest",
    "just curious",
    "careful",
    "caution",
    "warning",
    "attention",
    "what do you reckon",
    "what do you think",
    "what do you say",
    "dry run",
    "simulate",
    "for example",
    "example",
    "purely hypothetically",
    "as a matter of interest",
];

/// A request for a favour that the next clause names.
fn is_courtesy(clause: &Clause) -> bool {
    let words = clause.words.join(" ");
    let aux = [
        "would you",
        "could you",
        "can you",
        "will you",
        "do me",
        "do us",
        "be a",
        "be so",
        "go ahead",
        "perhaps you",
    ];
    aux.iter().any(|start| words.starts_with(start)) && clause.families.is_empty()
}

fn first_person(clause: &Clause) -> bool {
    let first = clause.words.first().map_or("", String::as_str);
    one_of(
        "i we i'll we'll i'd i've i'm he she they might may someone somebody",
        first,
    )
}

/// `…, would you?`, `…, right?`: belongs to the clause before.
fn is_tag(words: &[String]) -> bool {
    let joined = words.join(" ");
    one_phrase_of(
        "would you, will you, could you, can you, won't you, wouldn't you, can't you, would you please, will you please, could you please, can you please, please, would you kindly, ok, okay, eh, shall we, shall you, alright, all right, yeah, got it, innit, clear, understood, thanks, thank you, cheers, would you mind, if you please, if you would, if you don't mind, is that clear, if you would be so kind, won't you please, for me, for me please, there's a dear, right, correct, isn't it, don't you, doesn't it, aren't you, won't it, do you, didn't you, haven't you, didn't we, did you, have you, did it, or not, or not yet, or nah, is that right, wasn't it, hasn't it, no",
        joined.as_str(),
    )
}

/// What a tag does to the clause before it.
fn retag(clauses: &mut [(Clause, Join, bool)], words: &[String]) {
    if words == ["no"] {
        return; // `stop it? no, …`
    }
    let Some((clause, _, _)) = clauses.last_mut() else {
        return;
    };
    let tag = words.join(" ");
    let asks_back = one_phrase_of(
        "right, correct, isn't it, don't you, doesn't it, aren't you, won't it, do you, didn't you, haven't you, didn't we, did you, have you, did it, is that right, wasn't it, hasn't it, or not, or not yet, or nah",
        tag.as_str(),
    );
    let doubts = one_phrase_of(
        "u know, you know, you know what i mean, or perhaps not, or maybe not, maybe, perhaps, i guess, i think, i suppose, hmm, or something",
        tag.as_str(),
    );
    if doubts {
        if matches!(clause.mood, Mood::Order | Mood::Unknown) {
            clause.mood = Mood::Unclear;
        }
    } else if !asks_back {
        // The question mark was the tag's.
        if matches!(clause.mood, Mood::Unclear | Mood::Unknown) {
            clause.mood = mood::of(&as_strs(&clause.words), false);
        }
    } else if tag != "right" && clause.mood == Mood::Order {
        clause.mood = Mood::AskAct(Form::Past);
    }
}

/// Words by which somebody takes back what he said.
fn corrects(words: &[String]) -> bool {
    let joined = words.join(" ");
    let starts = [
        "no wait",
        "wait no",
        "scratch that",
        "i mean",
        "i meant",
        "sorry",
        "correction",
        "make that",
        "actually make that",
        "actually make it",
        "or rather",
        "oops",
        "strike that",
        "no sorry",
        "no actually",
        "hang on",
        "rather",
    ];
    starts
        .iter()
        .any(|start| joined == *start || joined.starts_with(&format!("{start} ")))
}

/// `no wait, into /srv/b`: nothing but what is meant instead.
fn names_another(words: &[String]) -> bool {
    let light = |word: &String| {
        one_of(
            "no wait sorry i mean meant scratch that correction make actually it or rather oops strike hang on \
             hold ah oh er in into to from at under as the one file folder directory service named called and instead",
            word.as_str(),
        ) || matches!(word.as_str(), PATH | TEXT)
    };
    words
        .iter()
        .any(|word| matches!(word.as_str(), PATH | TEXT))
        && words.iter().all(light)
}

fn hands_off(words: &[String]) -> bool {
    let has = |word: &str| words.iter().any(|known| known == word);
    has("leave")
        || has("keep")
        || has("spare")
        || has("preserve")
        || has("alone")
        || (has("hands") || has("paws") || has("mitts")) && has("off")
        || has("stays")
        || has("stay")
        || has("remain")
        || has("remains")
        || has("away")
}

fn families(words: &[String]) -> Vec<Family> {
    let mut all: Vec<Family> = words
        .iter()
        .filter_map(|word| verbs::families(word))
        .flatten()
        .copied()
        .collect();
    if words
        .windows(2)
        .any(|two| two[0] == "get" && two[1] == "rid")
        || words.iter().any(|word| word == "gone")
    {
        all.push(Family::Delete);
    }
    all.sort();
    all.dedup();
    all
}

fn words(tokens: &[Token], segment: &Segment) -> Vec<String> {
    let mark = |text: &str| text.chars().all(|c| !c.is_alphanumeric()) && !text.contains('>');
    tokens[segment.range.clone()]
        .iter()
        .filter(|token| !mark(&token.text) || matches!(token.text.as_str(), PATH | TEXT))
        .map(|token| token.text.clone())
        .collect()
}

fn span(tokens: &[Token], range: &Range<usize>, mentions: &[Mention]) -> Range<usize> {
    let inside = &tokens[range.clone()];
    let start = inside.first().map_or(0, |token| token.span.start);
    let end = inside.last().map_or(start, |token| token.span.end);
    // A token's span is its mention's; nothing is cut in two.
    debug_assert!(
        mentions
            .iter()
            .all(|mention| !matches!(mention.kind, MentionKind::Quoted)
                || mention.span.start >= end
                || mention.span.end <= start
                || mention.span.start >= start && mention.span.end <= end)
    );
    start..end
}
