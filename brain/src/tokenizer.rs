//! WordPiece as BERT's uncased models use it, with offsets into the original text.
//!
//! Clean (drop control characters), isolate CJK characters, decompose and drop
//! accents, lower-case, split at white space and punctuation, then longest
//! match first over the vocabulary (Devlin et al. 2018, as implemented by
//! Hugging Face's `BertNormalizer` and `BertPreTokenizer`).

use std::path::Path;

use unicode_general_category::{GeneralCategory, get_general_category};
use unicode_normalization::char::decompose_canonical;

use crate::BrainError;

/// Words longer than this many characters become `[UNK]`, as in BERT's own tokenizer.
const MAX_WORD_CHARS: usize = 100;

/// A token and the bytes of the text it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Its number in the vocabulary.
    pub id: u32,
    /// First byte, on a character boundary of the text.
    pub start: usize,
    /// One past the last byte, on a character boundary of the text.
    pub end: usize,
}

/// The vocabulary, and the ids of the special tokens.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    /// `[CLS]`: every sequence starts with it.
    pub cls: u32,
    /// `[SEP]`: ends the goal and each entry of the history.
    pub sep: u32,
    unknown: u32,
}

impl Tokenizer {
    /// Reads `operator.vocab.txt` (one token a line) from the folder.
    pub fn load(dir: &Path) -> Result<Self, BrainError> {
        let path = dir.join("operator.vocab.txt");
        let text = std::fs::read_to_string(&path).map_err(|source| BrainError::Read {
            path: path.clone(),
            source,
        })?;
        Self::new(text).map_err(|detail| BrainError::Format { path, detail })
    }

    /// From the vocabulary's text: one token a line, numbered from 0.
    fn new(text: String) -> Result<Self, String> {
        let vocabulary = Vocabulary::new(text)?;
        let special = |token: &str| {
            vocabulary
                .get("", token)
                .ok_or_else(|| format!("the token {token} is missing"))
        };
        let (cls, sep, unknown) = (special("[CLS]")?, special("[SEP]")?, special("[UNK]")?);
        Ok(Self {
            vocabulary,
            cls,
            sep,
            unknown,
        })
    }

    /// The text's tokens, without special tokens. Never fails.
    pub fn encode(&self, text: &str) -> Vec<Piece> {
        let mut pieces = Vec::with_capacity(text.len() / 3 + 1);
        let mut word = Vec::new();
        for letter in normalise(text) {
            if letter.kind != Kind::Letter {
                self.word(&word, &mut pieces);
                word.clear();
            }
            match letter.kind {
                Kind::Letter => word.push(letter),
                Kind::Alone => self.word(&[letter], &mut pieces),
                Kind::Space => {}
            }
        }
        self.word(&word, &mut pieces);
        pieces
    }

    /// Splits one word, longest match first; a word without a split is unknown.
    fn word(&self, word: &[Letter], pieces: &mut Vec<Piece>) {
        let (Some(first), Some(last)) = (word.first(), word.last()) else {
            return;
        };
        let unknown = Piece {
            id: self.unknown,
            start: first.start,
            end: last.end,
        };
        if word.len() > MAX_WORD_CHARS {
            pieces.push(unknown);
            return;
        }
        let before = pieces.len();
        let mut rest = word;
        while !rest.is_empty() {
            let prefix = if rest.len() == word.len() { "" } else { "##" };
            let Some((id, length)) = self.longest(prefix, rest) else {
                pieces.truncate(before);
                pieces.push(unknown);
                return;
            };
            let (piece, after) = rest.split_at(length);
            if let (Some(first), Some(last)) = (piece.first(), piece.last()) {
                pieces.push(Piece {
                    id,
                    start: first.start,
                    end: last.end,
                });
            }
            rest = after;
        }
    }

    /// The longest beginning of `letters` that is a token, and its length.
    fn longest(&self, prefix: &str, letters: &[Letter]) -> Option<(u32, usize)> {
        let mut text: String = letters.iter().map(|letter| letter.char).collect();
        for length in (1..=letters.len()).rev() {
            if let Some(id) = self.vocabulary.get(prefix, &text) {
                return Some((id, length));
            }
            text.pop();
        }
        None
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Part of a word.
    Letter,
    /// A word of its own: punctuation, CJK.
    Alone,
    /// Between words.
    Space,
}

/// A normalised character and the bytes it came from.
#[derive(Clone, Copy)]
struct Letter {
    char: char,
    start: usize,
    end: usize,
    kind: Kind,
}

/// The text's characters as the vocabulary knows them.
fn normalise(text: &str) -> Vec<Letter> {
    let mut letters = Vec::with_capacity(text.len());
    for (start, original) in text.char_indices() {
        let end = start + original.len_utf8();
        if is_dropped(original) {
            continue;
        }
        let alone = is_cjk(original);
        decompose_canonical(original, |part| {
            if get_general_category(part) == GeneralCategory::NonspacingMark {
                return;
            }
            for char in part.to_lowercase() {
                let kind = match char {
                    _ if alone || is_punctuation(char) => Kind::Alone,
                    _ if char.is_whitespace() => Kind::Space,
                    _ => Kind::Letter,
                };
                letters.push(Letter {
                    char,
                    start,
                    end,
                    kind,
                });
            }
        });
    }
    letters
}

/// Control and format characters, private use, unassigned.
fn is_dropped(char: char) -> bool {
    use GeneralCategory as G;
    match char {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{fffd}' => true,
        _ => matches!(
            get_general_category(char),
            G::Control | G::Format | G::PrivateUse
        ),
    }
}

fn is_punctuation(char: char) -> bool {
    use GeneralCategory as G;
    char.is_ascii_punctuation()
        || matches!(
            get_general_category(char),
            G::ConnectorPunctuation
                | G::DashPunctuation
                | G::OpenPunctuation
                | G::ClosePunctuation
                | G::InitialPunctuation
                | G::FinalPunctuation
                | G::OtherPunctuation
        )
}

/// The blocks that BERT calls CJK.
fn is_cjk(char: char) -> bool {
    matches!(char as u32,
        0x4E00..=0x9FFF | 0x3400..=0x4DBF | 0x20000..=0x2A6DF | 0x2A700..=0x2B73F
        | 0x2B740..=0x2B81F | 0x2B920..=0x2CEAF | 0xF900..=0xFAFF | 0x2F800..=0x2FA1F)
}

/// Token to number: one string and an open-addressing table of line numbers.
///
/// A `HashMap<String, u32>` of 30,522 words takes five times the memory and
/// ten times the time to build, which an emulated machine feels.
struct Vocabulary {
    text: String,
    /// Where each token ends; it starts one byte after the one before.
    ends: Vec<u32>,
    /// Token number + 1 by hash; 0 is empty. Its length is a power of two.
    table: Vec<u32>,
}

impl Vocabulary {
    fn new(mut text: String) -> Result<Self, String> {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if text.len() > 16 << 20 {
            return Err("a vocabulary of more than 16 MiB".into());
        }
        let ends: Vec<u32> = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(i, _)| i as u32)
            .collect();
        let size = (ends.len() * 2).next_power_of_two();
        let mut vocabulary = Self {
            text,
            ends,
            table: vec![0; size],
        };
        for id in 0..vocabulary.ends.len() {
            let mut slot = vocabulary.slot("", vocabulary.token(id));
            while vocabulary.table[slot] != 0 {
                slot = (slot + 1) & (size - 1);
            }
            vocabulary.table[slot] = id as u32 + 1;
        }
        Ok(vocabulary)
    }

    fn token(&self, id: usize) -> &str {
        let start = if id == 0 {
            0
        } else {
            self.ends[id - 1] as usize + 1
        };
        &self.text[start..self.ends[id] as usize]
    }

    /// FNV-1a over prefix and word.
    fn slot(&self, prefix: &str, word: &str) -> usize {
        let hash = prefix
            .bytes()
            .chain(word.bytes())
            .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| {
                (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
            });
        (hash ^ (hash >> 32)) as usize & (self.table.len() - 1)
    }

    fn get(&self, prefix: &str, word: &str) -> Option<u32> {
        let mut slot = self.slot(prefix, word);
        loop {
            let id = self.table[slot].checked_sub(1)?;
            if self.token(id as usize).strip_prefix(prefix) == Some(word) {
                return Some(id);
            }
            slot = (slot + 1) & (self.table.len() - 1);
        }
    }
}

#[cfg(test)]
#[path = "tokenizer_tests.rs"]
mod tests;
