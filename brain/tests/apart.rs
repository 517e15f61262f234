//! No goal of the test sets is trained on.
//!
//! `data/test/` was written by writers whose other sentences are in no training set. This test compares each of
//! their goals with every sentence of `data/train/` and `data/held/`, as words, with numbers and paths masked: first
//! as a whole, by hash, then by the share of word triples that two sentences have in common.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// Two sentences that have so large a part of their triples in common are near duplicates (Jaccard index). A word
/// put before or after a sentence of eight words leaves 0.86, one exchanged in the midst of fifteen 0.63. Of 620
/// goals against 38,000 sentences of writers who knew nothing of each other, those that were the same sentence stood
/// at 0.83 and above; all others were at 0.55 and below, with no more in common than a phrase.
const NEAR: f64 = 0.6;

/// Fewer words than this, besides masked ones, prove nothing: `chmod 600 /x` and `how many lines has /x` are what
/// anybody writes, and for a shell's line there are no other words.
const WORDS_MIN: usize = 5;

/// A path, and anything with a digit in it.
const MASKS: [&str; 2] = ["/", "0"];

/// A text as lower-case words; what differs between two uses of one template is masked.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for part in text.to_lowercase().split_whitespace() {
        let part = part.trim_matches(|c: char| c.is_ascii_punctuation() && c != '/' && c != '~');
        if part.contains('/') {
            words.push(MASKS[0].to_owned());
            continue;
        }
        let pieces = part.split(|c: char| !c.is_alphanumeric());
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let is_number = piece.chars().any(|c| c.is_ascii_digit());
            words.push(if is_number { MASKS[1] } else { piece }.to_owned());
        }
    }
    words
}

fn unmasked(words: &[String]) -> usize {
    let masked = |word: &&String| MASKS.contains(&word.as_str());
    words.len() - words.iter().filter(masked).count()
}

fn triples(words: &[String]) -> HashSet<&[String]> {
    words.windows(3).collect()
}

/// A sentence of the training data without its markup: `put [content:a [b]] in [2.path:/x]`.
fn plain(marked: &str) -> String {
    let mut text = String::new();
    let mut rest = marked;
    while let Some(open) = rest.find('[') {
        let (before, from) = rest.split_at(open);
        text += before;
        match value(from) {
            Some((value, after)) => {
                text += &plain(value);
                rest = after;
            }
            None => {
                text.push('[');
                rest = &from[1..];
            }
        }
    }
    text + rest
}

/// Of `[2.slot:value]after` the value and what is after it; `None` when these brackets are no markup.
fn value(marked: &str) -> Option<(&str, &str)> {
    let inside = marked.strip_prefix('[')?;
    let step = inside.find(|c: char| !c.is_ascii_digit()).unwrap_or(0);
    let named = match step {
        0 => inside,
        _ => inside[step..].strip_prefix('.')?,
    };
    let slot = named.find(':')?;
    let is_slot =
        |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if !is_slot(&named[..slot]) {
        return None;
    }
    let value = &named[slot + 1..];
    let mut depth = 0;
    for (at, c) in value.char_indices() {
        match c {
            '[' => depth += 1,
            ']' if depth == 0 => return Some((&value[..at], &value[at + 1..])),
            ']' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The sentences by whole and by triple.
struct Index<'a> {
    sentences: &'a [(String, Vec<String>)],
    whole: HashMap<&'a [String], usize>,
    with: HashMap<&'a [String], Vec<usize>>,
    /// How many triples each sentence has.
    counts: Vec<usize>,
}

impl<'a> Index<'a> {
    fn of(sentences: &'a [(String, Vec<String>)]) -> Self {
        let mut index = Self {
            sentences,
            whole: HashMap::new(),
            with: HashMap::new(),
            counts: Vec::new(),
        };
        for (number, (_, words)) in sentences.iter().enumerate() {
            index.whole.insert(words, number);
            let triples = triples(words);
            index.counts.push(triples.len());
            for triple in triples {
                index.with.entry(triple).or_default().push(number);
            }
        }
        index
    }

    /// The sentence that is nearest, and how near: 1 is the same.
    fn nearest(&self, words: &[String]) -> Option<(f64, &'a str)> {
        if let Some(same) = self.whole.get(words) {
            return Some((1.0, &self.sentences[*same].0));
        }
        let triples = triples(words);
        let mut common: HashMap<usize, usize> = HashMap::new();
        for number in triples
            .iter()
            .filter_map(|triple| self.with.get(*triple))
            .flatten()
        {
            *common.entry(*number).or_default() += 1;
        }
        let near = |(number, common): (usize, usize)| {
            let all = triples.len() + self.counts[number] - common;
            (
                common as f64 / all as f64,
                self.sentences[number].0.as_str(),
            )
        };
        common
            .into_iter()
            .map(near)
            .max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// The files of a folder that end so. None when there is no such folder.
fn files(folder: &str, end: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == end))
        .collect();
    files.sort();
    files
}

/// Each sentence as it is shown, and its words.
fn sentences() -> Vec<(String, Vec<String>)> {
    let mut sentences = Vec::new();
    for file in [files("data/train", "tsv"), files("data/held", "tsv")].concat() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            if let Some((_, marked)) = line.split_once('\t') {
                let plain = plain(marked);
                let words = words(&plain);
                sentences.push((format!("{name}:{}: {plain}", number + 1), words));
            }
        }
    }
    sentences
}

/// Each goal by its id: the operator's words of the goal, and of the goals before it.
fn goals() -> Vec<(String, String)> {
    let mut goals = Vec::new();
    for file in files("data/test", "jsonl") {
        for line in fs::read_to_string(&file).unwrap().lines() {
            let goal: Value = serde_json::from_str(line).unwrap();
            let before = goal["before"].as_array().into_iter().flatten();
            let texts = before.map(|step| &step["goal"]).chain([&goal["goal"]]);
            for text in texts.filter_map(Value::as_str) {
                goals.push((goal["id"].as_str().unwrap().to_owned(), text.to_owned()));
            }
        }
    }
    goals
}

#[test]
fn no_goal_of_the_test_sets_is_trained_on() {
    let (sentences, goals) = (sentences(), goals());
    assert!(sentences.len() >= 4_000, "{}", sentences.len());
    assert!(goals.len() >= 600, "{}", goals.len());
    let index = Index::of(&sentences);
    let mut found = Vec::new();
    for (id, text) in &goals {
        let words = words(text);
        if unmasked(&words) < WORDS_MIN {
            continue;
        }
        if let Some((near, sentence)) = index.nearest(&words)
            && near >= NEAR
        {
            found.push(format!("{near:.2} {id} {text:?}\n     {sentence}"));
        }
    }
    assert!(
        found.is_empty(),
        "leave these goals out of the test, or the sentences out of training:\n{}",
        found.join("\n")
    );
}

#[test]
fn a_copy_is_found_whatever_its_values_and_manners() {
    let sentences: Vec<(String, Vec<String>)> = [
        "fs.write > x\tPlease note that [content:the boat is late] in [2.path:/srv/log.txt] for 3 people",
        "fs.read\twhich of the two lists is longer?",
    ]
    .iter()
    .map(|line| plain(line.split_once('\t').unwrap().1))
    .map(|plain| (plain.clone(), words(&plain)))
    .collect();
    let index = Index::of(&sentences);
    let near = |text: &str| index.nearest(&words(text)).map_or(0.0, |(near, _)| near);
    assert_eq!(
        near("please note that The boat is late, in \"/x/y\" for 40 people!"),
        1.0
    );
    assert!(near("note that the boat is late in /x for 40 people, thanks") >= NEAR);
    assert!(near("could you say which of the two lists is longer?") >= NEAR);
    assert!(near("the boat is late") < NEAR);
    assert!(near("note in /srv/log.txt that nobody came") < NEAR);
}

#[test]
fn markup_is_taken_out_and_other_brackets_stay() {
    let check = |marked: &str, expected: &str| assert_eq!(plain(marked), expected, "{marked}");
    check("put [content:a [b] c] in [2.path:/x]", "put a [b] c in /x");
    check("[pattern:[a-z]+] or [x] or [Y:z]", "[a-z]+ or [x] or [Y:z]");
    check("an open [path:/x", "an open [path:/x");
    check("[]", "[]");
}
