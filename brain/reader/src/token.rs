//! Words and punctuation of a goal, in one spelling, with mentions as single tokens.

use std::ops::Range;

use crate::mention::{Mention, MentionKind};
use crate::verbs;

/// Stands for a path or an address.
pub(crate) const PATH: &str = "§p";
/// Stands for a quoted text or a content.
pub(crate) const TEXT: &str = "§q";

/// A word, a mention or a punctuation mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// In lower case and one spelling; a mention is [`PATH`] or [`TEXT`], a number its digits.
    pub(crate) text: String,
    /// Its bytes in the goal.
    pub(crate) span: Range<usize>,
}

impl Token {
    pub(crate) fn is(&self, text: &str) -> bool {
        self.text == text
    }
}

/// All tokens of the text.
pub(crate) fn split(text: &str, mentions: &[Mention]) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut from = 0;
    for mention in mentions {
        plain(text, from..mention.span.start, &mut tokens);
        let word = match mention.kind {
            MentionKind::Path | MentionKind::Url => PATH.to_owned(),
            MentionKind::Quoted | MentionKind::Content { .. } => TEXT.to_owned(),
            MentionKind::Number(number) => number.to_string(),
            MentionKind::Name => mention.value.to_lowercase(),
        };
        tokens.push(Token {
            text: word,
            span: mention.span.clone(),
        });
        from = mention.span.end;
    }
    plain(text, from..text.len(), &mut tokens);
    tokens
}

/// Adds what stands between two mentions.
fn plain(text: &str, range: Range<usize>, tokens: &mut Vec<Token>) {
    let part = text.get(range.clone()).unwrap_or_default();
    let mut chars = part.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let mut end = start + c.len_utf8();
        if is_word(c) {
            while let Some((at, next)) = chars.peek().copied() {
                let rest = &part[at + next.len_utf8()..];
                let joins = is_word(next) || joins(next) && rest.starts_with(is_word);
                if !joins {
                    break;
                }
                end = at + next.len_utf8();
                chars.next();
            }
            spelled(
                &part[start..end],
                range.start + start..range.start + end,
                tokens,
            );
        } else if c == '\n' || !c.is_whitespace() {
            // Dashes and dots in a row are one mark.
            while let Some((at, next)) = chars
                .peek()
                .copied()
                .filter(|(_, next)| *next == c && c != '\n')
            {
                end = at + next.len_utf8();
                chars.next();
            }
            let mark = match &part[start..end] {
                "..." | ".." | "…" => "…",
                "--" | "–" | "—" | "---" => "—",
                _ if c == '?' => "?",
                mark => mark.get(..c.len_utf8()).unwrap_or_default(),
            };
            tokens.push(Token {
                text: mark.to_owned(),
                span: range.start + start..range.start + end,
            });
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Within a word: `don't`, `agent-storage`, `x.service`, `a@b`.
fn joins(c: char) -> bool {
    "'’-.@:".contains(c)
}

/// One spelling for what people write in many ways; some words are two.
const SPELLINGS: &[(&str, &str)] = &[
    ("abt", "about"),
    ("ain't", "is not"),
    ("aint", "isn't"),
    ("any1", "anyone"),
    ("arent", "aren't"),
    ("cannot", "can't"),
    ("cant", "can't"),
    ("cos", "because"),
    ("coudl", "could"),
    ("couldnt", "couldn't"),
    ("couldya", "could you"),
    ("cpoy", "copy"),
    ("craete", "create"),
    ("creat", "create"),
    ("cuz", "because"),
    ("cya", "can you"),
    ("d'you", "do you"),
    ("deelte", "delete"),
    ("delet", "delete"),
    ("delte", "delete"),
    ("didnt", "didn't"),
    ("dleete", "delete"),
    ("dlete", "delete"),
    ("dno't", "don't"),
    ("dnt", "don't"),
    ("do'nt", "don't"),
    ("doesnt", "doesn't"),
    ("don't'", "don't"),
    ("don;t", "don't"),
    ("donot", "do not"),
    ("dont", "don't"),
    ("dotn", "don't"),
    ("gimme", "give me"),
    ("gonna", "going to"),
    ("gotta", "have to"),
    ("hadnt", "hadn't"),
    ("hasnt", "hasn't"),
    ("havent", "haven't"),
    ("id", "i'd"),
    ("im", "i'm"),
    ("isnt", "isn't"),
    ("ive", "i've"),
    ("lemme", "let me"),
    ("lets", "let's"),
    ("musn't", "mustn't"),
    ("mustnt", "mustn't"),
    ("mvoe", "move"),
    ("n", "and"),
    ("neednt", "needn't"),
    ("neevr", "never"),
    ("nerver", "never"),
    ("nevr", "never"),
    ("nto", "not"),
    ("nver", "never"),
    ("nvr", "never"),
    ("oughta", "ought to"),
    ("pelase", "please"),
    ("plaese", "please"),
    ("pleas", "please"),
    ("plese", "please"),
    ("pls", "please"),
    ("plz", "please"),
    ("r", "are"),
    ("remvoe", "remove"),
    ("resart", "restart"),
    ("restrat", "restart"),
    ("shan't", "shall not"),
    ("shd", "should"),
    ("shold", "should"),
    ("shoud", "should"),
    ("shoudl", "should"),
    ("shouldnt", "shouldn't"),
    ("shud", "should"),
    ("shuld", "should"),
    ("sotp", "stop"),
    ("strat", "start"),
    ("teh", "the"),
    ("theyre", "they're"),
    ("thx", "thanks"),
    ("ty", "thanks"),
    ("u", "you"),
    ("ur", "your"),
    ("wanna", "want to"),
    ("wasnt", "wasn't"),
    ("werent", "weren't"),
    ("whats", "what's"),
    ("wheres", "where's"),
    ("whos", "who's"),
    ("whys", "why's"),
    ("wich", "which"),
    ("wil", "will"),
    ("wirte", "write"),
    ("wld", "would"),
    ("wold", "would"),
    ("wont", "won't"),
    ("woudl", "would"),
    ("wouldnt", "wouldn't"),
    ("wrte", "write"),
    ("ya", "you"),
    ("ye", "you"),
    ("youre", "you're"),
];

fn spelled(word: &str, span: Range<usize>, tokens: &mut Vec<Token>) {
    let lower = word.to_lowercase().replace('’', "'");
    let spelled = SPELLINGS
        .binary_search_by(|(from, _)| (*from).cmp(lower.as_str()))
        .map_or_else(|_| respelled(&lower), |index| SPELLINGS[index].1);
    for part in spelled.split(' ') {
        tokens.push(Token {
            text: part.to_owned(),
            span: span.clone(),
        });
    }
}

/// Long words on which it depends whether something is done; one slip of the finger in them is
/// understood.
const WEIGHTY: [&str; 18] = [
    "allowed",
    "circumstance",
    "circumstances",
    "delete",
    "deleting",
    "forbidden",
    "happens",
    "nobody",
    "nothing",
    "overwrite",
    "please",
    "refrain",
    "remove",
    "rename",
    "restart",
    "suppose",
    "whether",
    "without",
];

/// Words that are right although they look like one of those.
const RIGHT: [&str; 9] = [
    "allow", "allows", "happen", "happened", "noting", "pleased", "pleases", "removal", "supposed",
];

/// The weighty word that was meant, or the word itself.
fn respelled(word: &str) -> &str {
    let known = RIGHT.contains(&word) || verbs::tense(word).is_some() || verbs::is_look(word);
    if known || word.len() < 6 {
        return word;
    }
    let near = |weighty: &&&str| word != **weighty && strsim::osa_distance(word, weighty) == 1;
    WEIGHTY.iter().find(near).copied().unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_are_in_order() {
        assert!(
            SPELLINGS.is_sorted_by(|a, b| a.0 < b.0),
            "{:?}",
            SPELLINGS.windows(2).find(|two| two[0].0 >= two[1].0)
        );
    }

    #[test]
    fn words_marks_and_mentions_are_told_apart() {
        let check = |text: &str, expected: &str| {
            let tokens = split(text, &crate::mention::find(text));
            let words: Vec<&str> = tokens.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(words.join(" "), expected, "{text}");
        };
        check(
            "Dont  delete /srv/a, it’s Anna's!",
            "don't delete §p , it's anna's !",
        );
        check(
            "put \"x\" in /a… no: /b --now",
            "put §q in §p … no : §p — now",
        );
        check(
            "restart agent-storage at 10:30.",
            "restart agent-storage at 10:30 .",
        );
        check("first three lines", "first 3 lines");
        check("wanna go?!", "want to go ? !");
    }
}
