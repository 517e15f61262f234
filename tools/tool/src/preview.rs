//! What a change would do, found out before it is done.
//!
//! A preview is shown to whoever must approve the call; what was approved is compared with what would
//! happen at the moment of the act. So a preview of an unchanged machine is always the same.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use similar::{ChangeTag, DiffOp, DiffTag, TextDiff};

use crate::file::state::{State, hex};
use crate::format;

/// The longest difference of one text that a preview holds, in bytes of JSON.
const DIFF_MAX: usize = 64 * 1024;
/// The longest texts together, in bytes of JSON.
const DIFFS_MAX: usize = 512 * 1024;
/// How many things a preview names; of more, it tells how many.
const NAMED: usize = 2_000;
/// The largest text that is compared, in bytes: comparing takes time and memory by the square of the
/// difference.
pub const TEXT_MAX: usize = 1024 * 1024;
/// After this time the rest is compared roughly; the result stays true, only longer.
const EFFORT: Duration = Duration::from_secs(3);
/// Unchanged lines around each change.
const AROUND: usize = 3;

/// All that a call would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// Each thing; none when all is as ordered already.
    pub changes: Vec<Foreseen>,
    /// How many more there are than `changes` names.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
    /// SHA-256 over those that are not named, hex.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rest_sha256: String,
}

/// One thing that would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Foreseen {
    /// What it is: `/etc/hosts`, `service nginx`, `process 4711 (sleep)`.
    pub object: String,
    /// How it is now: `absent`, `file, 12 B, mode 644, owner 0:0`, `running`.
    pub before: String,
    /// How it would be.
    pub after: String,
    /// How its text would differ, in the unified format; empty when it has none or it is the same.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub diff: String,
    /// SHA-256 over what is too long to be shown: whole digests, attributes. Whoever approves the preview
    /// approves that, too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub exactly: String,
}

impl Foreseen {
    /// A thing that is no text.
    pub fn of(object: impl fmt::Display, before: &str, after: &str) -> Self {
        Self {
            object: object.to_string(),
            before: before.to_owned(),
            after: after.to_owned(),
            diff: String::new(),
            exactly: String::new(),
        }
    }

    /// The same, and exactly this, which is not shown.
    pub fn exactly(self, what: impl AsRef<[u8]>) -> Self {
        let mut digest = Sha256::new();
        add(&mut digest, self.exactly.as_bytes());
        add(&mut digest, what.as_ref());
        Self {
            exactly: hex(&digest.finalize()),
            ..self
        }
    }

    /// What is at a path, and what would be.
    pub fn at(path: &str, before: &State, after: &State) -> Self {
        Self::of(path, &described(before), &described(after))
            .exactly(identity(before))
            .exactly(identity(after))
    }

    /// The same for a file with secrets: of its content, no digest is told either.
    pub fn at_secret(path: &str, before: &State, after: &State) -> Self {
        let [told_before, told_after] = [before, after].map(|state| {
            let text = described(state);
            match (state, text.rsplit_once(", ")) {
                (State::File { .. }, Some((told, _digest))) => told.to_owned(),
                _ => text,
            }
        });
        Self {
            before: told_before,
            after: told_after,
            ..Self::at(path, before, after)
        }
    }

    /// The same, where the content would change from one to the other. Shown when both are text.
    pub fn with_content(self, before: &[u8], after: &[u8]) -> Self {
        let diff = match (text(before), text(after)) {
            (Some(old), Some(new)) if old != new => unified(old, new, [&self.object; 2]).text,
            _ => String::new(),
        };
        Self {
            diff: shortened(&diff),
            ..self.exactly(before).exactly(after)
        }
    }
}

impl From<Foreseen> for Preview {
    fn from(one: Foreseen) -> Self {
        [one].into_iter().collect()
    }
}

impl FromIterator<Foreseen> for Preview {
    fn from_iter<I: IntoIterator<Item = Foreseen>>(all: I) -> Self {
        let mut preview = Self::default();
        let (mut room, mut rest) = (DIFFS_MAX, Sha256::new());
        for mut one in all {
            if preview.changes.len() == NAMED {
                preview.more += 1;
                rest.update(one.in_bytes());
                continue;
            }
            let size = format::json_size(&one.diff);
            if size > room {
                one.diff = left_out(&one.diff);
            } else {
                room -= size;
            }
            preview.changes.push(one);
        }
        if preview.more > 0 {
            preview.rest_sha256 = hex(&rest.finalize());
        }
        preview
    }
}

impl Foreseen {
    fn in_bytes(&self) -> Vec<u8> {
        let Self {
            object,
            before,
            after,
            diff,
            exactly,
        } = self;
        let mut bytes = Vec::new();
        for part in [object, before, after, diff, exactly] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes
    }
}

fn add(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

impl Preview {
    /// The same, with things that are no files.
    pub fn with(mut self, more: impl IntoIterator<Item = Foreseen>) -> Self {
        self.changes.extend(more);
        self
    }

    /// What identifies all of it: SHA-256 over each part and its length.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for one in &self.changes {
            digest.update(one.in_bytes());
        }
        digest.update(self.more.to_be_bytes());
        digest.update(self.rest_sha256.as_bytes());
        digest.finalize().into()
    }

    /// How many things would change.
    pub fn count(&self) -> u64 {
        self.changes.len() as u64 + self.more
    }

    /// One line for people.
    pub fn summary(&self) -> String {
        match (self.changes.as_slice(), self.more) {
            ([], _) => "nothing would change".to_owned(),
            ([one], 0) => format!("{}: {} → {}", one.object, one.before, one.after),
            ([first, ..], _) => format!(
                "{} and {} more would change",
                first.object,
                self.count() - 1
            ),
        }
    }
}

/// How two texts differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// In the unified format.
    pub text: String,
    /// Lines that only the second has.
    pub added: u32,
    /// Lines that only the first has.
    pub removed: u32,
}

/// How two texts of these names differ, in the unified format, with three lines around each change.
pub fn unified(old: &str, new: &str, [before, after]: [&str; 2]) -> Difference {
    let diff = TextDiff::configure().timeout(EFFORT).diff_lines(old, new);
    let count = |tag: ChangeTag| {
        let lines = diff.iter_all_changes().filter(|change| change.tag() == tag);
        u32::try_from(lines.count()).unwrap_or(u32::MAX)
    };
    Difference {
        added: count(ChangeTag::Insert),
        removed: count(ChangeTag::Delete),
        text: hunks(&diff, [before, after]),
    }
}

/// In the unified format. The library writes it too, but counts the lines of a hunk by the places of
/// its first and last change, which are wrong for some removals: nobody could apply that.
fn hunks(diff: &TextDiff<'_, '_, '_, str>, [before, after]: [&str; 2]) -> String {
    let mut text = String::new();
    for group in diff.grouped_ops(AROUND) {
        if text.is_empty() {
            text = format!("--- {before}\n+++ {after}\n");
        }
        let old = lines_of(&group, DiffOp::old_range);
        let new = lines_of(&group, DiffOp::new_range);
        text += &format!("@@ -{old} +{new} @@\n");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            text += &format!("{}{}", change.tag(), change.value());
            if change.missing_newline() {
                text += "\n\\ No newline at end of file\n";
            }
        }
    }
    text
}

/// Where the lines of a hunk begin, from 1, and how many there are; of none, the line before them.
fn lines_of(hunk: &[DiffOp], range: fn(&DiffOp) -> Range<usize>) -> String {
    // A hunk without equal lines before its first change is at the beginning of the text.
    let start = match hunk.first() {
        Some(first) if first.tag() == DiffTag::Equal => range(first).start,
        _ => 0,
    };
    let count: usize = hunk.iter().map(|op| range(op).len()).sum();
    match count {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{count}", start + 1),
    }
}

fn text(content: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(content).ok()?;
    (content.len() <= TEXT_MAX && !text.contains('\0')).then_some(text)
}

/// A difference as far as it is shown; what is not shown is part of the digest all the same.
fn shortened(diff: &str) -> String {
    let shown = format::cut(diff, DIFF_MAX);
    match shown.len() < diff.len() {
        true => format!("{shown}\n… {}", left_out(diff)),
        false => shown,
    }
}

fn left_out(diff: &str) -> String {
    format!(
        "({} in all, SHA-256 {})",
        format::bytes(diff.len() as u64),
        hex(&Sha256::digest(diff))
    )
}

/// What is at a path, in words.
fn described(state: &State) -> String {
    let of = |meta: &crate::file::meta::Meta| {
        format!("mode {:o}, owner {}:{}", meta.mode, meta.uid, meta.gid)
    };
    match state {
        State::Absent => "absent".to_owned(),
        State::Folder { meta } => format!("folder, {}", of(meta)),
        State::File {
            meta, size, sha256, ..
        } => format!(
            "file, {}, {}, SHA-256 {}",
            format::bytes(*size),
            of(meta),
            sha256.get(..12).unwrap_or(sha256)
        ),
        State::Link { target, .. } => format!("link to {target}"),
    }
}

/// All that two states have the same that are one by [`State::is_as`]: not when it was read or written.
fn identity(state: &State) -> Vec<u8> {
    let mut state = state.clone();
    match &mut state {
        State::Absent => {}
        State::Folder { meta } | State::File { meta, .. } => meta.times = None,
        State::Link { meta, .. } => (meta.times, meta.mode) = (None, 0),
    }
    serde_json::to_vec(&state).unwrap_or_default() // plain data: it is always written
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_as_its_difference_and_bytes_are_not() {
        let one = Foreseen::of("/x", "file", "file");
        let text = one.clone().with_content(b"a\nb\n", b"a\nc\n");
        assert_eq!(text.diff, "--- /x\n+++ /x\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n");
        assert_eq!(one.clone().with_content(b"\0", b"a").diff, "");
        assert_eq!(one.with_content(b"a", b"a").diff, "");
    }

    #[test]
    fn what_is_not_shown_is_part_of_the_digest() {
        let many = |last: &str| -> Preview {
            (0..NAMED)
                .map(|number| Foreseen::of(number, "absent", "file"))
                .chain([Foreseen::of("/last", "absent", last)])
                .collect()
        };
        let (one, other) = (many("file"), many("folder"));
        assert_eq!((one.changes.len(), one.more), (NAMED, 1));
        assert_eq!(one.changes, other.changes);
        assert_ne!(one.digest(), other.digest());
        assert_eq!(one.digest(), many("file").digest());
        let long = |end: &str| {
            let text = "x\n".repeat(DIFF_MAX) + end;
            Foreseen::of("/x", "", "").with_content(b"", text.as_bytes())
        };
        assert!(long("a").diff.len() < DIFF_MAX + 200);
        assert_ne!(
            Preview::from(long("a")).digest(),
            Preview::from(long("b")).digest()
        );
    }

    #[test]
    fn of_a_file_all_is_part_of_the_digest_and_little_is_shown() {
        use crate::file::meta::Meta;
        let file = |change: fn(&mut Meta, &mut String)| {
            let (mut meta, mut sha256) = (Meta::new(0o644, (0, 0)), "a".repeat(64));
            change(&mut meta, &mut sha256);
            let size = 7;
            let after = State::File { meta, size, sha256 };
            Foreseen::at("/x", &State::Absent, &after)
        };
        let one = file(|_, _| {});
        let check = |change: fn(&mut Meta, &mut String), same: bool| {
            let other = file(change);
            let shown = |one: &Foreseen| (one.before.clone(), one.after.clone());
            assert_eq!(shown(&one), shown(&other));
            let digests = [&one, &other].map(|one| Preview::from(one.clone()).digest());
            assert_eq!(digests[0] == digests[1], same, "{other:?}");
        };
        check(
            |_, sha256| sha256.replace_range(12.., &"b".repeat(52)),
            false,
        );
        let attribute = |meta: &mut Meta, _: &mut String| {
            let name = "security.capability".to_owned();
            drop(meta.attributes.insert(name, vec![1]));
        };
        check(attribute, false);
        check(|meta, _| meta.times = Some([(1, 0); 2]), true);
    }

    #[test]
    fn a_text_that_is_not_compared_is_part_of_the_digest() {
        let with = |content: &[u8]| {
            let one = Foreseen::of("/x", "file", "file").with_content(b"old", content);
            assert_eq!(one.diff, "");
            Preview::from(one).digest()
        };
        assert_ne!(with(b"\0a"), with(b"\0b"));
        assert_eq!(with(b"\0a"), with(b"\0a"));
    }

    #[test]
    fn a_hunk_says_how_many_lines_it_has() {
        let check = |old: &str, new: &str, expected: &str| {
            let text = unified(old, new, ["x", "y"]).text;
            assert_eq!(text, format!("--- x\n+++ y\n{expected}"));
        };
        // It ends with a removal, behind which lines were added.
        check(
            "a\nb\na\n",
            "b\nb\na",
            "@@ -1,3 +1,3 @@\n-a\n b\n-a\n+b\n+a\n\\ No newline at end of file\n",
        );
        check("", "a\n", "@@ -0,0 +1 @@\n+a\n");
        check("a\n", "", "@@ -1 +0,0 @@\n-a\n");
        let (old, new) = ("1\n2\n3\n4\n5\n", "1\n2\n3\n4\n");
        check(old, new, "@@ -2,4 +2,3 @@\n 2\n 3\n 4\n-5\n");
        assert_eq!(unified("a", "a", ["x", "y"]).text, "");
    }

    #[test]
    fn a_summary_is_one_line() {
        assert_eq!(Preview::default().summary(), "nothing would change");
        let one = Foreseen::of("/x", "absent", "file");
        assert_eq!(Preview::from(one.clone()).summary(), "/x: absent → file");
        let two: Preview = [one.clone(), one].into_iter().collect();
        assert_eq!(two.summary(), "/x and 1 more would change");
    }
}
