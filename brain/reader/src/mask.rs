//! A goal with a placeholder in place of each mention: what the operator model reads.
//!
//! The letters of a path say nothing about what is wanted, and there are more of them than of
//! the words that do. `copy /srv/My Photos/a.jpg to /srv/b` is read as `copy path1 to path2`,
//! in training as on the appliance. Only whether a path is a file's by its ending is told: how big
//! a folder is, is another question than how big a file is.

use std::ops::Range;

use crate::mention::{is_file_by_name, list_mark};
use crate::{Mention, MentionKind, Reading};

/// A goal in the model's spelling, and what its placeholders stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// The words, with `path1`, `file1`, `text1`, `url1`, `name1`, `num1` … in place of mentions.
    pub text: String,
    /// The placeholders, in the order of the text.
    pub places: Vec<Place>,
    /// What was written.
    goal: String,
    /// Bytes of the goal that the words leave out at their beginning.
    skipped: usize,
}

/// A placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `path1`.
    pub name: String,
    /// Its bytes in [`Masked::text`].
    pub masked: Range<usize>,
    /// The mention's bytes in the goal, with the quotes around it.
    pub span: Range<usize>,
    /// The mention's value.
    pub value: String,
    kind: MentionKind,
}

impl Reading {
    /// The goal with its mentions masked. A text whose end is not certain stays as it is: words
    /// of an order may be in it.
    pub fn masked(&self) -> Masked {
        let mut masked = Masked {
            text: String::with_capacity(self.text.len()),
            places: Vec::new(),
            goal: self.text.clone(),
            skipped: list_mark(&self.text),
        };
        let mut at = masked.skipped;
        for mention in &self.mentions {
            let Some(kind) = kind(mention).filter(|_| mention.span.start >= at) else {
                continue;
            };
            masked.text.push_str(&self.text[at..mention.span.start]);
            at = mention.span.end;
            let name = masked.name(kind, &mention.value);
            let start = masked.text.len();
            masked.text.push_str(&name);
            masked.places.push(Place {
                name,
                masked: start..masked.text.len(),
                span: mention.span.clone(),
                value: mention.value.clone(),
                kind: mention.kind,
            });
        }
        masked.text.push_str(&self.text[at..]);
        masked
    }
}

fn kind(mention: &Mention) -> Option<&'static str> {
    Some(match mention.kind {
        MentionKind::Quoted | MentionKind::Content { certain: true } => "text",
        MentionKind::Content { certain: false } => return None,
        MentionKind::Path if is_file_by_name(&mention.value) => "file",
        MentionKind::Path => "path",
        MentionKind::Url => "url",
        MentionKind::Name => "name",
        MentionKind::Number(_) => "num",
    })
}

impl Masked {
    /// The placeholder of a value: that of an earlier mention of the same, or the kind's next.
    fn name(&self, kind: &str, value: &str) -> String {
        let mut others = Vec::new();
        for place in self.places.iter().filter(|place| place.is(kind)) {
            if place.value == value {
                return place.name.clone();
            }
            if !others.contains(&&place.name) {
                others.push(&place.name);
            }
        }
        format!("{kind}{}", others.len() + 1)
    }

    /// What a value of an earlier act is called in the model's spelling; `None`: it is no mention.
    pub fn called(&self, value: &str) -> Option<&str> {
        let bare = |text: &str| match text.trim_end_matches('/') {
            "" => text.to_owned(),
            bare => bare.to_owned(),
        };
        let number = value.parse::<i64>().ok().map(i64::unsigned_abs);
        let name = value.rsplit('/').next();
        let same = |place: &&Place| match place.kind {
            MentionKind::Number(said) => number == Some(said),
            MentionKind::Name => name == Some(&place.value),
            _ => bare(&place.value) == bare(value),
        };
        self.places.iter().find(same).map(|place| &*place.name)
    }

    /// What a placeholder stands for.
    pub fn value(&self, name: &str) -> Option<&str> {
        let place = self.places.iter().find(|place| place.name == name)?;
        Some(&place.value)
    }

    /// The operator's own bytes for a range of the masked text: a placeholder is its whole mention.
    pub fn original(&self, masked: Range<usize>) -> Range<usize> {
        self.at(masked.start, true)..self.at(masked.end, false)
    }

    /// The value of the mention that has exactly these bytes of the goal.
    pub fn mention(&self, span: &Range<usize>) -> Option<&str> {
        let place = self.places.iter().find(|place| place.span == *span)?;
        Some(&place.value)
    }

    /// What was written.
    pub fn goal(&self) -> &str {
        &self.goal
    }

    /// Where a byte of the masked text was, as the start or the end of a range.
    fn at(&self, byte: usize, start: bool) -> usize {
        let mut shift = 0_usize..self.skipped; // of the text behind the last place: masked end, goal's end
        for place in &self.places {
            let inside = match start {
                true => place.masked.contains(&byte),
                false => place.masked.start < byte && byte <= place.masked.end,
            };
            if inside {
                return match start {
                    true => place.span.start,
                    false => place.span.end,
                };
            }
            if place.masked.start >= byte {
                break;
            }
            shift = place.masked.end..place.span.end;
        }
        (byte - shift.start.min(byte) + shift.end).min(self.goal.len())
    }
}

impl Place {
    fn is(&self, kind: &str) -> bool {
        let number = self.name.strip_prefix(kind);
        number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
    }
}

#[cfg(test)]
mod tests {
    use crate::read;

    #[test]
    fn mentions_have_placeholders() {
        let check = |goal: &str, expected: &str| assert_eq!(read(goal).masked().text, expected);
        check("cat /srv/a.txt.", "cat file1.");
        check(
            "copy '/srv/My Photos/a' to /srv/b, then list /srv/b",
            "copy path1 to path2, then list path2",
        );
        check("write \"a, b and c\" to /srv/x", "write text1 to path1");
        check(
            "last twenty lines of report.log",
            "last num1 lines of name1",
        );
        check("is port 443 open on db1?", "is port num1 open on db1?");
        check("get http://x.lan/a, 2 times", "get url1, 2 times");
        check("how are you?", "how are you?");
        check("1. Stop nginx.", "Stop nginx.");
        check("1) \"x\" to /srv/a", "text1 to path1");
    }

    #[test]
    fn a_range_goes_back_to_what_was_written() {
        let goal = "copy '/srv/My Photos/a' to /srv/b please";
        let masked = read(goal).masked();
        let back = |words: &str| {
            let start = masked.text.find(words).unwrap();
            let span = masked.original(start..start + words.len());
            (&goal[span.clone()], masked.mention(&span))
        };
        assert_eq!(
            back("path1"),
            ("'/srv/My Photos/a'", Some("/srv/My Photos/a"))
        );
        assert_eq!(back("copy"), ("copy", None));
        assert_eq!(back("path2"), ("/srv/b", Some("/srv/b")));
        assert_eq!(back("to path2 please"), ("to /srv/b please", None));
        // A part of a placeholder is all of it.
        assert_eq!(masked.original(6..8), 5..23);
        assert_eq!(masked.called("/srv/b/"), Some("path2"));
        assert_eq!(masked.value("path1"), Some("/srv/My Photos/a"));
        // An act's values are called as the goal calls them.
        let masked = read("the last twenty lines of notes.txt in /srv/a").masked();
        assert_eq!(masked.called("-20"), Some("num1"));
        assert_eq!(masked.called("/srv/a/notes.txt"), Some("name1"));
        assert_eq!(masked.called("/srv/b"), None);
    }

    proptest::proptest! {
        #[test]
        fn words_and_values_give_the_goal_back(text in "([12][.)] )?[a-z /\"'“”é,:.)0-9\n-]{0,80}") {
            let masked = read(&text).masked();
            let mut whole = text[..masked.skipped].to_owned();
            let mut at = 0;
            for place in &masked.places {
                whole.push_str(&masked.text[at..place.masked.start]);
                whole.push_str(&text[masked.original(place.masked.clone())]);
                at = place.masked.end;
            }
            whole.push_str(&masked.text[at..]);
            proptest::prop_assert_eq!(whole, text.clone());
            for (byte, _) in masked.text.char_indices() {
                proptest::prop_assert!(text.is_char_boundary(masked.original(byte..byte).start));
            }
        }
    }
}
