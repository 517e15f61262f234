//! What must be so of files.

use std::collections::BTreeSet;
use std::io;

use serde_json::Value;

use super::form::{FileExpect, Files};
use super::root::{Node, Root, parent};

/// A key of `files` that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub path: String,
    pub key: &'static str,
    pub how: String,
}

impl Wrong {
    pub fn shown(&self) -> String {
        format!("{}: {}", self.path, self.how)
    }
}

/// What does not hold.
pub fn wrong(root: &Root, files: &Files) -> Vec<Wrong> {
    let mut all = Vec::new();
    for (path, expect) in files {
        let mut add = |key, how| {
            let path = path.clone();
            all.push(Wrong { path, key, how });
        };
        match root.look(path) {
            Ok(node) => of_one(root, path, node, expect, &mut add),
            Err(error) => add("exists", format!("cannot be looked at: {error}")),
        }
    }
    all
}

/// The keys of `files` that held at first and do not any more: something was broken, not left undone.
pub fn broken<'a>(before: &[Wrong], after: &'a [Wrong]) -> Vec<&'a Wrong> {
    let was_wrong: BTreeSet<(&str, &str)> = before
        .iter()
        .map(|wrong| (wrong.path.as_str(), wrong.key))
        .collect();
    after
        .iter()
        .filter(|wrong| !was_wrong.contains(&(wrong.path.as_str(), wrong.key)))
        .collect()
}

fn of_one(
    root: &Root,
    path: &str,
    node: Option<Node>,
    expect: &FileExpect,
    add: &mut impl FnMut(&'static str, String),
) {
    let Some(node) = node else {
        for key in demanded(expect) {
            add(key, "is not there".to_owned());
        }
        return;
    };
    if expect.exists == Some(false) {
        add("exists", "is there".to_owned());
        return;
    }
    if let Some(kind) = expect.kind
        && kind != node.kind
    {
        add("kind", format!("is a {:?}", node.kind).to_lowercase());
    }
    if let Some(target) = &expect.target {
        match root.target(path) {
            Ok(is) => {
                let is = String::from_utf8_lossy(&is).into_owned();
                if resolved(parent(path), &is) != resolved(parent(path), target) {
                    add("target", format!("leads to {is}"));
                }
            }
            Err(_) => add("target", "is no link".to_owned()),
        }
    }
    if let Some(mode) = &expect.mode {
        let is = root.mode(path).unwrap_or(node.mode);
        if u32::from_str_radix(mode, 8) != Ok(is) {
            add("mode", format!("has the mode {is:04o}, not {mode}"));
        }
    }
    if expect.wants_text() {
        of_text(root.read(path), expect, add);
    }
}

fn of_text(
    content: io::Result<Vec<u8>>,
    expect: &FileExpect,
    add: &mut impl FnMut(&'static str, String),
) {
    let content = match content {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => {
            for key in demanded(expect).filter(|key| TEXT.contains(key)) {
                add(key, format!("cannot be read: {error}"));
            }
            return;
        }
    };
    if let Some(wanted) = &expect.content
        && !same_but_for_a_line_end(&content, wanted)
    {
        add("content", format!("holds {:?}", beginning(&content)));
    }
    if let Some(part) = &expect.contains
        && !content.contains(part.as_str())
    {
        add("contains", format!("lacks {:?}", beginning(part)));
    }
    if let Some(part) = &expect.lacks
        && content.contains(part.as_str())
    {
        add("lacks", format!("has {:?}", beginning(part)));
    }
    if let Some(wanted) = &expect.json {
        match serde_json::from_str(&content) {
            Ok(is) if same_json(&is, wanted) => {}
            Ok(_) => add(
                "json",
                format!("holds other JSON: {:?}", beginning(&content)),
            ),
            Err(error) => add("json", format!("holds no JSON: {error}")),
        }
    }
    if let Some(most) = expect.max_chars
        && content.chars().count() > most
    {
        add("max_chars", format!("has more than {most} characters"));
    }
}

/// The keys that speak of a file's text.
const TEXT: [&str; 5] = ["content", "contains", "lacks", "json", "max_chars"];

impl FileExpect {
    fn wants_text(&self) -> bool {
        self.content.is_some()
            || self.contains.is_some()
            || self.lacks.is_some()
            || self.json.is_some()
            || self.max_chars.is_some()
    }
}

/// The keys that cannot hold when nothing is there.
fn demanded(expect: &FileExpect) -> impl Iterator<Item = &'static str> + use<> {
    let keys = [
        ("exists", expect.exists == Some(true)),
        ("content", expect.content.is_some()),
        ("contains", expect.contains.is_some()),
        ("target", expect.target.is_some()),
        ("kind", expect.kind.is_some()),
        ("json", expect.json.is_some()),
        ("max_chars", expect.max_chars.is_some()),
        ("mode", expect.mode.is_some()),
    ];
    keys.into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(key, _)| key)
}

/// Equal, or one of them has one line end more at its very end.
fn same_but_for_a_line_end(a: &str, b: &str) -> bool {
    a == b || a.strip_suffix('\n') == Some(b) || b.strip_suffix('\n') == Some(a)
}

/// Numbers are equal by value: 1 and 1.0.
fn same_json(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_json(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| same_json(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (a, b) => a == b,
    }
}

/// A link's target as an absolute path without `.` and `..`.
fn resolved(folder: &str, target: &str) -> String {
    let from = if target.starts_with('/') { "" } else { folder };
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/').chain(target.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

/// Enough of a text to recognise it.
pub fn beginning(text: &str) -> &str {
    const SHOWN: usize = 80;
    text.char_indices()
        .nth(SHOWN)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The keys that do not hold of `/srv/x` (`one\ntwo\n`, mode 0644), `/srv/l` (a link to `x`) and `/srv/d`.
    fn keys(expect: &str) -> Vec<&'static str> {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path()).unwrap();
        root.write("/srv/x", b"one\ntwo\n").unwrap();
        root.write("/srv/j", br#"{"a": [1, 2.0], "b": null}"#)
            .unwrap();
        root.link("/srv/l", "x").unwrap();
        root.make_folder("/srv/d").unwrap();
        let files: Files = serde_json::from_str(expect).unwrap();
        wrong(&root, &files).iter().map(|wrong| wrong.key).collect()
    }

    #[test]
    fn each_key_is_judged() {
        let check =
            |expect: &str, expected: &[&str]| assert_eq!(keys(expect), expected, "{expect}");
        check(
            r#"{"/srv/x":{"exists":true,"content":"one\ntwo","mode":"0644"}}"#,
            &[],
        );
        check(r#"{"/srv/x":{"content":"one\ntwo\n\n"}}"#, &[]);
        check(r#"{"/srv/x":{"content":"one\ntwo\n\n\n"}}"#, &["content"]);
        check(r#"{"/srv/x":{"content":" one\ntwo"}}"#, &["content"]);
        check(r#"{"/srv/x":{"contains":"e\nt","lacks":"three"}}"#, &[]);
        check(
            r#"{"/srv/x":{"contains":"three","lacks":"two"}}"#,
            &["contains", "lacks"],
        );
        check(r#"{"/srv/x":{"max_chars":8,"mode":"640"}}"#, &["mode"]);
        check(r#"{"/srv/x":{"max_chars":7}}"#, &["max_chars"]);
        check(r#"{"/srv/x":{"exists":false}}"#, &["exists"]);
        check(r#"{"/srv/none":{"exists":false}}"#, &[]);
        check(r#"{"/srv/none":{"lacks":"x"}}"#, &[]);
        check(
            r#"{"/srv/none":{"exists":true,"content":"x"}}"#,
            &["exists", "content"],
        );
        check(
            r#"{"/srv/l":{"kind":"symlink","target":"/srv/x","content":"one\ntwo"}}"#,
            &[],
        );
        check(
            r#"{"/srv/l":{"kind":"file","target":"/srv/y"}}"#,
            &["kind", "target"],
        );
        check(
            r#"{"/srv/d":{"kind":"directory","content":"x"}}"#,
            &["content"],
        );
        check(r#"{"/srv/x":{"target":"/srv/y"}}"#, &["target"]);
        check(r#"{"/srv/j":{"json":{"b":null,"a":[1.0,2]}}}"#, &[]);
        check(r#"{"/srv/j":{"json":{"b":null,"a":[2,1]}}}"#, &["json"]);
        check(r#"{"/srv/x":{"json":1}}"#, &["json"]);
    }

    #[test]
    fn a_relative_target_is_resolved_first() {
        assert_eq!(resolved("/srv/a", "../b/./c"), "/srv/b/c");
        assert_eq!(resolved("/srv/a", "/x/"), "/x");
        assert_eq!(resolved("/", "../../x"), "/x");
    }

    #[test]
    fn broken_is_what_held_before() {
        let wrong = |path: &str, key, how: &str| Wrong {
            path: path.into(),
            key,
            how: how.into(),
        };
        let before = [wrong("/a", "content", "holds old")];
        let after = [
            wrong("/a", "content", "holds odd"),
            wrong("/b", "exists", "is there"),
        ];
        assert_eq!(broken(&before, &after), [&after[1]]);
    }
}
