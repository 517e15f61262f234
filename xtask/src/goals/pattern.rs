//! Regular expressions as Python's `re` reads them, searched without regard to case.

use fancy_regex::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer, de};

/// An expression that is looked for anywhere in a text. A dot matches line ends, too.
#[derive(Debug)]
pub struct Pattern {
    /// As it was written.
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Is it found? `None`: the search took more steps than is allowed.
    pub fn is_in(&self, text: &str) -> Option<bool> {
        // Python's `$` matches before a last line end.
        self.regex.is_match(text.trim_end_matches('\n')).ok()
    }

    pub fn text(&self) -> &str {
        &self.text
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let text = String::deserialize(source)?;
        let regex = RegexBuilder::new(&translated(&text))
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .build()
            .map_err(|error| {
                de::Error::custom(format!("{text:?} is no regular expression: {error}"))
            })?;
        Ok(Self { text, regex })
    }
}

/// Escapes what is plain inside brackets for Python and not for us: `[` and the signs of set operations.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(characters.next());
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                out.push(c);
                out.extend(characters.next_if_eq(&'^'));
                // A first `]` is plain.
                if characters.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
                continue;
            }
            ']' => in_class = false,
            '[' | '&' | '~' if in_class => out.push('\\'),
            _ => {}
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> bool {
        let pattern: Pattern = serde_json::from_value(serde_json::Value::from(pattern)).unwrap();
        pattern.is_in(text).unwrap()
    }

    #[test]
    fn expressions_mean_what_they_mean_in_python() {
        assert!(found("ward 6", "Starts with WARD 6."));
        assert!(found("a.*z", "a\nz"));
        assert!(found(r"\b\d{4}\b$", "in 1987\n"));
        assert!(found(r"(?<!not )running", "it is running"));
        assert!(!found(r"(?<!not )running", "it is not running"));
        assert!(found(r"^(?!.*\bsure\b)", "yes"));
        assert!(found("[[(]x", "(x"));
        assert!(found("[^]]b", "ab"));
        assert!(found("[a&&b]", "&"));
        assert!(found("[&~]", "~"));
        assert!(found("grüß", "GRÜSS und GRÜß"));
    }
}
