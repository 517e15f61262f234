//! What a clause wants: decided by a table of rules ([`crate::rules`]) over its words.

use crate::lists::one_of;
use crate::rules::{self, Then};
use crate::token::PATH;
use crate::verbs::{self, Tense};

/// What a clause wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// That something is changed. Only from this a change may follow.
    Order,
    /// That something is not done.
    Ban,
    /// To know something about an act, without ordering it.
    AskAct(Form),
    /// To see or to know how something is.
    AskState,
    /// Nothing: it tells something.
    Statement,
    /// Not to be told: an order, perhaps.
    Unclear,
    /// No rule knows its words: it neither asks nor forbids, and may well be an order.
    Unknown,
}

/// How a question is about an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// What would be if.
    Hypothetical,
    /// May I, is it allowed.
    Permission,
    /// Should I, is it wise.
    Advice,
    /// Whether, when and by whom an act was done.
    Past,
    /// Why, how, what does it do; can you at all.
    Explanation,
}

/// How often a rule may hand on the rest of a clause: enough for any politeness.
const DEPTH_MAX: usize = 8;

/// The words of a clause with a mark on each verb that the rules tell apart: `delete~b`.
pub(crate) fn marked(words: &[&str]) -> String {
    let mark = |word: &&str| {
        let mark = match verbs::tense(word) {
            Some(Tense::Base) => "~b",
            Some(Tense::Third) => "~s",
            Some(Tense::Past) => "~d",
            Some(Tense::Gerund) => "~g",
            None if verbs::is_any_change(word) => "~a",
            None if verbs::is_look(word) => "~l",
            None => "",
        };
        // A name that says "no" is a name: `no-such-package`.
        if word.split('-').count() > 2 {
            format!("{}{mark}", word.replace('-', "_"))
        } else {
            format!("{word}{mark}")
        }
    };
    words.iter().map(mark).collect::<Vec<_>>().join(" ")
}

/// The mood of a clause. `question`: a question mark ends it.
pub(crate) fn of(words: &[&str], question: bool) -> Mood {
    match decide(&marked(words), question, 0) {
        Mood::Order if is_doubtful(words) || is_standing(words) => Mood::Unclear,
        Mood::Order if is_only_a_wish(words) => Mood::Unknown,
        Mood::Unknown if is_doubtful(words) || is_standing(words) => Mood::Unclear,
        mood => mood,
    }
}

/// `restart it if it crashes`: wants something done whenever something happens, not now.
fn is_standing(words: &[&str]) -> bool {
    let happens = |word: &str| {
        one_of(
            "crashes fails dies stops hangs breaks falls reboots restarts disconnects happens goes stalls",
            word,
        )
    };
    let at = words
        .iter()
        .position(|word| one_of("if when whenever", word));
    at.is_some_and(|at| at > 0 && words[at..].iter().take(5).any(|word| happens(word)))
}

/// `we need more space`: wants something, and names nothing to do.
fn is_only_a_wish(words: &[&str]) -> bool {
    let clause = marked(words);
    let ends = one_of(
        "off on down up away gone out back",
        words.last().copied().unwrap_or_default(),
    );
    let things = words.iter().any(|word| {
        one_of(
            "folder file directory page copy link shortcut gone rid back",
            word,
        )
    });
    one_of(
        "i we i'd we'd i'll need want wish",
        words.first().copied().unwrap_or_default(),
    ) && !names_change(&clause)
        && !ends
        && !things
}

/// Words that no plain order has: negations, and words of asking and warning.
const DOUBTFUL: [&str; 44] = [
    "not",
    "never",
    "no",
    "nobody",
    "none",
    "nothing",
    "neither",
    "nor",
    "nae",
    "noone",
    "whether",
    "opinion",
    "advice",
    "advise",
    "wonder",
    "wondering",
    "explanation",
    "why",
    "thoughts",
    "undecided",
    "consequences",
    "careful",
    "woe",
    "dreams",
    "negative",
    "fired",
    "curious",
    "interest",
    "interested",
    "principle",
    "theory",
    "hypothetically",
    "theoretically",
    "know",
    "think",
    "reckon",
    "dangerous",
    "risk",
    "risky",
    "regret",
    "hardly",
    "scarcely",
    "ne'er",
    "unwise",
];

/// Beginnings with such a word that are orders all the same.
const POLITE: [&str; 32] = [
    "do you think you",
    "do you think we",
    "do you suppose you",
    "do you reckon you",
    "would you think you",
    "do you imagine you",
    "why don't",
    "why not",
    "why won't",
    "why do not",
    "can't you",
    "couldn't you",
    "won't you",
    "wouldn't you",
    "can you not",
    "don't you",
    "wouldn't it",
    "don't forget",
    "do not forget",
    "never forget",
    "don't fail",
    "do not fail",
    "don't hesitate",
    "do not hesitate",
    "if you don't mind",
    "if you do not mind",
    "if you wouldn't mind",
    "no wait",
    "do not neglect",
    "don't neglect",
    "do not omit",
    "would you not",
];

/// Is there a word in it that makes an order uncertain?
fn is_doubtful(words: &[&str]) -> bool {
    // `truncate it to nothing` is no ban.
    let joined = words
        .join(" ")
        .replace("to nothing", "")
        .replace("with nothing", "")
        .replace("no i mean", "")
        .replace("no sorry", "");
    let polite = POLITE.iter().find_map(|start| {
        joined
            .find(start)
            .filter(|at| *at < 24)
            .map(|at| (at, start.len()))
    });
    let rest = match polite {
        Some((at, length)) => joined.get(at + length..).unwrap_or_default(),
        None => joined.as_str(),
    };
    // What stands in a part of its own speaks of the thing: `if it is not running`.
    let parts = [
        " if ",
        " which ",
        " because ",
        " since ",
        " that is ",
        " that are ",
        " that isn't ",
        " that aren't ",
        " who ",
        " that nothing ",
        " that nobody ",
        " nothing uses",
        " nothing needs",
        " nothing depends",
        " no longer used",
        " no longer needed",
    ];
    let ordered = words.first().is_some_and(|first| {
        verbs::is_change(first) || one_of("please could can would will kindly", first)
    });
    let end = parts
        .iter()
        .filter_map(|part| rest.find(part))
        .min()
        .filter(|_| ordered);
    let rest = end.map_or(rest, |end| &rest[..end]);
    let doubtful =
        |word: &str| DOUBTFUL.contains(&word) || word.ends_with("n't") || word.ends_with("shan");
    rest.split(' ').any(doubtful) || rest.contains("stay away") || rest.contains("keep away")
}

fn decide(clause: &str, question: bool, depth: usize) -> Mood {
    if depth > DEPTH_MAX {
        return Mood::Unclear;
    }
    let clause = clause.trim();
    for rule in rules::all() {
        let Some(found) = rule.find(clause) else {
            continue;
        };
        let rest = &clause[found.end()..];
        return match rule.then {
            // `/srv/a can go?`, `you delete files?`
            Then::Is(Mood::Order) if question => Mood::Unclear,
            Then::Is(mood) => mood,
            Then::Ordered => Mood::Order,
            Then::BanOrNothing => match names_change(clause) {
                true => Mood::Ban,
                false => Mood::Statement,
            },
            Then::Rest if rest.trim().is_empty() => Mood::Statement,
            Then::Rest => decide(rest, question, depth + 1),
            // Politeness in the form of a question: its question mark means nothing.
            Then::Polite if rest.trim().is_empty() => Mood::Statement,
            Then::Polite => match decide(rest, false, depth + 1) {
                Mood::Unclear | Mood::Unknown | Mood::Statement if names_change(rest) => {
                    Mood::Order
                }
                mood => mood,
            },
            Then::About(form) => match speaks_of_change(clause) {
                true => Mood::AskAct(form),
                false => Mood::AskState,
            },
            Then::Imperative => imperative(clause, question),
            Then::Perhaps => match decide(rest, question, depth + 1) {
                Mood::Order | Mood::Unknown => Mood::Unclear,
                mood => mood,
            },
        };
    }
    imperative(clause, question)
}

/// Does a change stand in these words, or a path that something could be done to?
fn names_change(clause: &str) -> bool {
    speaks_of_change(clause) || clause.split(' ').any(|word| word == PATH)
}

/// Does a verb of change stand in these words? After an article it is a noun (`the log`).
fn speaks_of_change(clause: &str) -> bool {
    let marks = ["~b", "~s", "~d", "~g", "~a"];
    let mut before = "";
    clause.split(' ').any(|word| {
        let noun = word.ends_with("~b") && is_article(before);
        before = word;
        !noun && marks.iter().any(|mark| word.ends_with(mark))
    })
}

fn is_article(word: &str) -> bool {
    one_of(
        "the a an my our this that your his her any which what",
        word,
    )
}

/// No rule knows it: is it an order in plain words?
fn imperative(clause: &str, question: bool) -> Mood {
    let words: Vec<&str> = clause.split(' ').filter(|word| !word.is_empty()).collect();
    let Some(first) = words.first() else {
        return Mood::Statement;
    };
    if first.ends_with("~l") {
        return Mood::AskState;
    }
    let hedged = words
        .iter()
        .any(|word| matches!(*word, "hmm" | "maybe" | "perhaps" | "dunno" | "somehow"));
    if hedged {
        return Mood::Unclear;
    }
    let base = (0..words.len()).any(|at| {
        let noun = at
            .checked_sub(1)
            .is_some_and(|before| is_article(words[before]));
        words[at].ends_with("~b") && !noun
    });
    let formed = words
        .iter()
        .any(|word| ["~d", "~g", "~s"].iter().any(|mark| word.ends_with(mark)));
    let things = ["folder", "file", "directory", "page", "shortcut"];
    let ends = ["off", "on", "down", "up", "away", "out", "gone"];
    let thing = words.iter().any(|word| things.contains(word))
        || words.last().is_some_and(|last| ends.contains(last));
    let told = one_of(
        "the my our his her their this that these those its it's it that's he she they there",
        first,
    );
    match question {
        true if base || formed || thing => Mood::Unclear,
        true => Mood::AskState,
        false if base => Mood::Order,
        false if told => Mood::Unknown,
        false if thing => Mood::Order,
        false if formed => Mood::Order,
        false if one_of("get let give have hand hold into", first) && words.len() > 1 => {
            Mood::Order
        }
        // A verb that is misspelt.
        false if verbs::is_slip(first) && words.len() > 1 => Mood::Order,
        false
            if words
                .iter()
                .any(|word| word.len() > 4 && verbs::is_slip(word)) =>
        {
            Mood::Order
        }
        false => Mood::Unknown,
    }
}

/// A goal of one clause that is not clear, without a question mark: words that are not known, but
/// an order in its form (`nginx off`, `kernel, hold`). Not one that is in doubt itself.
pub(crate) fn alone(mood: Mood, words: &[&str], question: bool) -> Mood {
    let last = words.last().copied().unwrap_or_default();
    let short = (2..=4).contains(&words.len());
    let ends = one_of("off on down up away gone hold out back now", last);
    match short && ends && !question && !is_doubtful(words) {
        true => Mood::Order,
        false => mood,
    }
}
